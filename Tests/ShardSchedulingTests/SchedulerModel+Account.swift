import ShardProtocol

@testable import ShardScheduling

extension SchedulerModel {
    mutating func complain(_ text: String) { complaint = complaint ?? text }

    /// A shard that an agent thinks it holds, whether it does or not.
    mutating func heldByBelief(_ name: AgentID) -> Assignment? {
        guard let agent = agents[name], agent.isConnected else { return nil }
        let shards = agent.held.keys.sorted()
        return shards.randomElement(using: &random).flatMap { agent.held[$0] }
    }

    /// Whether an agent's lease counts.
    func holds(_ name: AgentID, _ lease: Lease) -> Bool { shards[lease.shard]?.holders[name] == lease.epoch }

    /// The agent speaks of a shard for the last time.
    mutating func letGo(_ name: AgentID, _ assignment: Assignment) {
        agents[name]?.held[assignment.lease.shard] = nil
        agents[name]?.isSilent = false
        if past.count < 500 {
            past.append((name, assignment))
        } else {
            past[Int.random(in: 0..<past.count, using: &random)] = (name, assignment)
        }
    }

    /// An agent's lease of the shard is over and it is not done.
    mutating func release(_ shard: Int, by name: AgentID, avoiding more: Set<AgentID> = []) {
        shards[shard]?.holders[name] = nil
        guard var record = shards[shard], record.holders.isEmpty else { return }
        record.avoided = record.failedOn.union(more)
        record.avoidsUntil = now + .seconds(30)
        shards[shard] = record
        pending.insert(shard)
    }

    mutating func markDone(_ shard: Int) {
        guard shards[shard]?.isDone == false else { return complain("shard \(shard) finished twice") }
        shards[shard]?.isDone = true
        shards[shard]?.holders = [:]
        doneCount += 1
    }

    /// The agent's connection is gone.
    mutating func forget(_ name: AgentID) {
        guard let agent = agents[name], agent.isConnected else { return }
        for (shard, assignment) in agent.held {
            past.append((name, assignment))
            if holds(name, assignment.lease) { release(shard, by: name) }
        }
        agents[name] = Agent()
    }

    /// Shards that an agent may hold: half of its part of what is left, but always one; any number when there is no other.
    var shardsPerAgent: Int {
        let available = agents.values.count { $0.isConnected && !$0.isSilent }
        return available < 2 ? SchedulerModel.capacity : max(1, (nextShard - doneCount) / (2 * available))
    }

    mutating func take(_ handouts: [Handout], mayTakeOver: Bool = false) {
        for handout in handouts {
            let lease = handout.assignment.lease
            guard let record = shards[lease.shard], let agent = agents[handout.agent] else {
                return complain("a handout of nothing or to nobody")
            }
            guard !record.isDone else { return complain("shard \(lease.shard) is done and was handed out") }
            if let rival = handout.rival {
                guard mayTakeOver, Array(record.holders.keys) == [rival], rival != handout.agent else {
                    return complain("shard \(lease.shard) of \(record.holders) was taken over from \(rival)")
                }
                guard pending.isEmpty, !record.failedOn.contains(handout.agent) else {
                    return complain("shard \(lease.shard) was taken over while there was better")
                }
                takeovers += 1
            } else {
                guard record.holders.isEmpty, pending.contains(lease.shard) else {
                    return complain("shard \(lease.shard) has two leases")
                }
                let held = agent.held.values.count { holds(handout.agent, $0.lease) }
                guard held < shardsPerAgent else { return complain("\(handout.agent) has more than its share") }
                if held > 0 { prefetches += 1 }
            }
            guard lease.epoch > record.epoch else { return complain("epoch \(lease.epoch) after \(record.epoch)") }
            guard agent.isConnected, !agent.isSilent else { return complain("a handout to an absent agent") }
            guard agent.wish > 0 else { return complain("a handout that nobody asked for") }
            let valid = agent.held.values.filter { holds(handout.agent, $0.lease) }
            guard valid.count < SchedulerModel.capacity else { return complain("more than an agent can hold") }
            pending.remove(lease.shard)
            shards[lease.shard]?.holders[handout.agent] = lease.epoch
            shards[lease.shard]?.epoch = lease.epoch
            agents[handout.agent]?.wish -= 1
            agents[handout.agent]?.held[lease.shard] = handout.assignment
        }
    }

    /// No shard waits while an agent does that may have it, except for an agent where it has not failed. So nobody is without
    /// work while a shard waits.
    mutating func checkNothingIsWithheld() {
        guard !pending.isEmpty else { return }
        let available = names.filter { agents[$0].map { $0.isConnected && !$0.isSilent } ?? false }
        for name in available {
            guard let agent = agents[name], agent.wish > 0 else { continue }
            let held = agent.held.values.filter { holds(name, $0.lease) }
            guard held.count < min(SchedulerModel.capacity, shardsPerAgent) else { continue }
            for shard in pending {
                guard let record = shards[shard] else { continue }
                let others = available.contains { !record.avoided.contains($0) }
                let mayWait = record.avoided.contains(name) && others && now < record.avoidsUntil
                if !mayWait { return complain("shard \(shard) waits while \(name) does") }
            }
        }
    }

    /// What the scheduler says of itself agrees with the account.
    mutating func checkSums() {
        let progress = scheduler.progress
        let leased = shards.values.count { !$0.holders.isEmpty }
        guard progress.pendingShards == pending.count else { return complain("\(progress.pendingShards) pending") }
        guard progress.inFlight.shards == leased else { return complain("\(progress.inFlight.shards) in flight") }
        guard progress.done == WorkAmount(shards: doneCount, objects: 2 * doneCount, bytes: 200 * Int64(doneCount))
        else {
            return complain("done: \(progress.done)")
        }
        let agents = scheduler.agents
        let held = agents.reduce(WorkAmount()) { $0 + $1.inFlight }
        let leases = shards.values.reduce(0) { $0 + $1.holders.count }
        // What two have done of one shard counts once for the job.
        guard held.shards == leases,
            held == progress.inFlight || (leases > leased && held.bytes >= progress.inFlight.bytes),
            agents.reduce(WorkAmount(), { $0 + $1.done }) == progress.done
        else { return complain("the agents' sums differ from the job's") }
        guard scheduler.entries.count == pending.count + leased else {
            return complain("done shards are not forgotten")
        }
    }
}
