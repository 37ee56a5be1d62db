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
    let reach: WorkerReach
    /// Shards it has asked for and not got yet, as far as a job knows that begins now.
    private(set) var wish = 0
    private let channel: CoordinatorChannel
    private let outgoing: AsyncStream<CoordinatorMessage>.Continuation
    private let sender: Task<Void, Never>

    init(
        connection: Int, instance: String, capacity: Int, reach: WorkerReach, channel: CoordinatorChannel,
        logger: Logger
    ) {
        self.connection = connection
        self.instance = instance
        self.capacity = capacity
        self.reach = reach
        self.channel = channel
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

    /// It asks for shards, on top of those that it has asked for. No number of an agent is believed.
    mutating func wishes(_ count: Int) { wish = min(capacity, wish + min(max(0, count), capacity)) }

    mutating func gets(_ assignment: Assignment) {
        // Several jobs may answer the same wish; it is not less than nothing because of that.
        wish = max(0, wish - 1)
        send(.assignment(reach.addressed(assignment)))
    }

    func send(_ message: CoordinatorMessage) { outgoing.yield(message) }

    /// Ends the connection without waiting for a peer that may not listen.
    func cutOff() {
        outgoing.finish()
        channel.close()
    }

    /// Sends what is queued, then closes the connection; a peer that does not listen is cut off.
    func close() async {
        outgoing.finish()
        let patience = Task {
            try await Task.sleep(for: .seconds(5))
            channel.close()
        }
        await sender.value
        patience.cancel()
    }
}
