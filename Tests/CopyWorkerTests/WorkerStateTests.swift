import CopyWorker
import ShardProtocol
import Support
import Testing

@Suite struct WorkerStateTests {
    typealias Action = WorkerState.Action
    typealias TaskID = WorkerState.TaskID

    static func state(capacity: Int = 4, concurrency: Int = 2) -> WorkerState {
        WorkerState(
            limits: WorkerLimits(capacity: capacity, concurrency: concurrency),
            rules: ShardRules(
                roots: StorageRoots(milvus: "files", backup: "b"), storages: [.milvus, .backup], sharesBucket: false))
    }

    static func assignment(_ shard: Int, epoch: Int = 1, tasks: Int, prefix: String = "files/") -> Assignment {
        Assignment(
            lease: Lease(job: "j", shard: shard, epoch: epoch), backupName: "n",
            shard: Shard(
                id: shard, source: .milvus, destination: .backup, sourcePrefix: prefix, destinationPrefix: "b/n/",
                mode: .auto,
                tasks: (0..<tasks).map { CopyTask(source: "\(shard)/\($0)", size: Int64(10 * ($0 + 1))) }))
    }

    static func lease(_ shard: Int, epoch: Int = 1) -> Lease { Lease(job: "j", shard: shard, epoch: epoch) }
    static func task(_ shard: Int, _ index: Int, epoch: Int = 1) -> TaskID {
        TaskID(lease: lease(shard, epoch: epoch), index: index)
    }
    static func result(_ index: Int) -> TaskResult { TaskResult(index: index, etag: "e", copiedByStore: false) }
    static func pulls(_ actions: [Action]) -> [Int] {
        actions.compactMap { if case .send(.pull(let pull)) = $0 { pull.shards } else { nil } }
    }
    static func starts(_ actions: [Action]) -> [TaskID] {
        actions.compactMap { if case .start(let id) = $0 { id } else { nil } }
    }
    static func withoutPulls(_ actions: [Action]) -> [Action] {
        actions.filter { if case .send(.pull) = $0 { false } else { true } }
    }
    static let error = BackupError(.permissionDenied, "no right to read")
    static let stopped = BackupError(.canceled, "canceled")

    // MARK: Pulling

    @Test func asksForOneShardAndOneInAdvance() {
        var state = Self.state()
        #expect(state.begin() == [.send(.pull(Pull(shards: 2)))])
    }

    @Test func asksAgainOnlyWhenNothingIsOutstanding() {
        var state = Self.state(capacity: 10, concurrency: 2)
        _ = state.begin()
        #expect(Self.pulls(state.assigned(Self.assignment(1, tasks: 1))) == [])
        // The second one has come: a free place is left, and shards are small.
        #expect(Self.pulls(state.assigned(Self.assignment(2, tasks: 1))) == [1])
        #expect(Self.pulls(state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)) == [])
    }

