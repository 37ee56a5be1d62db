import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(2))) struct CopyingStreamTests {
    @Test(arguments: [1, 6, 7, 8, 99, 100, 101, 109, 110, 999, 1000])
    func everySizeArrives(size: Int) async throws {
        let bench = CopyingBench()
        let bytes = CopyingBench.bytes(size)
        bench.from.set("k", bytes)
        let progress = CopyProgress()
        let outcome = try await bench.copy(size: size, etag: bench.from.etag("k"), progress: progress)
        #expect(bench.to.bytes("k") == bytes)
        #expect(outcome.etag == bench.to.etag("k"))
        #expect(!outcome.copiedByStore && outcome.fallback == nil)
        #expect(progress.bytes == Int64(size))
        // One request below the threshold, which proves the content; parts of ten bytes from there on.
        let parts = size < 100 ? 0 : (size + 9) / 10
        #expect(bench.to.counts.count(.uploadPart) == parts)
        #expect(bench.to.counts.count(.put) == (parts == 0 ? 1 : 0))
        #expect(outcome.md5 == (parts == 0 ? bench.from.etag("k") : nil))
        #expect(bench.to.pendingUploads == 0)
    }

    @Test func anEmptyObjectIsNotRead() async throws {
        let bench = CopyingBench()
        bench.from.set("k", [])
        _ = try await bench.copy(size: 0, etag: bench.from.etag("k"))
        #expect(bench.to.bytes("k") == [])
        #expect(bench.from.counts.calls.isEmpty)
    }

    @Test func partsFollowTheSourceSoThatETagsAgree() async throws {
        // 40 MiB in parts of 16 MiB, as Milvus' own client uploads them.
        let size = 40 << 20
        let from = MemoryObjectStore()
        let to = MemoryObjectStore()
        from.set("k", [UInt8](repeating: 7, count: size), partSize: 16 << 20)
        var options = CopyOptions()
        options.multipartStreamThreshold = 20 << 20
        let outcome = try await ObjectCopier(options: options).copy(
            CopySource(store: from, key: "k", size: Int64(size), etag: from.etag("k")),
            to: CopyDestination(store: to, key: "k"), mode: .auto)
        #expect(outcome.etag == from.etag("k"))
        #expect(to.counts.count(.uploadPart) == 3)
    }

    @Test func otherPartsThanTheSourcesAreNoDamage() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300), partSize: 100)
        let outcome = try await bench.copy(size: 300, etag: bench.from.etag("k"))
        #expect(bench.to.bytes("k") == CopyingBench.bytes(300))
        #expect(outcome.etag != bench.from.etag("k") && outcome.md5 == nil)
    }

    @Test func aSourceOfOnePartIsUploadedAsOnePart() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300), partSize: 300)
        let outcome = try await bench.copy(size: 300, etag: bench.from.etag("k"))
        #expect(outcome.etag == bench.from.etag("k"))
    }

    @Test func anUnknownETagIsAskedForBeforeParts() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300))
        _ = try await bench.copy(size: 300)
        #expect(bench.from.counts.count(.head) == 1)
        #expect(bench.to.bytes("k") == CopyingBench.bytes(300))
    }

    @Test func aStoreWithoutPartsGetsOneRequest() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300))
        bench.to.faults.multipartRefusal = BackupError(.unsupported, "no parts here")
        _ = try await bench.copy(size: 300)
        #expect(bench.to.bytes("k") == CopyingBench.bytes(300))
        // Too large for one request: there is no way.
        bench.from.set("k", CopyingBench.bytes(1001))
        #expect(await bench.failure(size: 1001)?.code == .unsupported)
    }

    // MARK: Sources that are not what they were

    @Test(arguments: [50, 300])
    func aChangedSourceIsNotCopied(size: Int) async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(size))
        let listed = bench.from.etag("k")
        bench.from.set("k", [UInt8](repeating: 0, count: size))
        let error = await bench.failure(size: size, etag: listed)
        #expect(error?.code == .notFound)
        #expect(error?.message.contains("has changed") == true)
        #expect(bench.to.keys.isEmpty && bench.to.pendingUploads == 0)
        #expect(bench.from.counts.count(.get) <= 4, "it is not tried again")
    }

    @Test(arguments: [(50, 49), (50, 51), (300, 299), (300, 301)])
    func aSourceOfAnotherSizeIsAnError(listed: Int, actual: Int) async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(actual))
        let error = await bench.failure(size: listed)
        #expect(error?.code == .corrupted)
        #expect(error?.message == "object \"k\": expected \(listed) bytes, found \(actual)")
        #expect(bench.to.keys.isEmpty && bench.to.pendingUploads == 0)
    }

    @Test(arguments: [
        (50, BodyFault.truncated(after: 20), "expected 50 bytes, found 20"),
        (50, .truncated(after: 0), "expected 50 bytes, found 0"),
        (50, .broken(after: 20), "the connection was reset"),
        (300, .truncated(after: 3), "expected 10 bytes, found 3"),
        (300, .broken(after: 3), "the connection was reset"),
    ])
    func aBrokenStreamIsTriedAgainAndThenNamed(size: Int, fault: BodyFault, message: String) async throws {
        let bench = CopyingBench { $0.streamPartsPerObject = 1 }
        bench.from.set("k", CopyingBench.bytes(size))
        // Once only: it heals.
        let first = Mutex(true)
        bench.from.faults.bodyFault = { _ in first.withLock { isFirst in isFirst ? fault : nil } }
        bench.to.faults.before = { call in
            if bench.from.counts.count(.get) > 1 { first.withLock { $0 = false } }
        }
        _ = try await bench.copy(size: size)
        #expect(bench.to.bytes("k") == CopyingBench.bytes(size))
        // For ever: the tries are used up, and nothing is left.
        let hopeless = CopyingBench()
        hopeless.from.set("k", CopyingBench.bytes(size))
        hopeless.from.faults.bodyFault = { _ in fault }
        let error = await hopeless.failure(size: size)
        #expect(error?.message.hasSuffix(message) == true, "\(error?.message ?? "")")
        #expect(error?.isRetryable == true)
        #expect(hopeless.to.keys.isEmpty && hopeless.to.pendingUploads == 0)
        if size == 50 { #expect(hopeless.from.counts.count(.get) == 3) }
    }

    @Test func moreBytesThanListedAreCaught() async throws {
        let bench = CopyingBench { $0.pipeCapacity = 1000 }
        bench.from.set("k", CopyingBench.bytes(50))
        bench.from.faults.bodyFault = { _ in .extended(by: 5) }
        #expect(await bench.failure(size: 50)?.code == .corrupted)
    }

    // MARK: Damage on the way

    @Test func damageOnTheWayIsSeenAndRepaired() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.damagesWrite = { _ in bench.to.counts.count(.put) == 1 }
        _ = try await bench.copy(size: 50, etag: bench.from.etag("k"))
        #expect(bench.to.counts.count(.put) == 2)
        #expect(bench.to.bytes("k") == CopyingBench.bytes(50))
    }

    @Test func damageForEverIsAnError() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.damagesWrite = { _ in true }
        let error = await bench.failure(size: 50)
        #expect(error?.code == .corrupted)
        #expect(error?.isRetryable == true)
        #expect(error?.message.contains("differs from its source") == true)
    }

    @Test func damageOfASinglePartIsSeen() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(300), partSize: 300)
        bench.to.faults.damagesWrite = { _ in true }
        #expect(await bench.failure(size: 300, etag: bench.from.etag("k"))?.code == .corrupted)
    }

    @Test func oneGarbledETagDoesNotEndTheChecks() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        let garbled = String(repeating: "0", count: 32)
        bench.to.faults.garbledETag = { _ in bench.to.counts.count(.put) == 1 ? garbled : nil }
        bench.to.faults.damagesWrite = { _ in bench.to.counts.count(.put) == 2 }
        for _ in 1...2 { _ = try await bench.copy(size: 50, etag: bench.from.etag("k")) }
        #expect(bench.to.counts.count(.put) == 3, "the damage was seen")
        #expect(bench.to.bytes("k") == CopyingBench.bytes(50))
    }

    @Test func damageIsSeenThoughTheETagIsGarbledBeyondRecognition() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.garbledETag = { _ in bench.to.counts.count(.put) == 1 ? "\"\"garbled" : nil }
        bench.to.faults.damagesWrite = { _ in bench.to.counts.count(.put) == 1 }
        _ = try await bench.copy(size: 50, etag: bench.from.etag("k"))
        #expect(bench.to.counts.count(.put) == 2, "the damage was seen")
        #expect(bench.to.bytes("k") == CopyingBench.bytes(50))
    }

    @Test func aStoreWhoseETagsSayNothingIsAskedOnce() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.hasForeignETags = true
        for _ in 1...3 { _ = try await bench.copy(size: 50, etag: bench.from.etag("k")) }
        #expect(bench.to.counts.count(.head) == 1 && bench.to.counts.count(.get) == 0)
    }

    @Test func eTagsThatAreNoMD5AreLearnedOnce() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        bench.to.faults.hasOpaqueETags = true
        let outcome = try await bench.copy(size: 50, etag: bench.from.etag("k"))
        #expect(outcome.md5 == bench.from.etag("k"), "both were read and are equal")
        #expect(bench.to.counts.count(.get) == 1)
        _ = try await bench.copy(size: 50, etag: bench.from.etag("k"))
        #expect(bench.to.counts.count(.get) == 1)
        #expect(bench.to.counts.count(.put) == 2)
    }
}
