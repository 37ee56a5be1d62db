import Support

/// Shards that wait for an agent.
///
/// Fresh ones come out lane by lane in turn, and within a lane place by place, so that agents work in different places of the
/// store at the same time. Those that come back go before the fresh ones; each may have agents that it would rather not go
/// to.
struct PendingShards: Sendable {
    /// Shards that came back and avoid the same agents.
    private struct Group: Sendable {
        /// Sorted, without doubles.
        let avoided: [AgentID]
        var queue = FirstInFirstOut<Ticket>()
    }

    /// The shards of each lane, by place.
    private var lanes = Rotation<Int64, Rotation<String, FirstInFirstOut<Ticket>>>()
    /// Few: one for each set of agents on which waiting shards have failed.
    private var groups: [Group] = []
    private var places: [Int: (number: UInt64, avoided: [AgentID])] = [:]
    private var lastNumber: UInt64 = 0

    var count: Int { places.count }
    var isEmpty: Bool { places.isEmpty }

    /// The agents that a waiting shard avoids; nil when it does not wait.
    func avoided(by shard: Int) -> [AgentID]? { places[shard]?.avoided }

    /// - Parameter place: shards of one lane and place come out in order.
    mutating func add(_ shard: Int, lane: Int64, place: String = "") {
        let ticket = ticket(shard, avoiding: [])
        lanes.add(to: lane) { $0.add(to: place) { $0.append(ticket) } }
    }

    /// Adds a shard that was with an agent before, or moves one that waits.
    mutating func addReturned(_ shard: Int, avoiding agents: [AgentID]) {
        let avoided = Array(Set(agents)).sorted()
        let ticket = ticket(shard, avoiding: avoided)
        if let index = groups.firstIndex(where: { $0.avoided == avoided }) {
            groups[index].queue.append(ticket)
        } else {
            groups.append(Group(avoided: avoided))
            groups[groups.count - 1].queue.append(ticket)
        }
    }

    /// The next shard for an agent.
    ///
    /// - Parameter hasAlternative: whether an agent outside of the list could take a shard; when none can, a shard goes also
    ///   to an agent that it avoids.
    mutating func take(for agent: AgentID, hasAlternative: ([AgentID]) -> Bool) -> Int? {
        var index = 0
        while index < groups.count {
            if !groups[index].avoided.contains(agent) || !hasAlternative(groups[index].avoided) {
                let shard = PendingShards.popValid(&groups[index].queue, &places)
                if groups[index].queue.isEmpty { groups.remove(at: index) }
                if let shard { return shard }
            } else {
                index += 1
            }
        }
        return PendingShards.popValid(&lanes, &places)
    }

    mutating func removeAll() { self = PendingShards() }

    private static func popValid(
        _ queue: inout some TicketQueue, _ places: inout [Int: (number: UInt64, avoided: [AgentID])]
    ) -> Int? {
        while let ticket = queue.popTicket() {
            guard places[ticket.shard]?.number == ticket.number else { continue }
            places[ticket.shard] = nil
            return ticket.shard
        }
        return nil
    }

    private mutating func ticket(_ shard: Int, avoiding agents: [AgentID]) -> Ticket {
        lastNumber += 1
        places[shard] = (lastNumber, agents)
        return Ticket(shard: shard, number: lastNumber)
    }
}

/// A shard's place in a queue. A shard that was moved leaves its old ticket behind, which is skipped.
private struct Ticket: Sendable {
    var shard: Int
    var number: UInt64
}

/// Queues that take turns.
private struct Rotation<Key: Hashable & Sendable, Queue: TicketQueue>: TicketQueue {
    private var queues: [Key: Queue] = [:]
    /// Those that are not empty, in turn.
    private var turns = FirstInFirstOut<Key>()

    var isEmpty: Bool { turns.isEmpty }

    mutating func add(to key: Key, _ body: (inout Queue) -> Void) {
        if queues[key] == nil { turns.append(key) }
        body(&queues[key, default: Queue()])
    }

    mutating func popTicket() -> Ticket? {
        while let key = turns.popFirst() {
            let ticket = queues[key]?.popTicket()
            if queues[key]?.isEmpty ?? true { queues[key] = nil } else { turns.append(key) }
            if let ticket { return ticket }
        }
        return nil
    }
}

private protocol TicketQueue: Sendable {
    init()
    var isEmpty: Bool { get }
    mutating func popTicket() -> Ticket?
}

extension FirstInFirstOut: TicketQueue where Element == Ticket {
    fileprivate mutating func popTicket() -> Ticket? { popFirst() }
}
