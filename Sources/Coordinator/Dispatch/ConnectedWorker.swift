import ShardProtocol
import ShardTransport
import Support

/// A worker as the dispatcher sees it, with a queue of its own so that a slow connection holds up nobody else and messages
/// keep their order.
struct ConnectedWorker: Sendable {
    /// Tells two connections under one name apart.
    let connection: Int
    let instance: String
    let capacity: Int
    /// Shards it has asked for and not got yet.
    var wish = 0
    private let outgoing: AsyncStream<CoordinatorMessage>.Continuation
    private let sender: Task<Void, Never>

    init(connection: Int, instance: String, capacity: Int, channel: CoordinatorChannel, logger: Logger) {
        self.connection = connection
        self.instance = instance
        self.capacity = capacity
        let (messages, outgoing) = AsyncStream.makeStream(of: CoordinatorMessage.self)
        self.outgoing = outgoing
        self.sender = Task {
            do {
                for await message in messages { try await channel.send(message) }
            } catch {
                // The receiving side of the session notices the loss and gives the shards to others.
                logger.debug("cannot send to \(channel.peer): \(BackupError(wrapping: error))")
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
