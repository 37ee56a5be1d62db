import ShardProtocol
import Support

/// The agents of a job: who is there, who waits for work, and what each has done.
struct AgentRoster: Sendable {
    struct Agent: Sendable {
        /// nil while it is not connected.
        var capacity: Int?
        /// Shards it has asked for and not got yet.
        var wish = 0
        /// A lease of it ran out and nothing was heard of it since: it gets nothing until it speaks.
        var isSilent = false
        /// Its place among those that wait.
        var place: UInt64?
        /// Epochs by shard.
        var leases: [Int: Int] = [:]
        /// Of the shards it holds.
        var heldBytes: Int64 = 0
        var done = WorkAmount()
        var inFlight = WorkAmount()
        var failures = 0
        var losses = 0
        /// From lease to report, of all shards it has finished.
        var timeForDone = Duration.zero

        var isAvailable: Bool { capacity != nil && !isSilent }
        var isWilling: Bool { isAvailable && wish > 0 && leases.count < capacity ?? 0 }
        var isIdle: Bool { isWilling && leases.isEmpty }
        /// How long a shard takes here; no time at all as long as nobody knows.
        var timeForShard: Duration { done.shards == 0 ? .zero : timeForDone / done.shards }
    }

    private(set) var agents: [AgentID: Agent] = [:]
    /// How many are connected and not silent.
    private(set) var availableCount = 0
    private var waiting = FirstInFirstOut<(agent: AgentID, place: UInt64)>()
    private var lastPlace: UInt64 = 0

    subscript(_ id: AgentID) -> Agent? { agents[id] }

    var waitingCount: Int { waiting.count }

    /// Changes an agent and puts it among those that wait, or takes it from there, as it then is.
    mutating func update(_ id: AgentID, _ change: (inout Agent) -> Void) {
        let wasAvailable = agents[id]?.isAvailable ?? false
        change(&agents[id, default: Agent()])
        guard let agent = agents[id] else { return }
        availableCount += (agent.isAvailable ? 1 : 0) - (wasAvailable ? 1 : 0)
        if !agent.isWilling {
            agents[id]?.place = nil
        } else if agent.place == nil {
            lastPlace += 1
            agents[id]?.place = lastPlace
            waiting.append((id, lastPlace))
        }
    }

    /// Takes the agent that has waited longest. ``update(_:_:)`` puts it at the end of the line again if it still is willing.
    mutating func popWaiting() -> AgentID? {
        while let (id, place) = waiting.popFirst() {
            guard agents[id]?.place == place else { continue }
            agents[id]?.place = nil
            return id
        }
        return nil
    }

    /// The agents that want work and have none, those first that have waited longest.
    var idle: [AgentID] {
        agents.filter { $0.value.isIdle }.sorted { ($0.value.place ?? 0) < ($1.value.place ?? 0) }.map(\.key)
    }

    /// Whether an agent that is not in the list could take a shard, now or when it has room.
    func hasAvailable(outsideOf list: [AgentID]) -> Bool {
        availableCount > list.count { agents[$0]?.isAvailable ?? false }
    }
}