    @Test func asksForAsManySmallShardsAsKeepItBusy() {
        var state = Self.state(capacity: 100, concurrency: 20)
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 2))
        // 16 free places, two tasks for each shard, one shard in advance.
        #expect(Self.pulls(state.assigned(Self.assignment(2, tasks: 2))) == [9])
    }

    @Test func keepsToItsCapacityAndDoesNotHoardLargeShards() {
        var state = Self.state(capacity: 3, concurrency: 10)
        #expect(Self.pulls(state.begin()) == [2])
        _ = state.assigned(Self.assignment(1, tasks: 1))
        #expect(Self.pulls(state.assigned(Self.assignment(2, tasks: 1))) == [1])
        #expect(Self.pulls(state.assigned(Self.assignment(3, tasks: 1))) == [])
        // More than asked for is no harm, and no reason to stop asking later.
        #expect(Self.pulls(state.assigned(Self.assignment(4, tasks: 1))) == [])
        for shard in 1...2 { _ = state.succeeded(Self.task(shard, 0), Self.result(0), fallback: nil) }
        #expect(state.leases.count == 2)
        var large = Self.state(capacity: 10, concurrency: 2)
        _ = large.begin()
        _ = large.assigned(Self.assignment(1, tasks: 100))
        #expect(Self.pulls(large.assigned(Self.assignment(2, tasks: 100))) == [])
    }

    @Test func asksAgainWhenItWasAtItsCapacity() {
        var state = Self.state(capacity: 1, concurrency: 4)
        #expect(Self.pulls(state.begin()) == [1])
        #expect(Self.pulls(state.assigned(Self.assignment(1, tasks: 1))) == [])
        #expect(Self.pulls(state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)) == [1])
    }

    // MARK: Working

    @Test func startsTasksUpToTheConcurrencyOldestShardFirst() {
        var state = Self.state(concurrency: 3)
        _ = state.begin()
        #expect(Self.starts(state.assigned(Self.assignment(1, tasks: 2))) == [Self.task(1, 0), Self.task(1, 1)])
        #expect(Self.starts(state.assigned(Self.assignment(2, tasks: 2))) == [Self.task(2, 0)])
        #expect(Self.starts(state.assigned(Self.assignment(3, tasks: 1))) == [])
        let next = state.succeeded(Self.task(1, 1), Self.result(1), fallback: nil)
        #expect(Self.starts(next) == [Self.task(2, 1)])
    }

    @Test func reportsACompletedShardWithItsResultsInOrder() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 2))
        _ = state.succeeded(Self.task(1, 1), Self.result(1), fallback: "refused")
        let actions = state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)
        let completion = ShardCompletion(
            lease: Self.lease(1), results: [Self.result(0), Self.result(1)], bytes: 30, fallback: "refused")
        #expect(actions.first == .send(.completed(completion)))
        #expect(state.leases.isEmpty)
        #expect(state.totals.shardsCompleted == 1 && state.totals.objects == 2 && state.totals.bytes == 30)
    }

    @Test func aShardWithoutTasksIsCompleteAtOnce() {
        var state = Self.state()
        _ = state.begin()
        let actions = state.assigned(Self.assignment(1, tasks: 0))
        #expect(actions.first == .send(.completed(ShardCompletion(lease: Self.lease(1), results: [], bytes: 0))))
    }

    @Test func aRefusedShardFailsWithoutStarting() {
        var state = Self.state()
        _ = state.begin()
        let actions = state.assigned(Self.assignment(1, tasks: 2, prefix: "elsewhere/"))
        guard case .send(.failed(let failure)) = actions.first else { return #expect(Bool(false), "\(actions)") }
        #expect(failure.key == "elsewhere/1/0" && failure.code == "invalidArgument" && !failure.isRetryable)
        #expect(Self.starts(actions).isEmpty && state.leases.isEmpty)
    }

    // MARK: Failing

    @Test func theFirstFailureStopsTheShardAndIsReportedWhenAllHasEnded() {
        var state = Self.state(concurrency: 3)
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 5))
        _ = state.assigned(Self.assignment(2, tasks: 1))
        let first = state.failed(Self.task(1, 1), Self.error)
        // The place that became free goes to the other shard.
        #expect(Self.withoutPulls(first) == [.stop(Self.lease(1)), .start(Self.task(2, 0))])
        #expect(Self.withoutPulls(state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)) == [])
        let last = state.failed(Self.task(1, 2), BackupError(.timedOut, "later", isRetryable: true))
        let failure = ShardFailure(
            lease: Self.lease(1), key: "files/1/1", message: "no right to read", code: "permissionDenied",
            isRetryable: false)
        #expect(Self.withoutPulls(last) == [.send(.failed(failure))])
        #expect(state.leases == [Self.lease(2)])
        #expect(state.totals.shardsFailed == 1)
    }

    @Test func whatCallsItselfCanceledWithoutReasonMayBeTriedAgain() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 1))
        let actions = state.failed(Self.task(1, 0), Self.stopped)
        guard case .send(.failed(let failure)) = actions.first else { return #expect(Bool(false), "\(actions)") }
        #expect(failure.isRetryable)
    }

    // MARK: Cancelling and replacing

    @Test func aCanceledShardIsReturnedWhenItHasReallyStopped() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 5))
        #expect(Self.withoutPulls(state.canceled([Self.lease(1), Self.lease(9)])) == [.stop(Self.lease(1))])
        #expect(Self.withoutPulls(state.canceled([Self.lease(1)])) == [])
        #expect(Self.withoutPulls(state.failed(Self.task(1, 0), Self.stopped)) == [])
        let last = state.failed(Self.task(1, 1), Self.stopped)
        #expect(Self.withoutPulls(last) == [.send(.returned(Self.lease(1)))])
    }

    @Test func aWaitingShardIsReturnedAtOnce() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 5))
        _ = state.assigned(Self.assignment(2, tasks: 5))
        #expect(Self.withoutPulls(state.canceled([Self.lease(2)])) == [.send(.returned(Self.lease(2)))])
    }

    @Test func aFailureThatIsOnItsWayAnswersTheCancellation() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 5))
        _ = state.failed(Self.task(1, 0), Self.error)
        #expect(Self.withoutPulls(state.canceled([Self.lease(1)])) == [])
        let last = Self.withoutPulls(state.failed(Self.task(1, 1), Self.stopped))
        guard case .send(.failed) = last.first else { return #expect(Bool(false), "\(last)") }
        #expect(last.count == 1)
    }

    @Test func aLeaseThatRunsAlreadyIsNotStartedTwice() {
        var state = Self.state(concurrency: 10)
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 2))
        #expect(Self.withoutPulls(state.assigned(Self.assignment(1, tasks: 2))) == [])
        #expect(state.leases == [Self.lease(1)])
    }

    @Test func aHigherEpochReplacesALowerOneAndNotTheOtherWay() {
        var state = Self.state(concurrency: 10)
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, epoch: 2, tasks: 1))
        #expect(Self.withoutPulls(state.assigned(Self.assignment(1, epoch: 1, tasks: 1))) == [])
        let actions = state.assigned(Self.assignment(1, epoch: 3, tasks: 1))
        #expect(
            Self.withoutPulls(actions) == [.stop(Self.lease(1, epoch: 2)), .start(Self.task(1, 0, epoch: 3))])
        // The old one ends without a word; the new one is reported.
        #expect(Self.withoutPulls(state.failed(Self.task(1, 0, epoch: 2), Self.stopped)) == [])
        let done = state.succeeded(Self.task(1, 0, epoch: 3), Self.result(0), fallback: nil)
        guard case .send(.completed(let completion)) = done.first else { return #expect(Bool(false), "\(done)") }
        #expect(completion.lease.epoch == 3)
    }

    // MARK: Ending

    @Test func finishesWhatItHas() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 1))
        #expect(state.finish() == [])
        let actions = state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)
        #expect(actions.dropFirst() == [.send(.goodbye), .end(.finished)])
        var idle = Self.state()
        _ = idle.begin()
        #expect(idle.finish() == [.send(.goodbye), .end(.finished)])
    }

    @Test func givesEverythingBackWhenAskedToStop() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 1))
        _ = state.assigned(Self.assignment(2, tasks: 5))
        _ = state.assigned(Self.assignment(3, tasks: 5))
        #expect(
            state.stopRequested() == [
                .stop(Self.lease(1)), .stop(Self.lease(2)), .send(.returned(Self.lease(3))),
            ])
        // What comes now was on its way: it goes straight back.
        #expect(state.assigned(Self.assignment(4, tasks: 1)) == [.send(.returned(Self.lease(4)))])
        #expect(state.failed(Self.task(1, 0), Self.stopped) == [.send(.returned(Self.lease(1)))])
        #expect(
            state.failed(Self.task(2, 0), Self.stopped) == [
                .send(.returned(Self.lease(2))), .send(.goodbye), .end(.stopped),
            ])
        #expect(state.totals.shardsReturned == 4)
    }

    @Test func whatIsDoneWhenItIsStoppedIsNotGivenBack() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 1))
        _ = state.stopRequested()
        let actions = state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)
        let completion = ShardCompletion(lease: Self.lease(1), results: [Self.result(0)], bytes: 10)
        #expect(actions == [.send(.completed(completion)), .send(.goodbye), .end(.stopped)])
    }

    @Test func withoutConnectionEverythingIsStoppedAndNothingIsSaid() {
        var state = Self.state(concurrency: 3)
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 2))
        _ = state.assigned(Self.assignment(2, tasks: 1))
        _ = state.failed(Self.task(1, 0), Self.error)
        #expect(state.lost(.closed) == [.stop(Self.lease(2))])
        #expect(state.lost(.closed) == [])
        #expect(state.stopRequested() == [])
        #expect(state.assigned(Self.assignment(3, tasks: 1)) == [])
        #expect(state.failed(Self.task(2, 0), Self.stopped) == [])
        #expect(state.failed(Self.task(1, 1), Self.stopped) == [.end(.closed)])
    }

    // MARK: Heartbeats

    @Test func heartbeatsTellOfAllLeasesWithUnfinishedBytes() {
        var state = Self.state()
        _ = state.begin()
        #expect(state.heartbeat { _ in 0 }.leases.isEmpty)
        _ = state.assigned(Self.assignment(1, tasks: 3))
        _ = state.assigned(Self.assignment(2, tasks: 3))
        _ = state.succeeded(Self.task(1, 0), Self.result(0), fallback: nil)
        let beat = state.heartbeat { $0 == Self.task(1, 1) ? 7 : 0 }
        #expect(
            beat.leases == [
                .init(lease: Self.lease(1), bytes: 17, objects: 1), .init(lease: Self.lease(2), bytes: 0, objects: 0),
            ])
        // A stream that begins again does not make the number fall.
        #expect(state.heartbeat { _ in 0 }.leases.first?.bytes == 17)
    }

    @Test func shardsThatAreBeingStoppedStillBeat() {
        var state = Self.state()
        _ = state.begin()
        _ = state.assigned(Self.assignment(1, tasks: 1))
        _ = state.canceled([Self.lease(1)])
        #expect(state.heartbeat { _ in 0 }.leases.count == 1)
    }
}
