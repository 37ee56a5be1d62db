import ShardProtocol
import Support

/// Which shard goes to which agent, and when again: the whole state of one job's shards, as a value.
///
/// A shard is pending, leased to one agent or two, or done and forgotten. Every call gets the time and gives back what is to be done;
/// nothing happens by itself. An agent that pulls when nothing is there is remembered and served by a later call, so the
/// handouts of *every* call must be sent.
///
/// - A lease ends with the agent's report, with its connection, or when no heartbeat has named it for
///   ``SchedulingPolicy/leaseDuration``. The next lease of the shard has a higher epoch, and reports of earlier ones are late.
/// - Of several agents none holds more than its share of what is left (``SchedulingPolicy/share(of:agents:)``), but always one
///   shard: whoever asks first does not get everything, and nobody is without work while a shard waits.
/// - Near the end, when nothing is pending, agents without work take over shards that others hold: those first that would be
///   done last. Both leases count, and the first to finish wins; the other is to be canceled. So a slow agent holds up nobody.
/// - A shard that failed goes to another agent if one is there; it waits for that one no longer than a lease lasts.
/// - After ``SchedulingPolicy/maximumFailures`` failures of a shard the job has failed. A failure that no retry can mend gets
///   one more try on one other agent, if there is one, because it may be that agent's own.
///
/// Calls cost O(log n) in shards; agents that wait are looked at one by one only while nothing but shards that avoid them is
/// pending.
package struct ShardScheduler: Sendable {
    package enum State: Sendable, Hashable {
        case running
        case failed(JobFailure)
        case canceled
    }

    struct ActiveLease: Sendable {
        var agent: AgentID
        var epoch: Int
        var began: ContinuousClock.Instant
        var deadline: ContinuousClock.Instant
        /// When a heartbeat last told of more than the one before.
        var progressed: ContinuousClock.Instant
        var done = WorkAmount()
    }

    struct Entry: Sendable {
        var shard: Shard
        var amount: WorkAmount
        /// The epoch of the last lease; one less than the first one's when there was none.
        var epoch: Int
        /// Of different agents; a second one is a takeover.
        var leases: [ActiveLease] = []
        /// Until when the shard waits for an agent that it does not avoid.
        var avoidsUntil: ContinuousClock.Instant?
        /// Where it failed, in that order, without doubles.
        var failedOn: [AgentID] = []
        var failures = 0
        /// Failures that no retry can mend.
        var refusals = 0

        /// What counts as done while it is not: that of the lease that is ahead.
        var inFlight: WorkAmount {
            guard let ahead = leases.max(by: { $0.done.bytes < $1.done.bytes }) else { return WorkAmount() }
            return WorkAmount(shards: 1, objects: ahead.done.objects, bytes: ahead.done.bytes)
        }
    }

    /// An appointment with a lease; only a hint, the truth is in the entry.
    private struct Deadline: Sendable, Comparable {
        var instant: ContinuousClock.Instant
        var shard: Int
        var epoch: Int
        static func < (left: Deadline, right: Deadline) -> Bool { left.instant < right.instant }
    }

    package let job: String
    package let backupName: String
    package let backupPlace: BackupPlace?
    package let policy: SchedulingPolicy
    package private(set) var state = State.running
    /// Leases that ended by silence, with a connection, or because another agent was faster: their holders may have left
    /// something unfinished.
    package private(set) var abandonedLeases = 0
    private let firstEpoch: Int

    /// Shards that are not done.
    private(set) var entries: [Int: Entry] = [:]
    private(set) var pending = PendingShards()
    private(set) var roster = AgentRoster()
    private var deadlines = MinimumHeap<Deadline>()
    private var total = JobProgress()

    /// - Parameters:
    ///   - job: names the job in its leases.
    ///   - backupName: goes into the assignments, as does the next one.
    ///   - backupPlace: where the backup lies; nil for where everybody is configured to look.
    ///   - firstEpoch: of the first lease of every shard. A job that goes on after a restart begins higher than before, so that
    ///     agents which still hold leases of the earlier run cannot be mistaken.
    package init(
        job: String, backupName: String, backupPlace: BackupPlace? = nil, policy: SchedulingPolicy = SchedulingPolicy(),
        firstEpoch: Int = 1
    ) {
        self.job = job
        self.backupName = backupName
        self.backupPlace = backupPlace
        self.policy = policy
        self.firstEpoch = firstEpoch
    }

    // MARK: What is known

    package var progress: JobProgress {
        var progress = total
        progress.pendingShards = pending.count
        return progress
    }

    /// Bytes of a leased shard that are done, by the heartbeats of whoever is ahead; nil when it is not leased.
    package func bytesInFlight(of shard: Int) -> Int64? {
        entries[shard].flatMap { $0.leases.isEmpty ? nil : $0.inFlight.bytes }
    }

    /// Whether every shard is done and none will come.
    package var isFinished: Bool { state == .running && total.isPlanComplete && entries.isEmpty }

    /// Every agent that has ever joined, by name.
    package var agents: [AgentProgress] {
        roster.agents.map { id, agent in
            AgentProgress(
                agent: id, isConnected: agent.capacity != nil, done: agent.done, inFlight: agent.inFlight,
                failures: agent.failures, losses: agent.losses)
        }
        .sorted { $0.agent < $1.agent }
    }

    // MARK: The plan

    /// Adds a shard.
    ///
    /// - Parameters:
    ///   - shard: its id must be new in this job.
    ///   - lane: shards of one lane (a partition, a collection) come out in order, the lanes take turns.
    ///   - spreadsKeys: whether shards of one lane take turns by their prefixes, so that no place of the store runs hot;
    ///     those of one prefix come out in order.
    package mutating func add(
        _ shard: Shard, lane: Int64 = 0, spreadsKeys: Bool = false, now: ContinuousClock.Instant
    ) -> [Handout] {
        guard state == .running else { return [] }
        precondition(entries[shard.id] == nil, "shard \(shard.id) was added twice")
        let amount = WorkAmount(shards: 1, objects: shard.objects, bytes: shard.bytes)
        entries[shard.id] = Entry(shard: shard, amount: amount, epoch: firstEpoch - 1)
        total.planned += amount
        pending.add(shard.id, lane: lane, place: spreadsKeys ? shard.sourcePrefix : "")
        return dispatch(now)
    }

    package mutating func noMoreShards() { total.isPlanComplete = true }

    // MARK: Agents

    /// An agent was accepted. One of the same name that is still there counts as lost.
    ///
    /// - Parameter capacity: shards it holds at a time, at most.
    package mutating func agentJoined(_ agent: AgentID, capacity: Int, now: ContinuousClock.Instant) -> [Handout] {
        let handouts = agentLost(agent, now: now)
        roster.update(agent) { $0.capacity = max(1, capacity) }
        return handouts
    }

    /// An agent's connection ended: its leases end at once.
    package mutating func agentLost(_ agent: AgentID, now: ContinuousClock.Instant) -> [Handout] {
        guard let lost = roster[agent], lost.capacity != nil else { return [] }
        for shard in lost.leases.keys.sorted() {
            endLease(of: shard, by: agent)
            requeue(shard, now: now)
        }
        abandonedLeases += lost.leases.count
        roster.update(agent) { agent in
            agent.losses += lost.leases.count
            agent.capacity = nil
            agent.wish = 0
            agent.isSilent = false
        }
        return dispatch(now)
    }

    /// An agent asks for `count` shards more than it has asked for and got so far.
    package mutating func pull(_ agent: AgentID, count: Int, now: ContinuousClock.Instant) -> [Handout] {
        guard let capacity = roster[agent]?.capacity else { return [] }
        roster.update(agent) { agent in
            agent.isSilent = false
            agent.wish = min(capacity, agent.wish + min(max(0, count), capacity))
        }
        return dispatch(now)
    }

    /// An agent lives, and is so far with its leases.
    package mutating func heartbeat(
        _ agent: AgentID, _ leases: [Heartbeat.Progress], now: ContinuousClock.Instant
    ) -> HeartbeatOutcome {
        var stale: [Lease] = []
        for report in leases {
            guard isValid(report.lease, agent), let entry = entries[report.lease.shard] else {
                stale.append(report.lease)
                continue
            }
            let done = WorkAmount(
                shards: 1, objects: min(max(0, report.objects), entry.amount.objects),
                bytes: min(max(0, report.bytes), entry.amount.bytes))
            let deadline = now + policy.leaseDuration
            changeLease(of: report.lease.shard, by: agent) { lease in
                if let known = lease?.done, done.bytes > known.bytes || done.objects > known.objects {
                    lease?.progressed = now
                }
                lease?.done = done
                lease?.deadline = deadline
            }
        }
        return HeartbeatOutcome(stale: stale, handouts: hear(agent, now))
    }

    /// Every task of a shard is done.
    ///
    /// A report that leaves tasks out, or the ETag of a part, counts as a failure.
    package mutating func complete(
        _ agent: AgentID, _ completion: ShardCompletion, now: ContinuousClock.Instant
    ) -> ReportOutcome {
        let lease = completion.lease
        guard isValid(lease, agent), let entry = entries[lease.shard] else {
            return ReportOutcome(verdict: .late, handouts: hear(agent, now))
        }
        let results = completion.results.sorted { $0.index < $1.index }
        if let flaw = entry.shard.flaw(of: results) {
            let failure = ShardFailure(
                lease: lease, key: entry.shard.sourcePrefix + (entry.shard.tasks.first?.source ?? ""), message: flaw,
                code: BackupError.Code.protocolViolation.description, isRetryable: true)
            return fail(agent, failure, now: now)
        }
        let began = entry.leases.first { $0.agent == agent }?.began ?? now
        let superseded = entry.leases.filter { $0.agent != agent }.map { held(lease.shard, $0) }
        abandonedLeases += superseded.count
        for lease in entry.leases { endLease(of: entry.shard.id, by: lease.agent) }
        entries[lease.shard] = nil
        total.done += entry.amount
        roster.update(agent) { agent in
            agent.done += entry.amount
            agent.timeForDone += now - began
        }
        let finished = FinishedShard(
            shard: entry.shard, agent: agent, epoch: lease.epoch, results: results,
            bytesCopied: max(0, completion.bytes), fallback: completion.fallback)
        return ReportOutcome(verdict: .finished(finished), handouts: hear(agent, now), superseded: superseded)
    }

    /// A shard could not be finished.
    ///
    /// - Parameter isVital: whether the job fails when the shard cannot be done at all.
    package mutating func fail(
        _ agent: AgentID, _ failure: ShardFailure, isVital: Bool = true, now: ContinuousClock.Instant
    ) -> ReportOutcome {
        let shard = failure.lease.shard
        guard isValid(failure.lease, agent) else { return ReportOutcome(verdict: .late, handouts: hear(agent, now)) }
        endLease(of: shard, by: agent)
        guard state == .running, var entry = entries[shard] else { return ReportOutcome(verdict: .late, handouts: []) }
        roster.update(agent) { agent in
            agent.failures += 1
            agent.isSilent = false
        }
        entry.failures += 1
        if !failure.isRetryable { entry.refusals += 1 }
        if !entry.failedOn.contains(agent) { entry.failedOn.append(agent) }
        entries[shard] = entry
        // Whoever else is at work on it may be luckier.
        guard entry.leases.isEmpty else { return ReportOutcome(verdict: .leftToRival, handouts: dispatch(now)) }
        let hasSecondOpinion = failure.isRetryable || roster.hasAvailable(outsideOf: entry.failedOn)
        guard entry.failures < policy.maximumFailures, entry.refusals < 2, hasSecondOpinion else {
            let lost = JobFailure(
                shard: shard, key: failure.key, message: failure.message, code: failure.code, agents: entry.failedOn,
                tries: entry.failures)
            guard isVital else {
                entries[shard] = nil
                total.planned -= entry.amount
                return ReportOutcome(verdict: .givenUp(lost), handouts: dispatch(now))
            }
            if state == .running { state = .failed(lost) }
            pending.removeAll()
            return ReportOutcome(verdict: .jobFailed(lost), handouts: [])
        }
        requeue(shard, now: now)
        return ReportOutcome(verdict: .requeued, handouts: dispatch(now))
    }

    /// An agent gives a shard back without having failed. It is not given to the same agent at once if another is there.
    package mutating func giveBack(_ agent: AgentID, _ lease: Lease, now: ContinuousClock.Instant) -> [Handout] {
        guard isValid(lease, agent) else { return hear(agent, now) }
        endLease(of: lease.shard, by: agent)
        requeue(lease.shard, avoiding: [agent], now: now)
        return hear(agent, now)
    }

    // MARK: Time

    /// Ends the leases that have run out, and the waiting for another agent; and lets idle agents take over what others are
    /// slow with. Call it when the deadline it gives is reached, and about every second because of the takeovers; earlier or
    /// more often is harmless.
    package mutating func expire(now: ContinuousClock.Instant) -> ExpiryOutcome {
        var expired: [HeldLease] = []
        while let next = deadlines.first, next.instant <= now || !isCurrent(next) {
            _ = deadlines.popFirst()
            guard isCurrent(next) else { continue }
            guard let lease = entries[next.shard]?.leases.first(where: { $0.epoch == next.epoch }) else {
                stopAvoiding(next.shard, now)
                continue
            }
            guard lease.deadline <= now else {
                deadlines.insert(Deadline(instant: lease.deadline, shard: next.shard, epoch: next.epoch))
                continue
            }
            expired.append(held(next.shard, lease))
            endLease(of: next.shard, by: lease.agent)
            abandonedLeases += 1
            roster.update(lease.agent) { agent in
                agent.isSilent = true
                agent.losses += 1
            }
            requeue(next.shard, now: now)
        }
        let handouts = dispatch(now) + takeOver(now)
        return ExpiryOutcome(expired: expired, handouts: handouts, nextDeadline: deadlines.first?.instant)
    }

    /// Ends everything: no shard is handed out any more, and reports that come now are late.
    ///
    /// - Returns: the leases that were held, to be canceled.
    package mutating func cancelAll() -> [(agent: AgentID, leases: [Lease])] {
        if state == .running { state = .canceled }
        pending.removeAll()
        let held = roster.agents.filter { !$0.value.leases.isEmpty }.sorted { $0.key < $1.key }
        for (id, agent) in held { for shard in agent.leases.keys { endLease(of: shard, by: id) } }
        return held.map { id, agent in
            (id, agent.leases.sorted { $0.key < $1.key }.map { Lease(job: job, shard: $0.key, epoch: $0.value) })
        }
    }

    // MARK: Inside

    private func isValid(_ lease: Lease, _ agent: AgentID) -> Bool {
        guard lease.job == job, let entry = entries[lease.shard] else { return false }
        return entry.leases.contains { $0.agent == agent && $0.epoch == lease.epoch }
    }

    /// Whether an appointment is with the shard as it is now: leased under that epoch, or waiting since its last lease ended.
    private func isCurrent(_ deadline: Deadline) -> Bool {
        guard let entry = entries[deadline.shard] else { return false }
        return entry.leases.isEmpty
            ? entry.epoch == deadline.epoch : entry.leases.contains { $0.epoch == deadline.epoch }
    }

    private func held(_ shard: Int, _ lease: ActiveLease) -> HeldLease {
        HeldLease(agent: lease.agent, lease: Lease(job: job, shard: shard, epoch: lease.epoch))
    }

    /// An agent has spoken: it is not silent.
    private mutating func hear(_ agent: AgentID, _ now: ContinuousClock.Instant) -> [Handout] {
        guard roster[agent] != nil else { return [] }
        roster.update(agent) { $0.isSilent = false }
        return dispatch(now)
    }

    /// Changes an agent's lease of a shard; one that is nil afterwards is over.
    private mutating func changeLease(of shard: Int, by agent: AgentID, _ change: (inout ActiveLease?) -> Void) {
        guard let before = entries[shard]?.inFlight,
            let index = entries[shard]?.leases.firstIndex(where: { $0.agent == agent }),
            let lease = entries[shard]?.leases[index]
        else { return }
        var changed: ActiveLease? = lease
        change(&changed)
        if let changed { entries[shard]?.leases[index] = changed } else { entries[shard]?.leases.remove(at: index) }
        total.inFlight += (entries[shard]?.inFlight ?? WorkAmount()) - before
        roster.update(agent) { $0.inFlight += (changed?.done ?? WorkAmount()) - lease.done }
    }

    /// Ends an agent's lease of a shard, whatever becomes of the shard.
    private mutating func endLease(of shard: Int, by agent: AgentID) {
        changeLease(of: shard, by: agent) { $0 = nil }
        let bytes = entries[shard]?.amount.bytes ?? 0
        roster.update(agent) { if $0.leases.removeValue(forKey: shard) != nil { $0.heldBytes &-= bytes } }
    }

    /// Puts a shard back that nobody holds any more, away from the agents where it failed.
    private mutating func requeue(_ shard: Int, avoiding more: [AgentID] = [], now: ContinuousClock.Instant) {
        guard state == .running, let entry = entries[shard], entry.leases.isEmpty else { return }
        let avoided = entry.failedOn + more
        pending.addReturned(shard, avoiding: avoided)
        guard !avoided.isEmpty else { return }
        let end = now + policy.leaseDuration
        entries[shard]?.avoidsUntil = end
        deadlines.insert(Deadline(instant: end, shard: shard, epoch: entry.epoch))
    }

    /// Lets whoever comes take a shard that has waited long enough for another agent.
    private mutating func stopAvoiding(_ shard: Int, _ now: ContinuousClock.Instant) {
        guard let end = entries[shard]?.avoidsUntil, end <= now, pending.avoided(by: shard) != nil else { return }
        entries[shard]?.avoidsUntil = nil
        pending.addReturned(shard, avoiding: [])
    }

    /// Gives pending shards to waiting agents.
    private mutating func dispatch(_ now: ContinuousClock.Instant) -> [Handout] {
        guard state == .running else { return [] }
        var handouts: [Handout] = []
        var skipped: [AgentID] = []
        while !pending.isEmpty, let agent = roster.popWaiting() {
            if mayHoldMore(agent), let shard = pending.take(for: agent, hasAlternative: roster.hasAvailable(outsideOf:))
            {
                if let handout = lease(shard, to: agent, now) { handouts.append(handout) }
            } else {
                skipped.append(agent)
            }
        }
        for agent in skipped { roster.update(agent) { _ in } }
        return handouts
    }

    /// Whether another shard, of the usual size, is within an agent's share.
    private func mayHoldMore(_ agent: AgentID) -> Bool {
        guard let agent = roster[agent], !agent.leases.isEmpty else { return true }
        let left = total.planned - total.done
        let share = policy.share(of: left.bytes, agents: roster.availableCount)
        return agent.heldBytes &+ left.bytes / Int64(max(1, left.shards)) <= share
    }

    mutating func lease(_ shard: Int, to agent: AgentID, _ now: ContinuousClock.Instant) -> Handout? {
        guard var entry = entries[shard] else { return nil }
        let (before, rival) = (entry.inFlight, entry.leases.first?.agent)
        entry.epoch += 1
        let deadline = now + policy.leaseDuration
        let (epoch, done) = (entry.epoch, WorkAmount(shards: 1))
        entry.leases.append(
            ActiveLease(agent: agent, epoch: epoch, began: now, deadline: deadline, progressed: now, done: done))
        entry.avoidsUntil = nil
        entries[shard] = entry
        total.inFlight += entry.inFlight - before
        deadlines.insert(Deadline(instant: deadline, shard: shard, epoch: epoch))
        roster.update(agent) { agent in
            agent.wish -= 1
            agent.leases[shard] = epoch
            agent.heldBytes &+= entry.amount.bytes
            agent.inFlight += done
        }
        return Handout(
            agent: agent,
            assignment: Assignment(
                lease: Lease(job: job, shard: shard, epoch: epoch), backupName: backupName,
                backupPlace: backupPlace, shard: entry.shard),
            rival: rival)
    }
}

extension Shard {
    /// Why these results, in the order of their tasks, cannot be all of them; nil when they can.
    fileprivate func flaw(of results: [TaskResult]) -> String? {
        guard results.map(\.index) == Array(tasks.indices) else {
            return "the agent reported \(results.count) results for \(tasks.count) tasks"
        }
        // An upload is completed with the ETags of its parts.
        let nameless = zip(tasks, results).first { $0.part != nil && ($1.etag ?? "").isEmpty }
        return nameless?.0.part.map { "the agent reported no ETag of part \($0.number)" }
    }
}
