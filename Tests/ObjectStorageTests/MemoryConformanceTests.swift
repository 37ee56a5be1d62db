import ObjectStorage
import ObjectStorageTesting
import Testing

/// The fake that other tests use holds the same contract as the real stores.
@Suite struct MemoryConformanceTests {
    @Test(arguments: ConformanceCheck.all)
    func holds(_ check: ConformanceCheck) async throws {
        let backend = MemoryBackend()
        let store = MemoryObjectStore(bucket: "one", backend: backend)
        let other = MemoryObjectStore(bucket: "two", backend: backend)
        try await check.run(on: RetryingObjectStore(store), prefix: "conformance/", other: other)
        #expect(store.keys.isEmpty)
    }
}
