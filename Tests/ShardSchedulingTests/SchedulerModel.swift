import ShardProtocol

@testable import ShardScheduling

/// A plain account of what a scheduler may do, kept beside it while random things happen to both.
struct SchedulerModel {
    struct Agent {
        var isConnected = false
        var isSilent = false
        /// Heartbeats stop while it hangs.
        var isHanging = false
        var wish = 0
        var held: [Int: Assignment] = [:]
    }

    struct ShardRecord {
        /// Epochs of the leases that count; two when it was taken over.
        var holders: [AgentID: Int] = [:]
        var epoch = 0
        var isDone = false
        var avoided: Set<AgentID> = []
        var failedOn: Set<AgentID> = []
        var avoidsUntil = ContinuousClock.Instant.start
    }

    static let capacity = 3
    static let shardBytes: Int64 = 200
    static let takeoverDelay = Duration.seconds(10)
    let names = (0..<8).map { AgentID("agent-\($0)") }
    var scheduler: ShardScheduler
    var random: SeededGenerator
    var agents: [AgentID: Agent] = [:]
    var shards: [Int: ShardRecord] = [:]
    var pending: Set<Int> = []
    var past: [(AgentID, Assignment)] = []
    var now = ContinuousClock.Instant.start
    var nextShard = 0
    var doneCount = 0
    var takeovers = 0
    /// Shards that came to an agent that had one already.
    var prefetches = 0
    var steps = 0
    /// What went wrong; the run stops at the first entry.
    var complaint: String?

    init(seed: UInt64) {
        random = SeededGenerator(seed: seed)
        scheduler = ShardScheduler(
            job: "job", backupName: "nightly",
            policy: SchedulingPolicy(
                leaseDuration: .seconds(30), maximumFailures: .max, takeoverDelay: SchedulerModel.takeoverDelay,
                smallestShare: SchedulerModel.shardBytes))
        for name in names { agents[name] = Agent() }
    }

    // MARK: Random events

    mutating func step() {
        steps += 1
        let agent = names[Int.random(in: 0..<names.count, using: &random)]
        switch Int.random(in: 0..<100, using: &random) {
        // At times nothing comes, so that the agents get to the end of the work.
        case 0..<20: if steps / 600 % 2 == 0 { add() }
        case 20..<45: pull(agent)
        case 45..<65: complete(agent)
        case 65..<70: fail(agent)
        case 70..<73: giveBack(agent)
        case 73..<79: reportLate()
        case 79..<90: beat(agent)
        case 90..<92: lose(agent)
        case 92..<95: join(agent)
        case 95..<96: agents[agent]?.isHanging.toggle()
        default: wait(.milliseconds(Int.random(in: 0...8000, using: &random)))
        }
        if complaint == nil { checkNothingIsWithheld() }
    }

    /// Ends everything well: all agents come, all hang no more, and every shard must get done.
    mutating func finish() {
        scheduler.noMoreShards()
        for name in names {
            join(name)
            agents[name]?.isHanging = false
        }
        for _ in 0..<20_000 where !scheduler.isFinished && complaint == nil {
            for name in names {
                pull(name)
                beat(name)
                complete(name)
            }
            wait(.seconds(1))
        }
    }

    mutating func add() {
        guard pending.count < 40 else { return }
        let id = nextShard
        nextShard += 1
        shards[id] = ShardRecord()
        pending.insert(id)
        let lane = Int64.random(in: 0..<5, using: &random)
        take(scheduler.add(.sample(id), lane: lane, now: now))
    }

    mutating func pull(_ name: AgentID) {
        guard let agent = agents[name], agent.isConnected, agent.wish == 0 else { return }
        let count = Int.random(in: 1...SchedulerModel.capacity, using: &random)
        agents[name]?.wish = count
        agents[name]?.isSilent = false
        take(scheduler.pull(name, count: count, now: now))
    }

