import ShardProtocol
import Support

/// A connection inside the process: two bounded queues of messages, without frames or sockets.
///
/// A coordinator that also works itself talks to its worker through this, so that there is one way for a shard to go.
package final class InProcessChannel<Outgoing: Sendable, Incoming: Sendable>: MessageChannel {
    private let outgoing: BoundedQueue<Outgoing>
    private let incoming: BoundedQueue<Incoming>

    private init(outgoing: BoundedQueue<Outgoing>, incoming: BoundedQueue<Incoming>) {
        self.outgoing = outgoing
        self.incoming = incoming
    }

    package var peer: String { "in process" }

    package func send(_ message: Outgoing) async throws {
        do { try await outgoing.send(message) } catch { throw BackupError(wrapping: error) }
    }

    package func receive() async throws -> Incoming? {
        do { return try await incoming.receive() } catch { throw BackupError(wrapping: error) }
    }

    package func close() {
        // Our own messages stay in their queue until the peer has read them; the peer's unread ones are nobody's any more.
        outgoing.close(.channelClosed(peer: peer))
        incoming.close(.peerClosed(peer: peer), discarding: true)
    }
}

extension InProcessChannel where Outgoing == AgentMessage, Incoming == CoordinatorMessage {
    /// Both ends of a new connection.
    ///
    /// - Parameter capacity: messages that may be on their way in each direction before `send` waits.
    package static func pair(capacity: Int = 64) -> (agent: AgentChannel, coordinator: CoordinatorChannel) {
        let up = BoundedQueue<AgentMessage>(capacity: capacity)
        let down = BoundedQueue<CoordinatorMessage>(capacity: capacity)
        return (
            InProcessChannel<AgentMessage, CoordinatorMessage>(outgoing: up, incoming: down),
            InProcessChannel<CoordinatorMessage, AgentMessage>(outgoing: down, incoming: up)
        )
    }
}

extension BackupError {
    /// What a `send` gets after this side has closed the channel.
    static func channelClosed(peer: String) -> BackupError {
        BackupError(.canceled, "the connection to \(peer) was closed here")
    }

    /// What a `send` gets after the other side has closed the channel.
    static func peerClosed(peer: String) -> BackupError {
        BackupError(.unavailable, "\(peer) has closed the connection", isRetryable: true)
    }
}
