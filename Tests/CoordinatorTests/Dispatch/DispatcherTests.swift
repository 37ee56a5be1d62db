import CopyWorker
import ObjectStorageTesting
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support
import Synchronization
import Testing

@testable import Coordinator

/// Says how many of its shards were taken.
private struct CountedShards: Sequence, IteratorProtocol, Sendable {
    final class Counter: Sendable {
        private let value = Mutex(0)
        var count: Int { value.withLock { $0 } }
        func increment() { value.withLock { $0 += 1 } }
    }

    let shard: Shard
    var left: Int
    let made = Counter()

    mutating func next() -> Shard? {
        guard left > 0 else { return nil }
        left -= 1
        made.increment()
        return shard
    }
}

/// Jobs and their shards, with real workers.
@Suite(.timeLimit(.minutes(1))) struct DispatcherTests {
    @Test func aWorkerCopiesTheShardsOfAJob() async throws {
        let bench = DispatchBench()
        let shards = bench.shards(20)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        try await bench.startWorker("one")
        try await bench.dispatcher.copy(shards, job: "j", lane: 1)
        #expect(bench.hasArrived(shards))
        let progress = await bench.dispatcher.progress(of: "j").progress
        #expect(progress.done == WorkAmount(shards: 20, objects: 60, bytes: shards.reduce(0) { $0 + $1.bytes }))
        #expect(progress.inFlight == WorkAmount() && progress.pendingShards == 0)
        await bench.dispatcher.end(job: "j")
        await bench.dispatcher.shutDown()
    }

    /// Whoever was there before the job and whoever comes while it runs: only those that allow its place get shards of it.
    @Test func aJobElsewhereGoesOnlyToWorkersThatAllowItsPlace() async throws {
        let bench = DispatchBench()
        let place = BackupPlace(bucket: "c", root: "old")
        let reach = WorkerReach.agent(home: nil, allowed: [place])
        let early = try await bench.startScripted("early")
        try await early.pull()
        await bench.dispatcher.begin(job: "elsewhere", backupName: "nightly", at: place)
        await bench.dispatcher.begin(job: "here", backupName: "nightly")
        let late = try await bench.startScripted("late")
        try await late.pull()
        let copying = Task { try await bench.dispatcher.copy(bench.shards(1), job: "elsewhere", lane: 1) }
        #expect(await bench.dispatcher.workerCount(for: "elsewhere", at: place) == 0)
        let allowed = try await bench.startScripted("allowed", reach: reach)
        try await allowed.pull(1)
        let assignment = try await allowed.assignment()
        #expect(assignment.lease.job == "elsewhere" && assignment.backupPlace == place)
        try await allowed.complete(assignment)
        try await copying.value
        // The others have waited for their own job all the time.
        let others = Task { try await bench.dispatcher.copy(bench.shards(2, of: "h"), job: "here", lane: 1) }
        for worker in [early, late] {
            let own = try await worker.assignment()
            #expect(own.lease.job == "here" && own.backupPlace == nil)
            try await worker.complete(own)
        }
        try await others.value
        await bench.dispatcher.end(job: "elsewhere")
        await bench.dispatcher.end(job: "here")
        for worker in [early, late, allowed] { worker.channel.close() }
        await bench.dispatcher.shutDown()
    }

    /// A shard that begins again tells none of its bytes twice.
    @Test func bytesOfShardsThatAreNotDoneAreTold() async throws {
        let bench = DispatchBench()
        let told = Mutex<[Int64]>([])
        let shard = bench.shard("s", objects: 3)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task {
            try await bench.dispatcher.copy(
                [shard], job: "j", lane: 1, onBytes: { bytes in told.withLock { $0.append(bytes) } })
        }
        let worker = try await bench.startScripted("one")
        try await worker.pull(2)
        var assignment = try await worker.assignment()
        try await worker.beat([assignment], bytes: 4)
        try await worker.beat([assignment], bytes: 6)
        try await worker.fail(assignment, "cut off")
        assignment = try await worker.assignment()
        try await worker.beat([assignment], bytes: 1)
        try await worker.beat([assignment], bytes: 7)
        try await worker.complete(assignment)
        try await copying.value
        #expect(told.withLock { $0 } == [4, 2, 1, shard.bytes - 7])
        await bench.dispatcher.end(job: "j")
        worker.channel.close()
        await bench.dispatcher.shutDown()
    }

    @Test func twoWorkersShareAJob() async throws {
        let bench = DispatchBench()
        let shards = bench.shards(12)
        // Nobody finishes before both have something, so that the fast one cannot do it all.
        let busy = Mutex<Set<String>>([])
        bench.destination.faults.before = { call in
            guard call.operation == .put else { return }
            let shard = String(call.key.split(separator: "/")[2])
            busy.withLock { _ = $0.insert(shard) }
            try await eventually { busy.withLock { $0.count >= 3 } }
        }
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        try await bench.startWorker("one", capacity: 2)
        try await bench.startWorker("two", capacity: 2)
        try await bench.dispatcher.copy(shards, job: "j", lane: 1)
        #expect(bench.hasArrived(shards))
        let shares = await bench.dispatcher.shares(of: "j")
        #expect(shares.map(\.agent.description) == ["one", "two"])
        #expect(shares.allSatisfy { $0.done.shards > 0 })
        #expect(shares.reduce(0) { $0 + $1.done.shards } == 12)
        await bench.dispatcher.shutDown()
    }

    @Test func aLimitIsSharedOutBeforeTheWork() async throws {
        let bench = DispatchBench()
        bench.limits.change { $0.bandwidth = 1000 }
        let shards = bench.shards(2)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let one = try await bench.startScripted("one")
        let two = try await bench.startScripted("two")
        let copying = Task { try await bench.dispatcher.copy(shards, job: "j", lane: 1) }
        await bench.dispatcher.shareLimits()
        try await one.pull()
        #expect(try await one.next() == .limits(TransferLimits(bandwidth: 1000)))
        let first = try await one.assignment()
        try await two.pull()
        #expect(try await two.next() == .limits(TransferLimits(bandwidth: 500)))
        let second = try await two.assignment()
        #expect(try await one.next() == .limits(TransferLimits(bandwidth: 500)))
        // Who has done its work leaves its share to the others, and a new limit is heeded by those who work.
        try await one.complete(first)
        try await eventually { await bench.dispatcher.progress(of: "j").progress.done.shards == 1 }
        await bench.dispatcher.shareLimits()
        #expect(try await two.next() == .limits(TransferLimits(bandwidth: 1000)))
        bench.limits.change { $0 = TransferLimits(requestsPerSecond: 7) }
        await bench.dispatcher.shareLimits()
        #expect(try await two.next() == .limits(TransferLimits(requestsPerSecond: 7)))
        try await two.complete(second)
        try await copying.value
        await bench.dispatcher.shutDown()
    }

    @Test func nothingToCopyIsDoneAtOnce() async throws {
        let bench = DispatchBench()
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        try await bench.dispatcher.copy([], job: "j", lane: 1)
        await bench.dispatcher.shutDown()
    }

    @Test func aWorkerThatComesLateGetsWork() async throws {
        let bench = DispatchBench()
        let shards = bench.shards(50)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task { try await bench.dispatcher.copy(shards, job: "j", lane: 1) }
        try await eventually { await bench.dispatcher.progress(of: "j").progress.pendingShards == 32 }
        try await bench.startWorker("late")
        try await copying.value
        #expect(bench.hasArrived(shards))
        await bench.dispatcher.shutDown()
    }

    @Test func aWorkerThatIsThereBeforeTheJobGetsWork() async throws {
        let bench = DispatchBench()
        let shards = bench.shards(5)
        try await bench.startWorker("early")
        for job in ["first", "second"] {
            await bench.dispatcher.begin(job: job, backupName: "nightly")
            try await bench.dispatcher.copy(shards, job: job, lane: 1)
            await bench.dispatcher.end(job: job)
        }
        #expect(bench.hasArrived(shards))
        await bench.dispatcher.shutDown()
    }

    @Test func severalJobsGoOnAtOnce() async throws {
        let bench = DispatchBench()
        try await bench.startWorker("one")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for job in ["a", "b", "c"] {
                group.addTask {
                    let shards = bench.shards(40, of: job)
                    await bench.dispatcher.begin(job: job, backupName: "nightly")
                    try await bench.dispatcher.copy(shards, job: job, lane: 1)
                    #expect(bench.hasArrived(shards))
                    #expect(await bench.dispatcher.progress(of: job).progress.done.shards == 40)
                    await bench.dispatcher.end(job: job)
                }
            }
            try await group.waitForAll()
        }
        await bench.dispatcher.shutDown()
    }

    @Test func severalCollectionsOfAJobWaitEachForItsOwn() async throws {
        let bench = DispatchBench(window: 4)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        try await bench.startWorker("one")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<6 {
                group.addTask {
                    let shards = bench.shards(lane * 3, of: "lane\(lane)_")
                    try await bench.dispatcher.copy(shards, job: "j", lane: Int64(lane))
                    #expect(bench.hasArrived(shards))
                }
            }
            try await group.waitForAll()
        }
        await bench.dispatcher.shutDown()
    }

    // MARK: Memory

    @Test func shardsAreMadeOnlyWhenThereIsRoomForThem() async throws {
        let bench = DispatchBench(window: 8)
        let worker = try await bench.startScripted("one", capacity: 2)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let shards = CountedShards(shard: bench.shard("s", objects: 1), left: 10_000)
        let made = shards.made
        let copying = Task { try await bench.dispatcher.copy(shards, job: "j", lane: 1) }
        try await eventually { await bench.dispatcher.progress(of: "j").progress.planned.shards == 8 }
        // Room comes with every finished shard, and only then.
        for done in 1...20 {
            try await worker.pull()
            try await worker.complete(try await worker.assignment())
            try await eventually { await bench.dispatcher.progress(of: "j").progress.planned.shards == 8 + done }
            #expect(made.count <= 8 + done + 1)
        }
        copying.cancel()
        await #expect(throws: BackupError.self) { try await copying.value }
        #expect(made.count < 40)
    }

    @Test func manyAgentsMakeRoomForMoreShards() async throws {
        let bench = DispatchBench(window: 2)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task { try await bench.dispatcher.copy(bench.shards(50), job: "j", lane: 1) }
        try await eventually { await bench.dispatcher.progress(of: "j").progress.planned.shards == 2 }
        _ = try await bench.startScripted("one", capacity: 5)
        _ = try await bench.startScripted("two", capacity: 5)
        try await eventually { await bench.dispatcher.progress(of: "j").progress.planned.shards == 20 }
        copying.cancel()
        _ = await copying.result
    }

    // MARK: Ends

    @Test func anObjectThatCannotBeCopiedEndsTheJobAndIsNamed() async throws {
        let bench = DispatchBench(maximumFailures: 2)
        bench.destination.faults.before = { call in
            if call.operation == .put, call.key.hasSuffix("s3/1") {
                throw BackupError(.unavailable, "the disk is on fire", isRetryable: true)
            }
        }
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        try await bench.startWorker("one")
        let error = await #expect(throws: BackupError.self) {
            try await bench.dispatcher.copy(bench.shards(6), job: "j", lane: 1)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("files/s3/1") == true && error?.message.contains("the disk is on fire") == true)
        #expect(error?.message.contains("on one (2 tries)") == true)
        // Who comes after the end hears why it ended.
        let later = await #expect(throws: BackupError.self) {
            try await bench.dispatcher.copy(bench.shards(1), job: "j", lane: 1)
        }
        #expect(later?.message == error?.message)
        await bench.dispatcher.end(job: "j")
        await #expect(throws: BackupError.self) {
            try await bench.dispatcher.copy(bench.shards(1), job: "j", lane: 1)
        }
        await bench.dispatcher.shutDown()
    }

    @Test func aFailureEndsAlsoThoseWhoWaitForOtherShardsAndForRoom() async throws {
        let bench = DispatchBench(maximumFailures: 1, window: 4)
        let worker = try await bench.startScripted("one", capacity: 1)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let waiting = (0..<3).map { lane in
            Task { try await bench.dispatcher.copy(bench.shards(9, of: "l\(lane)"), job: "j", lane: Int64(lane)) }
        }
        try await eventually { await bench.dispatcher.progress(of: "j").progress.planned.shards == 4 }
        try await worker.pull()
        try await worker.fail(try await worker.assignment(), "no such bucket")
        for task in waiting {
            let error = await #expect(throws: BackupError.self) { try await task.value }
            #expect(error?.message.contains("no such bucket") == true)
        }
    }

    @Test func cancellingTheTaskEndsTheJobAndTellsTheWorkers() async throws {
        let bench = DispatchBench()
        let worker = try await bench.startScripted("one")
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task { try await bench.dispatcher.copy(bench.shards(3), job: "j", lane: 1) }
        try await worker.pull(2)
        let leases = [try await worker.assignment().lease, try await worker.assignment().lease]
        copying.cancel()
        let error = await #expect(throws: BackupError.self) { try await copying.value }
        #expect(error?.code == .canceled)
        guard case .cancel(let cancellation) = try await worker.next() else {
            Issue.record("the worker was not told")
            return
        }
        #expect(cancellation.leases == leases)
    }

    @Test func aTaskThatIsCancelledBeforehandCopiesNothing() async throws {
        let bench = DispatchBench()
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await bench.dispatcher.copy(bench.shards(100), job: "j", lane: 1)
        }
        await #expect(throws: BackupError.self) { try await copying.value }
    }

    @Test func theEndOfOneJobLeavesTheOthersAlone() async throws {
        let bench = DispatchBench()
        let worker = try await bench.startScripted("one")
        for job in ["a", "b"] { await bench.dispatcher.begin(job: job, backupName: "nightly") }
        let doomed = Task { try await bench.dispatcher.copy(bench.shards(1, of: "a"), job: "a", lane: 1) }
        let other = Task { try await bench.dispatcher.copy(bench.shards(1, of: "b"), job: "b", lane: 1) }
        try await worker.pull(2)
        let assignments = [try await worker.assignment(), try await worker.assignment()]
        await bench.dispatcher.end(job: "a")
        await #expect(throws: BackupError.self) { try await doomed.value }
        // The report of the job that is over hurts nobody.
        for assignment in assignments { try await worker.complete(assignment) }
        try await other.value
    }

    // MARK: Numbers

    @Test func whatIsAnnouncedAndDoneCanBeSeen() async throws {
        let bench = DispatchBench()
        let worker = try await bench.startScripted("one")
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        await bench.dispatcher.announce(WorkAmount(shards: 2, objects: 6, bytes: 24), job: "j")
        await bench.dispatcher.announce(WorkAmount(shards: 1, objects: 3, bytes: 12), job: "j")
        #expect(
            await bench.dispatcher.progress(of: "j").announced == WorkAmount(shards: 3, objects: 9, bytes: 36))
        let copying = Task { try await bench.dispatcher.copy(bench.shards(2), job: "j", lane: 1) }
        try await worker.pull(2)
        let first = try await worker.assignment()
        let second = try await worker.assignment()
        try await worker.beat([first, second], bytes: 5, objects: 1)
        try await eventually {
            await bench.dispatcher.progress(of: "j").progress.inFlight == WorkAmount(shards: 2, objects: 2, bytes: 10)
        }
        try await worker.complete(first)
        try await eventually {
            let progress = await bench.dispatcher.progress(of: "j").progress
            return progress.done.objects == 3 && progress.inFlight == WorkAmount(shards: 1, objects: 1, bytes: 5)
        }
        try await worker.complete(second)
        try await copying.value
        #expect(await bench.dispatcher.progress(of: "nobody").announced == WorkAmount())
        #expect(await bench.dispatcher.shares(of: "nobody").isEmpty)
    }
}
