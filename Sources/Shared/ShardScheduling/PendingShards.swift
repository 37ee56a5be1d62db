import Support

/// Shards that wait for an agent.
///
/// Fresh ones come out lane by lane in turn, so that agents work in different places at the same time. Those that come back
/// go before the fresh ones; each may have agents that it would rather not go to.
struct PendingShards: Sendable {
    /// A shard's place in a queue. A shard that was moved leaves its old ticket behind, which is skipped.
    private struct Ticket: Sendable {
        var shard: Int
        var number: UInt64
    }

    /// Shards that came back and avoid the same agents.
    private struct Group: Sendable {
        /// Sorted, without doubles.
        let avoided: [AgentID]
        var queue = FirstInFirstOut<Ticket>()
    }

    private var lanes: [Int64: FirstInFirstOut<Ticket>] = [:]
    /// The lanes that are not empty, in turn.
    private var turns = FirstInFirstOut<Int64>()
    /// Few: one for each set of agents on which waiting shards have failed.
    private var groups: [Group] = []
    private var places: [Int: (number: UInt64, avoided: [AgentID])] = [:]
    private var lastNumber: UInt64 = 0

    var count: Int { places.count }
    var isEmpty: Bool { places.isEmpty }

    /// The agents that a waiting shard avoids; nil when it does not wait.
    func avoided(by shard: Int) -> [AgentID]? { places[shard]?.avoided }

    mutating func add(_ shard: Int, lane: Int64) {
        if lanes[lane] == nil { turns.append(lane) }
        lanes[lane, default: FirstInFirstOut()].append(ticket(shard, avoiding: []))
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
        while let lane = turns.popFirst() {
            let shard = PendingShards.popValid(&lanes[lane, default: FirstInFirstOut()], &places)
            if lanes[lane]?.isEmpty ?? true { lanes[lane] = nil } else { turns.append(lane) }
            if let shard { return shard }
        }
        return nil
    }

    mutating func removeAll() { self = PendingShards() }

    private static func popValid(
        _ queue: inout FirstInFirstOut<Ticket>, _ places: inout [Int: (number: UInt64, avoided: [AgentID])]
    ) -> Int? {
        while let ticket = queue.popFirst() {
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
