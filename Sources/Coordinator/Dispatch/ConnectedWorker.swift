import ShardProtocol
import ShardTransport
import Support

/// A worker as the dispatcher sees it, with a queue of its own so that a slow connection holds up nobody else and messages
/// keep their order.
struct ConnectedWorker: Sendable {
    let name: String
    /// Where its connection comes from.
    let peer: String
    private let outgoing: AsyncStream<CoordinatorMessage>.Continuation
    private let sender: Task<Void, Never>

    init(name: String, channel: CoordinatorChannel, logger: Logger) {
        self.name = name
        self.peer = channel.peer
        let (messages, outgoing) = AsyncStream.makeStream(of: CoordinatorMessage.self)
        self.outgoing = outgoing
        self.sender = Task {
            do {
                for await message in messages { try await channel.send(message) }
            } catch {
                // The receiving side of the session notices the loss and gives the shards to others.
                logger.debug("cannot send to agent \(name): \(BackupError(wrapping: error))")
            }
            channel.close()
        }
    }

    func send(_ message: CoordinatorMessage) { outgoing.yield(message) }

    /// Sends what is queued, then closes the connection.
    func close() { outgoing.finish() }

    /// Waits until everything queued before ``close()`` has gone out.
    func closed() async { await sender.value }
}
