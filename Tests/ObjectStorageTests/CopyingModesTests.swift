import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

@Suite(.timeLimit(.minutes(2))) struct CopyingModesTests {
    static let refusals = [
        BackupError(.unsupported, "CopyObject is not implemented"), BackupError(.permissionDenied, "no right to copy"),
        BackupError(.invalidArgument, "this source cannot be copied"),
    ]

    // MARK: The store copies

    @Test(arguments: [(0, 0), (99, 0), (100, 10), (109, 11), (1000, 100), (2000, 2)])
    func theStoreCopiesLargeObjectsInParts(size: Int, parts: Int) async throws {
        let bench = CopyingBench(sharesBackend: true)
        let bytes = CopyingBench.bytes(size)
        bench.from.set("k", bytes)
        let progress = CopyProgress()
        let outcome = try await bench.copy(size: size, progress: progress)
        #expect(bench.to.bytes("k") == bytes)
        #expect(outcome.copiedByStore && outcome.etag == bench.to.etag("k") && outcome.fallback == nil)
        #expect(bench.to.counts.count(.copyPart) == parts)
        #expect(bench.to.counts.count(.copy) == (parts == 0 ? 1 : 0))
        #expect(bench.from.counts.count(.get) == 0)
        #expect(bench.to.pendingUploads == 0)
        #expect(progress.bytes == Int64(size))
    }

    @Test func aStoreThatCannotCopyPartsCopiesTheWhole() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(500))
        bench.to.faults.before = { call in
            if call.operation == .copyPart { throw BackupError(.unsupported, "no UploadPartCopy") }
        }
        let outcome = try await bench.copy(size: 500)
        #expect(outcome.copiedByStore && bench.to.bytes("k") == CopyingBench.bytes(500))
        #expect(bench.to.pendingUploads == 0)
    }

    @Test func differentBackendsStreamInAuto() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        let outcome = try await bench.copy(.auto, size: 50)
        #expect(!outcome.copiedByStore && outcome.fallback == nil)
        #expect(bench.to.counts.count(.copy) == 0)
    }

    /// Whoever says so knows it: the endpoints may be others.
    @Test func whatIsSaidToBeOneBackendIsAskedToCopy() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        let outcome = try await bench.copy(.directOrStreaming, size: 50)
        #expect(bench.to.counts.count(.copy) == 1)
        #expect(!outcome.copiedByStore && outcome.fallback != nil, "these two were not")
        #expect(bench.to.bytes("k") == CopyingBench.bytes(50))
    }

    @Test func streamingNeverAsksTheStore() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(50))
        #expect(try await bench.copy(.streaming, size: 50).copiedByStore == false)
        #expect(bench.to.counts.count(.copy) == 0)
    }

    @Test func anObjectIsNotCopiedOntoItself() async throws {
        let store = MemoryObjectStore()
        store.set("k", [1])
        for mode in [CopyMode.auto, .direct, .streaming] {
            await #expect(throws: BackupError.self) {
                try await ObjectCopier().copy(
                    CopySource(store: store, key: "k", size: 1), to: CopyDestination(store: store, key: "k"), mode: mode
                )
            }
        }
    }

    // MARK: The store refuses

    @Test(arguments: refusals, [50, 300])
    func autoFallsBackOnceAndSaysWhy(refusal: BackupError, size: Int) async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(size))
        bench.to.faults.copyRefusal = refusal
        for _ in 1...3 {
            let progress = CopyProgress()
            let outcome = try await bench.copy(size: size, progress: progress)
            #expect(!outcome.copiedByStore && outcome.fallback == refusal.message)
            #expect(progress.bytes == Int64(size))
        }
        #expect(bench.to.bytes("k") == CopyingBench.bytes(size))
        #expect(bench.to.pendingUploads == 0)
        // The first object found it out; the others did not ask again.
        #expect(bench.to.counts.count(.copy) + bench.to.counts.count(.createMultipartUpload) <= (size == 50 ? 1 : 5))
        #expect(bench.log.lines.count { $0.contains("WARN") } == 1)
    }

    @Test func directNeverStreams() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.copyRefusal = Self.refusals[1]
        let error = await bench.failure(.direct, size: 50)
        #expect(error?.message == Self.refusals[1].message)
        #expect(bench.from.counts.count(.get) == 0)
    }

    @Test func directBetweenBackendsTriesAndSaysWhatIsWrong() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        let error = await bench.failure(.direct, size: 50)
        #expect(bench.to.counts.count(.copy) == 1)
        #expect(error?.message.contains("not the same backend") == true)
        #expect(error?.hint?.contains("streaming") == true)
    }

    @Test func whenBothWaysFailTheStreamsErrorCounts() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.copyRefusal = Self.refusals[0]
        bench.from.faults.before = { _ in throw BackupError(.permissionDenied, "no right to read") }
        #expect(await bench.failure(size: 50)?.message == "no right to read")
        // It was not the copy's fault: it is tried again with the next object.
        bench.from.faults.before = { _ in }
        bench.to.faults.copyRefusal = nil
        #expect(try await bench.copy(size: 50).copiedByStore)
    }

    @Test func aMissingSourceIsNoRefusal() async throws {
        let bench = CopyingBench(sharesBackend: true)
        #expect(await bench.failure(size: 50)?.code == .notFound)
        #expect(bench.from.counts.count(.get) == 0)
    }

    @Test func whatPassesIsTriedAgainAndNotStreamed() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.before = { _ in
            if bench.to.counts.count(.copy) < 3 { throw BackupError(.throttled, "slow down", isRetryable: true) }
        }
        #expect(try await bench.copy(size: 50).copiedByStore)
        bench.to.faults.before = { _ in throw BackupError(.throttled, "slow down", isRetryable: true) }
        #expect(await bench.failure(size: 50)?.code == .throttled)
        #expect(bench.to.counts.count(.copy) == 6)
    }
}
