import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization
import Testing

/// Failures, cancellation, stalls, and the bounds on what is under way.
@Suite(.timeLimit(.minutes(2))) struct CopyingEndsTests {
    // MARK: Failure

    @Test(arguments: [CopyMode.auto, .streaming], [StoreOperation.copyPart, .uploadPart, .completeMultipartUpload])
    func aFailedUploadIsAborted(mode: CopyMode, operation: StoreOperation) async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(300))
        bench.to.faults.before = { call in
            guard call.operation == operation, call.partNumber.map({ $0 == 7 }) ?? true else { return }
            throw BackupError(.unavailable, "gone away", isRetryable: true)
        }
        let isConcerned = operation == .completeMultipartUpload || (mode == .auto) == (operation == .copyPart)
        let error = await bench.failure(mode, size: 300)
        #expect(error?.message == (isConcerned ? "gone away" : nil))
        #expect(bench.to.pendingUploads == 0)
        #expect(bench.to.counts.count(.abortMultipartUpload) == (isConcerned ? 1 : 0))
        #expect((bench.to.bytes("k") == nil) == isConcerned)
    }

    @Test func onePartIsTriedAgainByItself() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300))
        bench.to.faults.before = { call in
            let earlier = bench.to.counts.calls.count { $0.partNumber == 3 }
            if call.partNumber == 3, earlier < 3 { throw BackupError(.timedOut, "too slow", isRetryable: true) }
        }
        _ = try await bench.copy(size: 300)
        #expect(bench.to.bytes("k") == CopyingBench.bytes(300))
        #expect(bench.to.counts.count(.uploadPart) == 32)
    }

    @Test func aLostAnswerToTheCompletionIsNoFailure() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300))
        let isFirst = Mutex(true)
        let to = bench.to
        bench.to.faults.before = { call in
            guard call.operation == .completeMultipartUpload, isFirst.withLock({ $0 }) else { return }
            // The store completes it, but the connection breaks before the answer.
            isFirst.withLock { $0 = false }
            let parts = (1...30).map { number in
                let range = (number - 1) * 10..<number * 10
                return UploadedPart(number: number, etag: hexadecimal(md5(Array(CopyingBench.bytes(300)[range]))))
            }
            try await to.completeMultipartUpload("k", uploadID: "upload-1", parts: parts)
            throw BackupError(.unavailable, "reset", isRetryable: true)
        }
        let outcome = try await bench.copy(size: 300)
        #expect(outcome.etag == bench.to.etag("k"))
        #expect(bench.to.bytes("k") == CopyingBench.bytes(300))
    }

    @Test func anAbortThatFailsIsLogged() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300))
        bench.to.faults.before = { call in
            switch call.operation {
            case .uploadPart, .abortMultipartUpload:
                throw BackupError(.permissionDenied, "no right to \(call.operation)")
            default: break
            }
        }
        #expect(await bench.failure(size: 300)?.message == "no right to uploadPart")
        #expect(bench.log.lines.contains { $0.contains("left behind") && $0.contains("no right to abort") })
    }

    // MARK: Cancellation

    @Test(arguments: [CopyMode.auto, .streaming], [50, 300])
    func cancellationEndsACopyAndAbortsItsUpload(mode: CopyMode, size: Int) async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(size))
        let hangs: Set<StoreOperation> = [.put, .copy, .uploadPart, .copyPart]
        bench.to.faults.before = { call in
            if hangs.contains(call.operation) { try await Task.sleep(for: .seconds(3600)) }
        }
        let task = Task { try await bench.copy(mode, size: size) }
        try await eventually { bench.to.counts.calls.contains { hangs.contains($0.operation) } }
        task.cancel()
        let error = await #expect(throws: BackupError.self) { try await task.value }
        #expect(error?.code == .canceled)
        #expect(bench.to.keys.isEmpty && bench.to.pendingUploads == 0)
    }

    @Test func cancellationWhileAnUploadBeginsLeavesNone() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300))
        let isOpen = Mutex(false)
        bench.to.faults.before = { call in
            guard call.operation == .createMultipartUpload else { return }
            while !isOpen.withLock({ $0 }) { await Task.yield() }
        }
        let task = Task { try await bench.copy(size: 300) }
        try await eventually { bench.to.counts.count(.createMultipartUpload) == 1 }
        task.cancel()
        isOpen.withLock { $0 = true }
        await #expect(throws: BackupError.self) { try await task.value }
        #expect(bench.to.pendingUploads == 0)
        #expect(bench.to.keys.isEmpty)
    }

    // MARK: Stalls

    @Test(arguments: [CopyMode.auto, .streaming], [50, 300])
    func aHungRequestIsEndedAndTriedAgain(mode: CopyMode, size: Int) async throws {
        let clock = ManualClock()
        let bench = CopyingBench(sharesBackend: true, clock: clock)
        bench.from.set("k", CopyingBench.bytes(size))
        let hangs: Set<StoreOperation> = [.put, .copy, .uploadPart, .copyPart]
        let (hung, ended) = (Flag(), Flag())
        bench.to.faults.before = { call in
            guard hangs.contains(call.operation), hung.raise() else { return }
            defer { _ = ended.raise() }
            try await Task.sleep(for: .seconds(3600))
        }
        let task = Task { try await bench.copy(mode, size: size) }
        try await eventually { hung.isRaised }
        // The watchdog looks every 7.5 s; the clock stands still again as soon as the request has been ended.
        var looks = 0
        while !ended.isRaised {
            try await eventually { clock.sleepers > 0 || ended.isRaised }
            clock.advance(by: .milliseconds(7500))
            try await eventually { clock.sleepers > 0 || ended.isRaised }
            looks += 1
            #expect(looks > 8 || !ended.isRaised, "60 s have not passed yet")
        }
        _ = try await task.value
        #expect(bench.to.bytes("k") == CopyingBench.bytes(size))
        #expect(bench.log.lines.contains { $0.contains("no progress for 60 s") })
    }

    @Test func aStreamThatMovesIsLeftAlone() async throws {
        let clock = ManualClock()
        let bench = CopyingBench(clock: clock) { $0.pipeCapacity = 1 }
        bench.from.set("k", CopyingBench.bytes(90))
        // One byte for each look of the watchdog, eleven minutes for all.
        bench.to.faults.betweenPieces = {
            await clock.waitForSleepers()
            clock.advance(by: .milliseconds(7500))
        }
        _ = try await bench.copy(size: 90)
        #expect(clock.now.offset > .seconds(600))
        #expect(bench.from.counts.count(.get) == 1)
    }

    // MARK: Bounds

    @Test func partsUnderWayAreBoundedPerObjectAndOverall() async throws {
        for (perObject, overall, objects, most) in [(3, 64, 1, 3), (4, 2, 3, 2), (4, 64, 1, 4)] {
            let bench = CopyingBench {
                $0.streamPartsPerObject = perObject
                $0.maximumStreams = overall
            }
            bench.from.set("k", CopyingBench.bytes(300))
            bench.to.faults.before = { call in
                // Wait until as many as may be are here together.
                guard call.operation == .uploadPart else { return }
                for _ in 0..<2000 where bench.to.counts.peak[.uploadPart, default: 0] < most { await Task.yield() }
                for _ in 0..<20 { await Task.yield() }
            }
            try await forEachInParallel(1...objects, limit: objects) { _ in _ = try await bench.copy(size: 300) }
            #expect(bench.to.counts.peak[.uploadPart] == most)
            #expect(bench.to.bytes("k") == CopyingBench.bytes(300))
        }
    }

    @Test func copiesInsideTheStoreAreBounded() async throws {
        let bench = CopyingBench(sharesBackend: true) {
            $0.copyPartsPerObject = 5
            $0.maximumStoreCopies = 3
        }
        bench.from.set("k", CopyingBench.bytes(300))
        bench.to.faults.before = { call in
            for _ in 0..<20 { await Task.yield() }
        }
        _ = try await bench.copy(size: 300)
        #expect(bench.to.counts.peak[.copyPart] == 3)
    }
}

/// Something that happens once.
private final class Flag: Sendable {
    private let state = Mutex(false)
    var isRaised: Bool { state.withLock { $0 } }
    /// - Returns: whether this was the first time.
    func raise() -> Bool {
        state.withLock { isRaised in
            defer { isRaised = true }
            return !isRaised
        }
    }
}