    mutating func complete(_ name: AgentID) {
        guard let assignment = heldByBelief(name) else { return }
        let isValid = holds(name, assignment.lease)
        let rivals = shards[assignment.lease.shard]?.holders.filter { $0.key != name } ?? [:]
        letGo(name, assignment)
        let outcome = scheduler.complete(name, .sample(assignment), now: now)
        switch outcome.verdict {
        case .finished(let finished):
            guard isValid, finished.shard.id == assignment.lease.shard else { return complain("a late report counted") }
            markDone(finished.shard.id)
            let told = outcome.superseded.map { [$0.agent: $0.lease.epoch] }
            guard told == rivals.map({ [$0.key: $0.value] }) else { return complain("\(told) are told, not \(rivals)") }
            // Some hear it at once, some are late.
            for held in outcome.superseded where Bool.random(using: &random) {
                agents[held.agent]?.held[held.lease.shard] = nil
            }
        case .late: if isValid { complain("a good report was dropped") }
        default: complain("\(outcome.verdict)")
        }
        take(outcome.handouts)
    }

    mutating func fail(_ name: AgentID) {
        guard let assignment = heldByBelief(name) else { return }
        let shard = assignment.lease.shard
        let isValid = holds(name, assignment.lease)
        let hasRival = (shards[shard]?.holders.count ?? 0) > 1
        letGo(name, assignment)
        let outcome = scheduler.fail(name, .sample(assignment.lease), now: now)
        guard outcome.verdict == (!isValid ? .late : hasRival ? .leftToRival : .requeued) else {
            return complain("\(outcome.verdict)")
        }
        if isValid {
            shards[shard]?.failedOn.insert(name)
            release(shard, by: name)
        }
        take(outcome.handouts)
    }

    mutating func giveBack(_ name: AgentID) {
        guard let assignment = heldByBelief(name) else { return }
        let shard = assignment.lease.shard
        let isValid = holds(name, assignment.lease)
        letGo(name, assignment)
        if isValid { release(shard, by: name, avoiding: [name]) }
        take(scheduler.giveBack(name, assignment.lease, now: now))
    }

    /// Somebody reports a lease that ended long ago, perhaps not even his own.
    mutating func reportLate() {
        guard let (holder, assignment) = past.randomElement(using: &random) else { return }
        let name = Bool.random(using: &random) ? holder : names[Int.random(in: 0..<names.count, using: &random)]
        guard agents[name]?.isConnected == true else { return }
        guard !holds(name, assignment.lease) else { return }
        agents[name]?.isSilent = false
        let outcome =
            Bool.random(using: &random)
            ? scheduler.complete(name, .sample(assignment), now: now)
            : scheduler.fail(name, .sample(assignment.lease), now: now)
        guard outcome.verdict == .late else { return complain("a late report counted: \(outcome.verdict)") }
        take(outcome.handouts)
    }

    mutating func beat(_ name: AgentID) {
        guard let agent = agents[name], agent.isConnected, !agent.isHanging else { return }
        agents[name]?.isSilent = false
        let believed = agent.held.values.sorted { $0.lease.shard < $1.lease.shard }
        let reports = believed.map {
            Heartbeat.Progress(lease: $0.lease, bytes: Int64.random(in: -5...300, using: &random), objects: 1)
        }
        let outcome = scheduler.heartbeat(name, reports, now: now)
        let over = believed.map(\.lease).filter { !holds(name, $0) }
        guard outcome.stale == over else { return complain("stale leases \(outcome.stale), should be \(over)") }
        for lease in outcome.stale { agents[name]?.held[lease.shard] = nil }
        take(outcome.handouts)
    }

    mutating func lose(_ name: AgentID) {
        guard agents[name]?.isConnected == true else { return }
        forget(name)
        take(scheduler.agentLost(name, now: now))
    }

    mutating func join(_ name: AgentID) {
        forget(name)
        let handouts = scheduler.agentJoined(name, capacity: SchedulerModel.capacity, now: now)
        take(handouts)
        agents[name]?.isConnected = true
    }

    mutating func wait(_ duration: Duration) {
        now += duration
        let outcome = scheduler.expire(now: now)
        for expired in outcome.expired {
            let shard = expired.lease.shard
            guard holds(expired.agent, expired.lease) else {
                return complain("a lease expired that nobody held")
            }
            agents[expired.agent]?.isSilent = true
            release(shard, by: expired.agent)
        }
        if let deadline = outcome.nextDeadline, deadline <= now { complain("the next deadline is over already") }
        take(outcome.handouts, mayTakeOver: true)
    }
}
