import ShardProtocol
import ShardTransport
import Support
import Synchronization

/// Messages on their way out, in order, so that the worker's loop never waits for a slow peer.
///
/// It stays short: a report for each lease, one wish for work, and at most one heartbeat.
final class Outbox: Sendable {
    private let channel: AgentChannel
    private let messages: AsyncStream<AgentMessage>
    private let queue: AsyncStream<AgentMessage>.Continuation
    private let waiting = Mutex(0)

    init(_ channel: AgentChannel) {
        self.channel = channel
        (messages, queue) = AsyncStream.makeStream(of: AgentMessage.self)
    }

    /// Whether everything was sent.
    var isEmpty: Bool { waiting.withLock { $0 == 0 } }

    func add(_ message: AgentMessage) {
        waiting.withLock { $0 += 1 }
        queue.yield(message)
    }

    /// No more messages come; those that are there are still sent.
    func finish() { queue.finish() }

    /// Sends until ``finish()``; gives the error that ended it before.
    func deliver() async -> BackupError? {
        for await message in messages {
            do {
                try await channel.send(message)
                waiting.withLock { $0 -= 1 }
            } catch { return BackupError(wrapping: error) }
        }
        return nil
    }
}
