import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

/// The fake that the copying tests rest on behaves like the store it stands for.
@Suite struct CopyingMemoryObjectStoreTests {
    @Test func listsInPagesAndFoldsPrefixes() async throws {
        let store = MemoryObjectStore()
        for key in ["a/1", "a/2", "b", "c/x/1", "c/y", "c0"] { store.set(key, [1]) }
        var keys: [String] = []
        var prefixes: [String] = []
        var continuation: String?
        var pages = 0
        repeat {
            let page = try await store.list(prefix: "", delimiter: "/", continuation: continuation, limit: 2)
            keys += page.objects.map(\.key)
            prefixes += page.commonPrefixes
            continuation = page.continuation
            pages += 1
        } while continuation != nil
        #expect(keys == ["b", "c0"])
        #expect(prefixes == ["a/", "c/"])
        #expect(pages == 2)
        #expect(try await store.list(prefix: "c/", delimiter: nil, continuation: nil, limit: 2).continuation == nil)
    }

    @Test func uploadInPartsHasTheETagOfS3() async throws {
        var limits = StoreLimits()
        limits.minimumPartSize = 3
        let store = MemoryObjectStore(limits: limits)
        let id = try await store.createMultipartUpload("k")
        let second = try await store.uploadPart("k", uploadID: id, number: 2, body: .bytes([4]))
        let first = try await store.uploadPart("k", uploadID: id, number: 1, body: .bytes([1, 2, 3]))
        #expect(store.bytes("k") == nil)
        let stored = try await store.completeMultipartUpload("k", uploadID: id, parts: [first, second])
        #expect(store.bytes("k") == [1, 2, 3, 4])
        #expect(stored.etag == MemoryObjectStore.multipartETag(of: [1, 2, 3, 4], partSize: 3))
        #expect(store.pendingUploads == 0)
    }

    @Test func readsThroughPipesBothWays() async throws {
        let store = MemoryObjectStore()
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        store.set("from", bytes)
        let pipe = BytePipe(capacity: 1000)
        let info = try await store.get("from", range: 5..<200_005, ifMatch: store.etag("from"), into: pipe)
        #expect(info.size == 300_000)
        try await store.put("to", body: .pipe(pipe, length: 200_000))
        #expect(store.bytes("to") == Array(bytes[5..<200_005]))
        #expect(store.etag("to") == hexadecimal(md5(Array(bytes[5..<200_005]))))
    }

    @Test func faultsHappenAndCallsAreCounted() async throws {
        let store = MemoryObjectStore()
        store.set("k", [1, 2, 3])
        store.faults.before = { call in
            if call.operation == .put { throw BackupError(.throttled, "slow down", isRetryable: true) }
        }
        store.faults.bodyFault = { _ in .truncated(after: 2) }
        await #expect(throws: BackupError.self) { try await store.put("k", body: .bytes([9])) }
        let pipe = BytePipe()
        _ = try await store.get("k", range: nil, ifMatch: nil, into: pipe)
        #expect(try await pipe.collect(limit: 10) == [1, 2])
        #expect(store.counts.count(.put, key: "k") == 1)
        #expect(store.bytes("k") == [1, 2, 3])
    }
}
