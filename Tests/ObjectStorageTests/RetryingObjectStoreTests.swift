import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@Suite struct RetryingObjectStoreTests {
    private static let fast = RetryPolicy(attempts: 4, initialDelay: .milliseconds(1), maximumDelay: .milliseconds(1))
    private static let failure = BackupError(.unavailable, "the connection was reset", isRetryable: true)

    /// A store that fails `times` times for each operation before it works.
    private func failing(_ times: Int, _ error: BackupError = failure) -> MemoryObjectStore {
        let store = MemoryObjectStore()
        let counts = Counts()
        store.faults.before = { call in
            if counts.next(call.operation) <= times { throw error }
        }
        return store
    }

    private final class Counts: Sendable {
        private let counts = Mutex<[StoreOperation: Int]>([:])
        func next(_ operation: StoreOperation) -> Int {
            counts.withLock { counts in
                counts[operation, default: 0] += 1
                return counts[operation, default: 0]
            }
        }
    }

    @Test func everyCallThatCanBeRepeatedIs() async throws {
        let memory = failing(3)
        let sink = MemorySink()
        let store = RetryingObjectStore(
            memory, policy: RetryingObjectStoreTests.fast, logger: Logger(label: "test", level: .debug, sinks: [sink]))
        let here = ObjectReference(bucket: "bucket", key: "a")
        try await store.createBucketIfMissing()
        try await store.put("a", body: .bytes([1, 2, 3]))
        #expect(try await store.head("a")?.size == 3)
        #expect(try await store.list(prefix: "", delimiter: nil, continuation: nil, limit: 10).objects.count == 1)
        let pipe = BytePipe()
        _ = try await store.get("a", range: nil, ifMatch: nil, into: pipe)
        #expect(try await pipe.collect(limit: 10) == [1, 2, 3])
        try await store.copy(here, to: "b")
        let upload = try await store.createMultipartUpload("c")
        let part = try await store.uploadPart("c", uploadID: upload, number: 1, body: .bytes([4]))
        _ = try await store.copyPart("c", uploadID: upload, number: 2, source: here, range: 0..<1)
        #expect(try await store.listMultipartUploads(prefix: "").count == 1)
        try await store.completeMultipartUpload("c", uploadID: upload, parts: [part])
        try await store.abortMultipartUpload("c", uploadID: upload)
        try await store.delete(["a"])
        #expect(memory.keys == ["b", "c"])
        for operation in StoreOperation.allCases { #expect(memory.counts.count(operation) == 4, "\(operation)") }
        #expect(sink.lines.count == 3 * StoreOperation.allCases.count)
        #expect(sink.lines.allSatisfy { $0.contains("the connection was reset") })
    }

    @Test func aBodyOutOfAPipeIsSentOnce() async throws {
        let memory = failing(1)
        let store = RetryingObjectStore(memory, policy: RetryingObjectStoreTests.fast)
        await #expect(throws: BackupError.self) { try await store.put("a", body: .pipe(BytePipe(), length: 1)) }
        await #expect(throws: BackupError.self) {
            try await store.uploadPart("a", uploadID: "u", number: 1, body: .pipe(BytePipe(), length: 1))
        }
        #expect(memory.counts.count(.put) == 1)
        #expect(memory.counts.count(.uploadPart) == 1)
    }

    @Test func whatARetryCannotHelpSurfacesAtOnce() async throws {
        let memory = failing(.max, BackupError(.permissionDenied, "no"))
        let store = RetryingObjectStore(memory, policy: RetryingObjectStoreTests.fast)
        await #expect(throws: BackupError.self) { try await store.head("a") }
        #expect(memory.counts.count(.head) == 1)
    }

    // Before and after a store has answered for the first time.

    private static let patient = RetryPolicy(
        attempts: 10, initialDelay: .milliseconds(1), maximumDelay: .milliseconds(1))

    private func failure(of store: RetryingObjectStore, _ key: String = "a") async throws -> BackupError {
        try #require(await #expect(throws: BackupError.self) { try await store.head(key) })
    }

    @Test func aStoreThatHasNeverAnsweredIsGivenUpSooner() async throws {
        let memory = failing(.max)
        let store = RetryingObjectStore(memory, policy: RetryingObjectStoreTests.patient)
        let error = try await failure(of: store)
        #expect(memory.counts.count(.head) == 7)
        #expect(error.description.hasSuffix("; check the address and the port of this storage, and whether it is up"))
    }

    @Test func aStoreThatTakesNoConnectionIsWaitedForOnce() async throws {
        let memory = failing(.max, .noConnection("cannot connect within 10 s"))
        let store = RetryingObjectStore(memory, policy: RetryingObjectStoreTests.patient)
        #expect(try await failure(of: store).hint != nil)
        #expect(memory.counts.count(.head) == 1)
    }

    @Test(arguments: [BackupError.Code.throttled, .remoteFailure, .timedOut])
    func aStoreThatIsBusyHasAnswered(code: BackupError.Code) async throws {
        let memory = failing(.max, BackupError(code, "later", isRetryable: true))
        let store = RetryingObjectStore(memory, policy: RetryingObjectStoreTests.patient)
        #expect(try await failure(of: store).hint == nil)
        #expect(memory.counts.count(.head) == 10)
    }

    @Test(arguments: [BackupError.Code.unavailable, .timedOut])
    func aStoreThatHasAnsweredDeservesAllTries(code: BackupError.Code) async throws {
        let memory = MemoryObjectStore()
        memory.faults.before = { call in
            if call.operation == .head { throw BackupError(code, "gone", isRetryable: true) }
        }
        let store = RetryingObjectStore(memory, policy: RetryingObjectStoreTests.patient)
        try await store.put("a", body: .bytes([1]))
        #expect(try await failure(of: store).hint == nil)
        #expect(memory.counts.count(.head) == 10)
    }

    @Test func storesOfOneServerShareTheFirstContact() async throws {
        let contacts = FirstContacts()
        func store(_ base: MemoryObjectStore, _ bucket: String, at endpoint: String = "a:9000") -> RetryingObjectStore {
            let identity = StoreIdentity(provider: "minio", endpoint: endpoint, bucket: bucket)
            return RetryingObjectStore(
                base, policy: RetryingObjectStoreTests.patient, contact: contacts.contact(with: identity))
        }
        try await store(MemoryObjectStore(), "one").put("a", body: .bytes([1]))
        let (known, strange) = (failing(.max), failing(.max))
        #expect(try await failure(of: store(known, "other")).hint == nil)
        #expect(try await failure(of: store(strange, "one", at: "b:9000")).hint != nil)
        #expect(known.counts.count(.head) == 10 && strange.counts.count(.head) == 7)
    }

    @Test func aLostAnswerToACompletionIsRecognized() async throws {
        let memory = MemoryObjectStore()
        let store = RetryingObjectStore(AnswerLosingStore(memory), policy: RetryingObjectStoreTests.fast)
        let upload = try await store.createMultipartUpload("a")
        let part = try await store.uploadPart("a", uploadID: upload, number: 1, body: .bytes([1, 2]))
        let stored = try await store.completeMultipartUpload("a", uploadID: upload, parts: [part])
        #expect(stored.etag == memory.etag("a"))
        #expect(memory.bytes("a") == [1, 2])
        // An upload that is gone for another reason stays an error, whatever lies at the key.
        await #expect(
            performing: {
                let other = UploadedPart(number: 1, etag: "00000000000000000000000000000000")
                return try await store.completeMultipartUpload("a", uploadID: upload, parts: [other])
            }, throws: { ($0 as? BackupError)?.code == .notFound })
    }
}

