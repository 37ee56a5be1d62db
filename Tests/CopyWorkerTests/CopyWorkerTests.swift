import CopyWorker
import ObjectStorage
import ObjectStorageTesting
import ShardProtocol
import Support
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct CopyWorkerTests {
    @Test(arguments: [false, true]) func copiesAndReportsWhatItIsGiven(sharesBackend: Bool) async throws {
        let bench = WorkerBench(sharesBackend: sharesBackend)
        async let summary = bench.worker.run()
        guard case .pull = try await bench.coordinator.receive() else {
            return #expect(Bool(false), "it must ask first")
        }
        for shard in 1...3 {
            try await bench.coordinator.send(.assignment(bench.assignment(shard, objects: shard * 5)))
        }
        try await bench.coordinator.send(.finish)
        let messages = try await bench.rest()
        let completions = messages.compactMap { if case .completed(let completion) = $0 { completion } else { nil } }
        #expect(Set(completions.map(\.lease.shard)) == [1, 2, 3])
        for completion in completions {
            let count = completion.lease.shard * 5
            #expect(completion.results.map(\.index) == Array(0..<count))
            #expect(completion.results.allSatisfy { $0.copiedByStore == sharesBackend && $0.etag != nil })
            #expect(completion.results.allSatisfy { ($0.checksum?.kind == "crc32c") != sharesBackend })
            #expect(completion.bytes == Int64((0..<count).reduce(0) { $0 + 100 + $1 }))
        }
        #expect(messages.last == .goodbye && messages.count == 4)
        #expect(bench.backup.keys.count == 30)
        for key in bench.backup.keys {
            let source = key.replacing("backup/nightly/binlogs/", with: "files/log/")
            #expect(bench.backup.bytes(key) == bench.milvus.bytes(source))
        }
        let ended = await summary
        #expect(ended.ending == .finished)
        #expect(ended.totals.shardsCompleted == 3 && ended.totals.objects == 30)
    }

    @Test func readsWhatItIsToVerifyAndWritesNothing() async throws {
        let bench = WorkerBench()
        bench.backup.set("backup/nightly/whole", Array("123456789".utf8))
        bench.backup.set("backup/nightly/short", [1])
        let etag = bench.backup.etag("backup/nightly/whole")
        let tasks = [
            CopyTask(source: "whole", size: 9), CopyTask(source: "whole", size: 9, etag: etag),
            CopyTask(source: "short", size: 2), CopyTask(source: "gone", size: 1),
        ]
        let shard = Shard(
            id: 1, operation: .verify, source: .backup, destination: .backup, sourcePrefix: "backup/nightly/",
            destinationPrefix: "backup/nightly/", mode: .streaming, tasks: tasks)
        async let summary = bench.worker.run()
        try await bench.coordinator.send(
            .assignment(
                Assignment(lease: Lease(job: "j", shard: 1, epoch: 1), backupName: "nightly", shard: shard)))
        try await bench.coordinator.send(.finish)
        guard case .completed(let completion) = try await bench.rest().first else {
            return #expect(Bool(false), "it must report")
        }
        // The check value of CRC-32C.
        let sum = Checksum(kind: "crc32c", value: "e3069283")
        let results = completion.results
        #expect(results[0] == TaskResult(index: 0, checksum: sum, copiedByStore: false))
        #expect(results[1] == TaskResult(index: 1, etag: etag, checksum: sum, copiedByStore: false))
        #expect(results[2].damage?.contains("expected 2 bytes") == true && results[2].checksum == nil)
        #expect(results[3].damage?.contains("does not exist") == true)
        _ = await summary
        #expect(bench.backup.keys.count == 2 && bench.backup.counts.count(.put) == 0)
    }

    @Test(arguments: [false, true]) func copiesPartsIntoAnUploadOfTheCoordinators(sharesBackend: Bool) async throws {
        let bench = WorkerBench(sharesBackend: sharesBackend)
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        bench.milvus.set("files/log/big", bytes)
        let id = try await bench.backup.createMultipartUpload("backup/nightly/binlogs/big")
        let tasks = [(400, 600, 2), (0, 400, 1)].map { offset, length, number in
            CopyTask(
                source: "big", size: 1000, etag: bench.milvus.etag("files/log/big"),
                part: PartRange(offset: Int64(offset), length: Int64(length), uploadID: id, number: number))
        }
        let shard = Shard(
            id: 1, source: .milvus, destination: .backup, sourcePrefix: "files/log/",
            destinationPrefix: "backup/nightly/binlogs/", mode: .auto, tasks: tasks)
        async let summary = bench.worker.run()
        try await bench.coordinator.send(
            .assignment(
                Assignment(lease: Lease(job: "j", shard: 1, epoch: 1), backupName: "nightly", shard: shard)))
        try await bench.coordinator.send(.finish)
        guard case .completed(let completion) = try await bench.rest().first else {
            return #expect(Bool(false), "it must report")
        }
        let halves = [Array(bytes[400...]), Array(bytes[..<400])]
        #expect(completion.results.map(\.etag) == halves.map { hexadecimal(md5($0)) })
        #expect(completion.results.allSatisfy { $0.copiedByStore == sharesBackend })
        #expect(completion.bytes == 1000)
        let totals = await summary.totals
        #expect(totals.bytes == 1000 && totals.objects == 1)
        // It has neither begun nor ended an upload.
        #expect(bench.backup.pendingUploads == 1 && bench.backup.keys.isEmpty)
        #expect(bench.backup.counts.count(.createMultipartUpload) == 1)
    }

    @Test func keepsToTheLimitsItHearsOf() async throws {
        let bench = WorkerBench()
        let start = ContinuousClock.now
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.limits(TransferLimits(bandwidth: 1000)))
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 3)))
        guard case .completed = try await bench.next() else { return #expect(Bool(false)) }
        #expect(ContinuousClock.now - start >= .milliseconds(300), "303 bytes")
        try await bench.coordinator.send(.limits(TransferLimits(bandwidth: 1)))
        try await bench.coordinator.send(.assignment(bench.assignment(2, objects: 3)))
        try await bench.coordinator.send(.limits(TransferLimits()))
        try await bench.coordinator.send(.finish)
        #expect(try await bench.rest().count == 2)
        _ = await summary
    }

    @Test func tellsWhyTheStoreDidNotCopy() async throws {
        let bench = WorkerBench(sharesBackend: true)
        bench.backup.faults.copyRefusal = BackupError(.permissionDenied, "no right to copy")
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 3)))
        try await bench.coordinator.send(.finish)
        guard case .completed(let completion) = try await bench.next() else { return #expect(Bool(false)) }
        #expect(completion.fallback == "no right to copy")
        #expect(completion.results.allSatisfy { !$0.copiedByStore })
        _ = await summary
    }

    /// The agent may reach the stores by endpoints that look like two backends.
    @Test func theCoordinatorDecidesWhetherTheStoreCopies() async throws {
        let bench = WorkerBench()
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 1)))
        #expect(try await bench.next() != nil)
        #expect(bench.backup.counts.count(.copy) == 0, "it decides by itself when nobody else does")
        try await bench.coordinator.send(.assignment(bench.assignment(2, objects: 1, sameBackend: true)))
        #expect(try await bench.next() != nil)
        #expect(bench.backup.counts.count(.copy) == 1)
        try await bench.coordinator.send(.finish)
        _ = try await bench.rest()
        _ = await summary
    }

    @Test func theModeOfTheShardHolds() async throws {
        let bench = WorkerBench(sharesBackend: true)
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 2, mode: .streaming)))
        _ = try await bench.next()
        #expect(bench.backup.counts.count(.copy) == 0 && bench.backup.counts.count(.put) == 2)
        bench.backup.faults.copyRefusal = BackupError(.unsupported, "no copies")
        try await bench.coordinator.send(.assignment(bench.assignment(2, objects: 1, mode: .direct)))
        guard case .failed(let failure) = try await bench.next() else { return #expect(Bool(false)) }
        #expect(failure.code == "unsupported")
        try await bench.coordinator.send(.finish)
        _ = await summary
    }

    @Test func concurrencyIsOverAllShards() async throws {
        let bench = WorkerBench(capacity: 10, concurrency: 3)
        let backup = bench.backup
        backup.faults.before = { call in
            guard call.operation == .put else { return }
            for _ in 0..<50 { await Task.yield() }
        }
        async let summary = bench.worker.run()
        for shard in 1...5 { try await bench.coordinator.send(.assignment(bench.assignment(shard, objects: 4))) }
        try await bench.coordinator.send(.finish)
        #expect(await summary.totals.objects == 20)
        #expect(bench.backup.counts.peak[.put] == 3)
    }

    @Test func asksForMoreAndSoEmptiesAQueueOfSmallShards() async throws {
        let bench = WorkerBench(capacity: 5, concurrency: 4)
        async let summary = bench.worker.run()
        var shard = 0
        var held = 0
        var completed = 0
        while completed < 50, let message = try await bench.coordinator.receive() {
            switch message {
            case .pull(let pull):
                for _ in 0..<pull.shards where shard < 50 {
                    shard += 1
                    held += 1
                    try await bench.coordinator.send(.assignment(bench.assignment(shard, objects: 1)))
                }
                #expect(held <= 5)
            case .completed:
                completed += 1
                held -= 1
            default: #expect(Bool(false), "\(message)")
            }
        }
        try await bench.coordinator.send(.finish)
        #expect(await summary.totals.shardsCompleted == 50)
    }

    // MARK: Failure

    @Test func aFailureEndsTheShardAndNotTheWorker() async throws {
        let bench = WorkerBench(concurrency: 3)
        bench.backup.faults.before = { call in
            guard call.operation == .put else { return }
            if call.key.hasSuffix("1/1") { throw BackupError(.permissionDenied, "no right to write") }
            if call.key.contains("/1/") { try await Task.sleep(for: .seconds(3600)) }
        }
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 10)))
        guard case .failed(let failure) = try await bench.next() else { return #expect(Bool(false)) }
        #expect(failure.lease == bench.lease(1))
        #expect(failure.key == "files/log/1/1")
        #expect(failure.message == "no right to write" && failure.code == "permissionDenied" && !failure.isRetryable)
        // The rest was not even begun.
        #expect(bench.backup.counts.count(.put) == 3)
        try await bench.coordinator.send(.assignment(bench.assignment(2, objects: 2)))
        guard case .completed = try await bench.next() else { return #expect(Bool(false)) }
        try await bench.coordinator.send(.finish)
        let totals = await summary.totals
        #expect(totals.shardsFailed == 1 && totals.shardsCompleted == 1)
    }

    @Test func forbiddenKeysAreNotTouched() async throws {
        let bench = WorkerBench()
        async let summary = bench.worker.run()
        var assignment = bench.assignment(1, objects: 2)
        assignment.shard.destinationPrefix = "backup/another/"
        try await bench.coordinator.send(.assignment(assignment))
        guard case .failed(let failure) = try await bench.next() else { return #expect(Bool(false)) }
        #expect(failure.code == "invalidArgument" && failure.message.contains("backup/another/1/0"))
        try await bench.coordinator.send(.finish)
        _ = await summary
        #expect(bench.milvus.counts.calls.isEmpty && bench.backup.counts.calls.isEmpty)
    }

    // MARK: Ends

    @Test func aCanceledShardIsGivenBackWhenNothingOfItRuns() async throws {
        let bench = WorkerBench()
        bench.hangWrites { $0.contains("/1/") }
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 3)))
        try await eventually { bench.backup.counts.count(.put) == 3 }
        try await bench.coordinator.send(.cancel(Cancellation(leases: [bench.lease(1)], reason: "a test")))
        #expect(try await bench.next() == .returned(bench.lease(1)))
        bench.backup.faults.before = { _ in }
        #expect(bench.backup.keys.isEmpty)
        try await bench.coordinator.send(.assignment(bench.assignment(1, epoch: 2, objects: 3)))
        guard case .completed(let completion) = try await bench.next() else { return #expect(Bool(false)) }
        #expect(completion.lease.epoch == 2)
        try await bench.coordinator.send(.finish)
        #expect(await summary.totals.shardsReturned == 1)
    }

    @Test func givesBackAndSaysGoodbyeWhenAskedToStop() async throws {
        let bench = WorkerBench(concurrency: 2)
        bench.hangWrites()
        async let summary = bench.worker.run()
        for shard in 1...2 { try await bench.coordinator.send(.assignment(bench.assignment(shard, objects: 4))) }
        try await eventually { bench.backup.counts.count(.put) == 2 && bench.log.lines.count >= 2 }
        bench.worker.requestStop()
        let messages = try await bench.rest()
        #expect(Set(messages.dropLast()) == [.returned(bench.lease(1)), .returned(bench.lease(2))])
        #expect(messages.last == .goodbye)
        #expect(await summary.ending == .stopped)
    }

    @Test func stopsAtOnceWhenIdle() async throws {
        let bench = WorkerBench()
        bench.worker.requestStop()
        #expect(await bench.worker.run().ending == .stopped)
        #expect(try await bench.rest() == [.goodbye])
    }

    @Test(arguments: [true, false]) func aLostConnectionStopsAllCopies(breaks: Bool) async throws {
        let bench = WorkerBench()
        bench.hangWrites()
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 3)))
        try await eventually { bench.backup.counts.count(.put) == 3 }
        if breaks { bench.workerEnd.breakOff() } else { bench.coordinator.close() }
        let ended = await summary
        #expect(ended.ending == (breaks ? .lost(code: .unavailable, message: "connection reset") : .closed))
        #expect(ended.totals.objects == 0)
        #expect(bench.backup.keys.isEmpty)
    }

    @Test func aRefusalEndsIt() async throws {
        let bench = WorkerBench()
        let refusal = Refusal(message: "the job is over", isRetryable: false)
        try await bench.coordinator.send(.refused(refusal))
        #expect(await bench.worker.run().ending == .refused(refusal))
    }

    @Test func aMessageOfTheHandshakeBreaksTheProtocol() async throws {
        let bench = WorkerBench()
        try await bench.coordinator.send(.accepted(Accepted(heartbeatMilliseconds: 1, leaseMilliseconds: 1)))
        guard case .lost(.protocolViolation, _) = await bench.worker.run().ending else { return #expect(Bool(false)) }
    }

    @Test func cancellingItsTaskStopsEverything() async throws {
        let bench = WorkerBench()
        bench.hangWrites()
        let run = Task { await bench.worker.run() }
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 3)))
        try await eventually { bench.backup.counts.count(.put) == 3 }
        run.cancel()
        guard case .lost(.canceled, _) = await run.value.ending else { return #expect(Bool(false)) }
        #expect(bench.backup.keys.isEmpty)
    }

    // MARK: Heartbeats

    @Test func beatsAreSentWithTheBytesThatHaveArrived() async throws {
        let bench = WorkerBench(concurrency: 1)
        // 40 bytes of the second object have been written, then nothing more comes.
        bench.milvus.faults.bodyFault = { $0.key.hasSuffix("/1") ? .stalled(after: 40) : nil }
        async let summary = bench.worker.run()
        try await bench.coordinator.send(.assignment(bench.assignment(1, objects: 3)))
        try await bench.coordinator.send(.assignment(bench.assignment(2, objects: 3)))
        let ticking = bench.keepTicking()
        defer { ticking.cancel() }
        var last: Heartbeat?
        // Until one shows all that has arrived.
        while last?.leases.map(\.bytes) != [140, 0] {
            guard case .heartbeat(let beat) = try await bench.next() else { return #expect(Bool(false)) }
            last = beat
        }
        #expect(
            last?.leases == [
                .init(lease: bench.lease(1), bytes: 140, objects: 1),
                .init(lease: bench.lease(2), bytes: 0, objects: 0),
            ])
        bench.worker.requestStop()
        _ = await summary
    }

    @Test func anIdleWorkerSaysThatItLives() async throws {
        let bench = WorkerBench()
        async let summary = bench.worker.run()
        let ticking = bench.keepTicking()
        for _ in 1...3 { #expect(try await bench.next() == .heartbeat(Heartbeat(leases: []))) }
        ticking.cancel()
        try await bench.coordinator.send(.finish)
        _ = await summary
    }
}
