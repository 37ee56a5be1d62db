import ShardProtocol
import ShardScheduling
import ShardTransport
import Support

/// Hands the shards of all running jobs to the connected workers, and lets each job wait for its own.
///
/// What is decided here is decided by ``ShardScheduler``, one value a job; this actor owns the connections, the timer and the
/// waiting tasks. An agent that has asked for work of several jobs may get more than it has asked for: it keeps what it
/// cannot begin yet under its lease.
actor Dispatcher {
    struct Settings: Sendable {
        var policy = SchedulingPolicy()
        /// Shards of one job that are in memory at a time, at least; more when there are many agents.
        var window = 32
        /// What all workers together may use.
        var limits = LimitSetting()

        init() {}
    }

    private let settings: Settings
    private let logger: Logger
    private var jobs: [String: DispatchedJob] = [:]
    private var workers: [AgentID: ConnectedWorker] = [:]
    private var shares: LimitShares
    private var nextConnection = 1
    private var ticker: Task<Void, Never>?
    private var isShuttingDown = false
    private var lastTick = ContinuousClock.now

    init(settings: Settings = Settings(), logger: Logger) {
        self.settings = settings
        self.logger = logger
        shares = LimitShares(total: settings.limits.value)
    }

    // MARK: Jobs

    /// Begins a job.
    ///
    /// - Parameters:
    ///   - backupName: where agents may write depends on it.
    ///   - place: where the backup lies; nil for the configured place. Only workers that may work there get shards of the job.
    func begin(job: String, backupName: String, at place: BackupPlace? = nil) {
        var scheduler = ShardScheduler(
            job: job, backupName: backupName, backupPlace: place, policy: settings.policy)
        let now = ContinuousClock.now
        for (agent, worker) in workers where worker.reach.includes(job: job, at: place) {
            _ = scheduler.agentJoined(agent, capacity: worker.capacity, now: now)
            _ = scheduler.pull(agent, count: worker.wish, now: now)
        }
        jobs[job] = DispatchedJob(scheduler)
        if ticker == nil { ticker = Task { [weak self] in await self?.tick() } }
    }

    /// Ends a job; what it still has in the hands of agents is canceled.
    func end(job: String) {
        cancel(job: job)
        jobs[job] = nil
    }

    /// Stops a job: whoever waits for its shards gets `canceled`.
    func cancel(job: String) { fail(job: job, BackupError(.canceled, "canceled")) }

    /// Says how much work is to come, for the display of progress.
    func announce(_ amount: WorkAmount, job: String) { jobs[job]?.announced += amount }

    /// Copies the shards and returns when all of them are done.
    ///
    /// They are taken from the sequence as fast as the agents work, so that a plan of any size costs little memory. Their
    /// ids are given here. When the calling task is cancelled, the whole job is.
    ///
    /// - Parameters:
    ///   - lane: shards of one lane go out in order, the lanes take turns.
    ///   - spreadsKeys: whether shards of a lane take turns by their prefixes instead.
    ///   - survivesMissing: whether the job goes on when an object is not there: then this call ends with `notFound` when the
    ///     shards that were handed out are done.
    ///   - onFinished: told of every shard that is done.
    ///   - onBytes: told of bytes that have been copied, also of shards that are not done, since it was told last.
    /// - Throws: ``BackupError`` that names the object that could not be copied and says why; the job is over then.
    func copy(
        _ shards: sending some Sequence<Shard>, job: String, lane: Int64, spreadsKeys: Bool = false,
        survivesMissing: Bool = false,
        onFinished: @escaping @Sendable (FinishedShard) -> Void = { _ in },
        onBytes: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws {
        let opened = jobs[job]?.openBatch(
            survivesMissing: survivesMissing, onFinished: onFinished, onBytes: onBytes)
        guard let batch = opened else {
            throw BackupError(.canceled, "the job is over")
        }
        try await withTaskCancellationHandler {
            for shard in shards {
                try await waitForRoom(job)
                if jobs[job]?.hasGivenUp(batch) ?? false { break }
                submit(shard, batch, job, lane, spreadsKeys)
            }
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                if jobs[job] == nil {
                    continuation.resume(throwing: BackupError(.canceled, "the job is over"))
                } else {
                    jobs[job]?.wait(for: batch, continuation)
                }
            }
        } onCancel: {
            Task { await self.cancel(job: job) }
        }
    }

    private func waitForRoom(_ job: String) async throws {
        while true {
            guard let state = jobs[job] else { throw BackupError(.canceled, "the job is over") }
            if let failure = state.failure { throw failure }
            let place = state.scheduler.backupPlace
            let capacity = workers.values.reduce(0) { $0 + ($1.reach.includes(job: job, at: place) ? $1.capacity : 0) }
            if state.openShards < max(settings.window, 2 * capacity) { return }
            await withCheckedContinuation { jobs[job]?.waitForRoom($0) }
        }
    }

    private func submit(_ shard: Shard, _ batch: Int, _ job: String, _ lane: Int64, _ spreadsKeys: Bool) {
        guard let numbered = jobs[job]?.number(shard, batch: batch) else { return }
        send(jobs[job]?.scheduler.add(numbered, lane: lane, spreadsKeys: spreadsKeys, now: .now) ?? [])
    }

    private func fail(job: String, _ error: BackupError) {
        guard jobs[job] != nil, jobs[job]?.failure == nil else { return }
        for (agent, leases) in jobs[job]?.scheduler.cancelAll() ?? [] {
            workers[agent]?.send(.cancel(Cancellation(leases: leases, reason: "the job has ended")))
        }
        jobs[job]?.fail(error)
    }

    // MARK: What is known

    /// Workers that are connected.
    var workerCount: Int { workers.count }

    /// Workers that are connected and may work for a job.
    func workerCount(for job: String, at place: BackupPlace?) -> Int {
        workers.values.count { $0.reach.includes(job: job, at: place) }
    }

    /// How far a job is: what is known to come, and what is done.
    func progress(of job: String) -> (announced: WorkAmount, progress: JobProgress) {
        guard let state = jobs[job] else { return (WorkAmount(), JobProgress()) }
        return (state.announced, state.scheduler.progress)
    }

    /// What every agent has done for a job, by name.
    func shares(of job: String) -> [AgentProgress] { jobs[job]?.scheduler.agents ?? [] }

    /// Leases of a job that ended without a word of their agent, or were still held when another agent was done.
    func abandonedLeases(of job: String) -> Int { jobs[job]?.scheduler.abandonedLeases ?? 0 }

    // MARK: Workers

    /// Talks to a worker whose handshake is over, until its connection ends.
    func serve(
        _ channel: CoordinatorChannel, name: String, instance: String, capacity: Int, reach: WorkerReach = .configured
    ) async {
        let agent = join(channel, name: name, instance: instance, capacity: capacity, reach: reach)
        guard let worker = workers[agent] else { return }
        var ending = "it has closed the connection"
        do {
            receiving: while let message = try await channel.receive() {
                guard workers[agent]?.connection == worker.connection else { break }
                switch message {
                case .goodbye:
                    ending = "it has said goodbye"
                    break receiving
                case .hello, .proof, .probeAnswers:
                    throw BackupError(.protocolViolation, "it sent a message of the handshake after it")
                default: handle(message, from: agent)
                }
            }
        } catch {
            ending = BackupError(wrapping: error).description
        }
        leave(agent, worker, why: ending)
        await worker.close()
    }

    private func join(
        _ channel: CoordinatorChannel, name: String, instance: String, capacity: Int, reach: WorkerReach
    ) -> AgentID {
        // An agent that comes back takes its place again; another one of the same name gets a place of its own.
        var agent = AgentID(name)
        var number = 2
        while let present = workers[agent], present.instance != instance {
            agent = AgentID("\(name)-\(number)")
            number += 1
        }
        workers[agent]?.cutOff()
        shares.forget(agent)
        workers[agent] = ConnectedWorker(
            connection: nextConnection, instance: instance, capacity: capacity, reach: reach, channel: channel,
            logger: logger)
        nextConnection += 1
        for (job, state) in jobs where reach.includes(job: job, at: state.scheduler.backupPlace) {
            send(jobs[job]?.scheduler.agentJoined(agent, capacity: capacity, now: .now) ?? [])
            jobs[job]?.wakeThoseWithoutRoom()
        }
        if isShuttingDown { workers[agent]?.send(.finish) }
        logger.info("agent joined", ["agent": agent, "from": channel.peer, "capacity": capacity])
        return agent
    }

    private func leave(_ agent: AgentID, _ worker: ConnectedWorker, why: String) {
        guard workers[agent]?.connection == worker.connection else { return }
        workers[agent] = nil
        shares.forget(agent)
        var lost = 0
        for job in jobs.keys {
            let before = jobs[job]?.scheduler.agents.first { $0.agent == agent }?.losses ?? 0
            send(jobs[job]?.scheduler.agentLost(agent, now: .now) ?? [])
            lost += (jobs[job]?.scheduler.agents.first { $0.agent == agent }?.losses ?? 0) - before
        }
        if lost > 0 {
            logger.warn("agent lost, its shards go to others", ["agent": agent, "shards": lost, "why": why])
        } else {
            logger.info("agent left", ["agent": agent, "why": why])
        }
    }

    /// Tells all workers that there is no more work, and waits until they have left, but not for ever.
    func shutDown() async {
        ticker?.cancel()
        isShuttingDown = true
        for worker in workers.values { worker.send(.finish) }
        let patience = ContinuousClock.now + .seconds(5)
        while !workers.isEmpty, ContinuousClock.now < patience {
            // Cancelled or not, the goodbyes are worth waiting for.
            await Task { try? await Task.sleep(for: .milliseconds(5)) }.value
        }
        for worker in workers.values { worker.cutOff() }
    }

    // MARK: Messages

    private func handle(_ message: AgentMessage, from agent: AgentID) {
        let now = ContinuousClock.now
        switch message {
        case .pull(let pull):
            workers[agent]?.wishes(pull.shards)
            for job in jobs.keys { send(jobs[job]?.scheduler.pull(agent, count: pull.shards, now: now) ?? []) }
        case .heartbeat(let heartbeat): hear(heartbeat, from: agent, now)
        case .completed(let completion):
            let job = completion.lease.job
            guard let outcome = jobs[job]?.scheduler.complete(agent, completion, now: now) else { return }
            settle(outcome, agent, completion.lease)
        case .failed(let failure):
            let isMissing = failure.code == BackupError.Code.notFound.description
            let isVital = !isMissing || !(jobs[failure.lease.job]?.survivesMissing(failure.lease.shard) ?? false)
            let verdict = jobs[failure.lease.job]?.scheduler.fail(agent, failure, isVital: isVital, now: now)
            guard let outcome = verdict else { return }
            if case .requeued = outcome.verdict {
                logger.warn(
                    "shard failed and will be tried again",
                    ["shard": failure.lease.shard, "agent": agent, "error": failure.message])
            }
            settle(outcome, agent, failure.lease)
        case .returned(let lease):
            logger.debug("shard returned", ["shard": lease.shard, "agent": agent])
            send(jobs[lease.job]?.scheduler.giveBack(agent, lease, now: now) ?? [])
        case .hello, .proof, .probeAnswers, .goodbye: break
        }
    }

    private func hear(_ heartbeat: Heartbeat, from agent: AgentID, _ now: ContinuousClock.Instant) {
        let byJob = Dictionary(grouping: heartbeat.leases) { $0.lease.job }
        var stale = byJob.filter { jobs[$0.key] == nil }.flatMap { $0.value.map(\.lease) }
        for job in jobs.keys {
            guard let outcome = jobs[job]?.scheduler.heartbeat(agent, byJob[job] ?? [], now: now) else { continue }
            stale += outcome.stale
            for report in byJob[job] ?? [] {
                let shard = report.lease.shard
                if let bytes = jobs[job]?.scheduler.bytesInFlight(of: shard) {
                    jobs[job]?.progressed(shard, bytes: bytes)
                }
            }
            send(outcome.handouts)
        }
        if !stale.isEmpty {
            workers[agent]?.send(.cancel(Cancellation(leases: stale, reason: "the lease is over")))
        }
    }

    private func settle(_ outcome: ReportOutcome, _ agent: AgentID, _ lease: Lease) {
        send(outcome.handouts)
        cancel(outcome.superseded, reason: "another agent was faster")
        switch outcome.verdict {
        case .finished(let finished):
            logger.debug(
                "shard done",
                ["shard": lease.shard, "agent": agent, "epoch": lease.epoch, "bytes": finished.shard.bytes])
            if let reason = finished.fallback {
                logger.warn("the store does not copy by itself, streaming instead", ["agent": agent, "why": reason])
            }
            jobs[lease.job]?.finished(finished)
        case .jobFailed(let failure): fail(job: lease.job, failure.error)
        case .givenUp(let failure): jobs[lease.job]?.givenUp(failure)
        case .late:
            logger.info("late report dropped", ["shard": lease.shard, "agent": agent, "epoch": lease.epoch])
        case .requeued, .leftToRival: break
        }
    }

    private func cancel(_ held: [HeldLease], reason: String) {
        for (agent, leases) in Dictionary(grouping: held, by: \.agent) {
            workers[agent]?.send(.cancel(Cancellation(leases: leases.map(\.lease), reason: reason)))
        }
    }

    private func send(_ handouts: [Handout]) {
        // Before the work, so that nobody begins without a limit.
        tell(shares.getWork(handouts.lazy.map(\.agent).filter { self.workers[$0] != nil }))
        for handout in handouts {
            let lease = handout.assignment.lease
            logger.debug("shard leased", ["shard": lease.shard, "agent": handout.agent, "epoch": lease.epoch])
            if let rival = handout.rival {
                logger.info(
                    "slow shard taken over",
                    ["shard": lease.shard, "from": rival, "agent": handout.agent, "epoch": lease.epoch])
            } else if lease.epoch > 1 {
                logger.info(
                    "shard handed out again", ["shard": lease.shard, "agent": handout.agent, "epoch": lease.epoch])
            }
            workers[handout.agent]?.gets(handout.assignment)
        }
    }

    // MARK: Limits

    /// Heeds a new limit, and gives the shares of those who have nothing to do to the others.
    func shareLimits() {
        tell(shares.setTotal(settings.limits.value))
        let busy = jobs.values.flatMap { $0.scheduler.agents.filter { $0.inFlight.shards > 0 }.map(\.agent) }
        tell(shares.haveWork(Set(busy)))
    }

    private func tell(_ updates: [LimitShares.Update]) {
        for (agent, limits) in updates {
            logger.debug(
                "limits shared out",
                [
                    "agent": agent, "bandwidth": limits.bandwidth ?? 0,
                    "requestsPerSecond": limits.requestsPerSecond ?? 0,
                ])
            workers[agent]?.send(.limits(limits))
        }
    }

    // MARK: Time

    private func tick() async {
        let interval = min(.seconds(1), settings.policy.leaseDuration / 10)
        while (try? await Task.sleep(for: interval)) != nil {
            let now = ContinuousClock.now
            // A process that was stopped for a while first listens to what its agents have sent meanwhile.
            if now - lastTick < interval * 3 { expire(now) }
            lastTick = now
            shareLimits()
        }
    }

    /// Gives out again what agents have not been heard of for too long.
    func expire(_ now: ContinuousClock.Instant) {
        for job in jobs.keys {
            guard let outcome = jobs[job]?.scheduler.expire(now: now) else { continue }
            for (agent, leases) in Dictionary(grouping: outcome.expired, by: \.agent) {
                logger.warn(
                    "agent is silent, its shards go to others", ["agent": agent, "shards": leases.count])
            }
            cancel(outcome.expired, reason: "the lease has run out")
            send(outcome.handouts)
        }
    }
}
