import ShardProtocol

/// Shares the limits of a coordinator out among its agents: in equal parts among those who have work. A value without I/O; what
/// a call returns is to be sent, in that order.
///
/// The parts of all who have work never add up to more than the whole, as far as they have heard of it: whoever gets less is
/// told before those who get more.
package struct LimitShares: Sendable {
    package typealias Update = (agent: AgentID, limits: TransferLimits)

    private var total: TransferLimits
    private var busy: Set<AgentID> = []
    /// What each agent was told last.
    private var told: [AgentID: TransferLimits] = [:]

    package init(total: TransferLimits) { self.total = total }

    package mutating func setTotal(_ total: TransferLimits) -> [Update] {
        guard total != self.total else { return [] }
        self.total = total
        return updates()
    }

    /// These agents are about to get work.
    package mutating func getWork(_ agents: some Sequence<AgentID>) -> [Update] {
        busy.formUnion(agents)
        return updates()
    }

    /// These agents, and no others, have work.
    package mutating func haveWork(_ agents: Set<AgentID>) -> [Update] {
        busy = agents
        return updates()
    }

    /// An agent's connection has ended, or begins: it has heard nothing.
    package mutating func forget(_ agent: AgentID) {
        told[agent] = nil
        busy.remove(agent)
    }

    private mutating func updates() -> [Update] {
        let count = busy.count
        guard count > 0 else { return [] }
        let share = TransferLimits(
            bandwidth: total.bandwidth.map { max(1, $0 / Int64(count)) },
            requestsPerSecond: total.requestsPerSecond.map { $0 / Double(count) })
        // Whoever has heard nothing need not be told that there is no limit.
        let news = busy.filter { told[$0] != share && !(told[$0] == nil && share.isUnlimited) }
        // Whoever gets less goes first.
        func rank(_ agent: AgentID) -> (Bool, AgentID) {
            guard let before = told[agent] else { return (true, agent) }
            return (before.bandwidth ?? .max < share.bandwidth ?? .max, agent)
        }
        let ordered = news.sorted { left, right in
            let (left, right) = (rank(left), rank(right))
            return left.0 == right.0 ? left.1 < right.1 : !left.0
        }
        for agent in ordered { told[agent] = share }
        return ordered.map { ($0, share) }
    }
}
