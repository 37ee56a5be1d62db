import ShardProtocol
import Support

/// What a worker decides: what it pulls, which task begins, when a shard is reported. A value without clock or I/O; each
/// event returns the actions that follow from it, to be carried out in order.
package struct WorkerState: Sendable {
    /// A task of a lease.
    package struct TaskID: Sendable, Hashable {
        package var lease: Lease
        /// Place in the shard.
        package var index: Int

        package init(lease: Lease, index: Int) {
            self.lease = lease
            self.index = index
        }
    }

    package enum Action: Sendable, Hashable {
        case send(AgentMessage)
        /// Begin to copy a task.
        case start(TaskID)
        /// Cancel the running tasks of a lease; each one is still reported to this state when it has really ended.
        case stop(Lease)
        /// Nothing is running any more and there is nothing left to say.
        case end(WorkerEnding)
    }

    /// What becomes of a shard when its running tasks have ended.
    private enum Fate {
        case working
        case failing(ShardFailure)
        case returning
        /// Nobody wants to hear of it: a later lease took its place, or the connection is gone.
        case dropped
    }

    private struct LeasedShard {
        let assignment: Assignment
        var nextTask = 0
        var running: Set<Int> = []
        var results: [TaskResult] = []
        var bytes: Int64 = 0
        var objects = 0
        /// The most that was ever reported: what is shown does not fall when a stream begins again.
        var shownBytes: Int64 = 0
        var fallback: String?
        var fate = Fate.working

        var tasks: [CopyTask] { assignment.shard.tasks }
        var isWorking: Bool { if case .working = fate { true } else { false } }
        var isComplete: Bool { results.count == tasks.count }
        var waiting: Int { isWorking ? tasks.count - nextTask : 0 }

        /// The next task, which counts as running from now on; nil when none waits.
        mutating func beginNext() -> Int? {
            guard waiting > 0 else { return nil }
            running.insert(nextTask)
            nextTask += 1
            return nextTask - 1
        }

        mutating func succeeded(_ result: TaskResult, fallback reason: String?) {
            results.append(result)
            bytes &+= tasks[result.index].bytes
            objects += tasks[result.index].objects
            fallback = fallback ?? reason
        }

        /// - Returns: bytes to show, which never fall.
        mutating func show(_ now: Int64) -> Int64 {
            shownBytes = max(shownBytes, now)
            return shownBytes
        }
    }

    private let limits: WorkerLimits
    private let rules: ShardRules
    /// In the order of arrival: older shards go first, so that they are finished first.
    private var order: [Lease] = []
    private var shards: [Lease: LeasedShard] = [:]
    private var runningTasks = 0
    /// Shards asked for that have not come yet.
    private var asked = 0
    private var shardsSeen = 0
    private var tasksSeen = 0
    /// Why the worker is going to end; nil as long as it wants more work.
    private var ending: WorkerEnding?
    private var hasEnded = false
    package private(set) var totals = WorkerTotals()

    package init(limits: WorkerLimits, rules: ShardRules) {
        self.limits = limits
        self.rules = rules
    }

    /// Leases held, those that are being stopped included.
    package var leases: [Lease] { order }

    /// What was assigned under a lease.
    package func assignment(of lease: Lease) -> Assignment? { shards[lease]?.assignment }

    // MARK: Events

    /// The connection is ready.
    package mutating func begin() -> [Action] { followUp([]) }

    package mutating func assigned(_ assignment: Assignment) -> [Action] {
        let lease = assignment.lease
        asked = max(0, asked - 1)
        shardsSeen += 1
        tasksSeen += assignment.shard.tasks.count
        if case .stopped = ending {
            totals.shardsReturned += 1
            return followUp([.send(.returned(lease))])
        }
        guard !isLost else { return [] }
        let others = order.filter { $0.job == lease.job && $0.shard == lease.shard }
        guard others.allSatisfy({ $0.epoch < lease.epoch }) else { return followUp([]) }
        var actions = others.flatMap { give(up: $0, .dropped) }
        if let failure = rules.refusal(of: assignment) {
            totals.shardsFailed += 1
            return followUp(actions + [.send(.failed(failure))])
        }
        order.append(lease)
        shards[lease] = LeasedShard(assignment: assignment)
        actions += settle(lease)
        return followUp(actions)
    }

    /// A task has ended well.
    package mutating func succeeded(_ id: TaskID, _ result: TaskResult, fallback: String?) -> [Action] {
        // In place, here and below: a copy of a shard would copy its results with every task.
        guard shards[id.lease]?.running.remove(id.index) != nil else { return [] }
        runningTasks -= 1
        shards[id.lease]?.succeeded(result, fallback: fallback)
        let task = shards[id.lease]?.tasks[id.index]
        totals.objects += task?.objects ?? 0
        totals.bytes &+= task?.bytes ?? 0
        return followUp(settle(id.lease))
    }

    /// A task has failed for good, or was stopped.
    package mutating func failed(_ id: TaskID, _ error: BackupError) -> [Action] {
        guard shards[id.lease]?.running.remove(id.index) != nil, let shard = shards[id.lease] else { return [] }
        runningTasks -= 1
        guard shard.isWorking else { return followUp(settle(id.lease)) }
        let failure = ShardFailure(
            lease: id.lease, key: shard.assignment.shard.sourceKey(of: shard.tasks[id.index]),
            message: error.description, code: error.code.description,
            // Nobody stopped this shard: what calls itself canceled is an accident.
            isRetryable: error.isRetryable || error.code == .canceled)
        shards[id.lease]?.fate = .failing(failure)
        return followUp((shard.running.isEmpty ? [] : [.stop(id.lease)]) + settle(id.lease))
    }

    /// The coordinator wants these stopped. What it does not find here has been reported already.
    package mutating func canceled(_ leases: [Lease]) -> [Action] {
        followUp(leases.flatMap { give(up: $0, .returning) })
    }

    /// There will be no more work: end when all is reported.
    package mutating func finish() -> [Action] {
        if ending == nil { ending = .finished }
        return followUp([])
    }

    /// Give everything back and end.
    package mutating func stopRequested() -> [Action] {
        guard !isLost else { return [] }
        ending = .stopped
        return followUp(order.flatMap { give(up: $0, .returning) })
    }

    /// The connection is gone: nobody can be told anything.
    package mutating func lost(_ reason: WorkerEnding) -> [Action] {
        guard !isLost else { return [] }
        ending = reason
        // Also what was failing or being returned: the report has nowhere to go.
        return followUp(order.flatMap { give(up: $0, .dropped) })
    }

    /// How far every lease is; without leases it says that the worker lives.
    ///
    /// - Parameter running: bytes of a running task that have arrived.
    package mutating func heartbeat(_ running: (TaskID) -> Int64) -> Heartbeat {
        var progress: [Heartbeat.Progress] = []
        for lease in order {
            guard let shard = shards[lease] else { continue }
            if case .dropped = shard.fate { continue }
            let now = shard.running.reduce(shard.bytes) { $0 + running(TaskID(lease: lease, index: $1)) }
            let bytes = shards[lease]?.show(now) ?? now
            progress.append(.init(lease: lease, bytes: bytes, objects: shard.objects))
        }
        return Heartbeat(leases: progress)
    }

    // MARK: Decisions

    private var isLost: Bool {
        switch ending {
        case nil, .finished, .stopped: false
        case .closed, .lost, .refused: true
        }
    }

    /// Ends the work on a shard that has not failed by itself.
    private mutating func give(up lease: Lease, _ fate: Fate) -> [Action] {
        guard let shard = shards[lease] else { return [] }
        switch (shard.fate, fate) {
        case (.working, _), (_, .dropped): break
        default: return []
        }
        shards[lease]?.fate = fate
        let mustStop = shard.isWorking && !shard.running.isEmpty
        return (mustStop ? [.stop(lease)] : []) + settle(lease)
    }

    /// Reports a shard that has come to its end.
    private mutating func settle(_ lease: Lease) -> [Action] {
        guard let shard = shards[lease], shard.running.isEmpty else { return [] }
        let message: AgentMessage?
        switch shard.fate {
        case .working where !shard.isComplete: return []
        // Also when it was to be given back: what is done is done.
        case .working,
            .returning where shard.isComplete:
            totals.shardsCompleted += 1
            message = .completed(
                ShardCompletion(
                    lease: lease, results: shard.results.sorted { $0.index < $1.index }, bytes: shard.bytes,
                    fallback: shard.fallback))
        case .failing(let failure):
            totals.shardsFailed += 1
            message = .failed(failure)
        case .returning:
            totals.shardsReturned += 1
            message = .returned(lease)
        case .dropped:
            message = nil
        }
        shards[lease] = nil
        order.removeAll { $0 == lease }
        return message.map { [.send($0)] } ?? []
    }

    /// What every event ends with: free places are filled, more work is asked for, or the worker ends.
    private mutating func followUp(_ actions: [Action]) -> [Action] {
        var actions = actions
        for lease in order {
            while runningTasks < limits.concurrency, let index = shards[lease]?.beginNext() {
                actions.append(.start(TaskID(lease: lease, index: index)))
                runningTasks += 1
            }
        }
        if let ending {
            guard order.isEmpty, !hasEnded else { return actions }
            hasEnded = true
            return actions + (isLost ? [] : [.send(.goodbye)]) + [.end(ending)]
        }
        if let pull = nextPull() { actions.append(.send(.pull(pull))) }
        return actions
    }

    /// As many shards as the free places need, judged by the shards so far, and one in advance.
    ///
    /// Nothing is asked for while an earlier wish is open: so it does not matter whether wishes add up or replace each other.
    private mutating func nextPull() -> Pull? {
        guard asked == 0 else { return nil }
        let waiting = order.reduce(0) { $0 + (shards[$1]?.waiting ?? 0) }
        guard waiting < limits.concurrency else { return nil }
        let tasksPerShard = max(1, shardsSeen == 0 ? limits.concurrency : tasksSeen / shardsSeen)
        let free = limits.concurrency - runningTasks
        let needed = (free + tasksPerShard - 1) / tasksPerShard + 1
        asked = max(0, min(needed, limits.capacity - order.count))
        return asked > 0 ? Pull(shards: asked) : nil
    }
}