/// Completes uploads and then says that the connection broke.
private struct AnswerLosingStore: ObjectStore {
    let base: MemoryObjectStore
    init(_ base: MemoryObjectStore) { self.base = base }
    var identity: StoreIdentity { base.identity }
    var limits: StoreLimits { base.limits }

    func completeMultipartUpload(_ key: String, uploadID: String, parts: [UploadedPart]) async throws -> StoredObject {
        try await base.completeMultipartUpload(key, uploadID: uploadID, parts: parts)
        throw BackupError(.unavailable, "the connection was reset", isRetryable: true)
    }

    func list(prefix: String, delimiter: String?, continuation: String?, limit: Int) async throws -> ObjectPage {
        try await base.list(prefix: prefix, delimiter: delimiter, continuation: continuation, limit: limit)
    }
    func head(_ key: String) async throws -> ObjectInfo? { try await base.head(key) }
    func get(_ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe) async throws -> ObjectInfo {
        try await base.get(key, range: range, ifMatch: ifMatch, into: pipe)
    }
    func put(_ key: String, body: ObjectBody) async throws -> StoredObject { try await base.put(key, body: body) }
    func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        try await base.copy(source, to: key)
    }
    func createMultipartUpload(_ key: String) async throws -> String { try await base.createMultipartUpload(key) }
    func uploadPart(_ key: String, uploadID: String, number: Int, body: ObjectBody) async throws -> UploadedPart {
        try await base.uploadPart(key, uploadID: uploadID, number: number, body: body)
    }
    func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart {
        try await base.copyPart(key, uploadID: uploadID, number: number, source: source, range: range)
    }
    func abortMultipartUpload(_ key: String, uploadID: String) async throws {
        try await base.abortMultipartUpload(key, uploadID: uploadID)
    }
    func listMultipartUploads(prefix: String) async throws -> [PendingUpload] {
        try await base.listMultipartUploads(prefix: prefix)
    }
    func delete(_ keys: [String]) async throws { try await base.delete(keys) }
    func createBucketIfMissing() async throws { try await base.createBucketIfMissing() }
}
