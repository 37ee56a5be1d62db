import BackupFormat
import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

@testable import Coordinator

/// Who may go on when two want the same, in stores that heed conditions and in those that do not.
@Suite(.timeLimit(.minutes(1))) struct JobClaimTests {
    private let key = "backup/nightly/claim.json"
    private let work = "backup nightly is being made"

    private func claim(
        _ store: MemoryObjectStore, after earlier: JobRecord? = nil, logger: Logger = .silent
    ) async throws -> JobClaim {
        try await JobClaim(
            JobRecord(id: "job", name: "nightly"), in: store, key: key, work: work, after: earlier, logger: logger)
    }

    private func outcomes(of count: Int, _ body: @escaping @Sendable () async throws -> Void) async -> [BackupError?] {
        await withTaskGroup(of: BackupError?.self) { group in
            for _ in 0..<count {
                group.addTask {
                    do {
                        try await body()
                        return nil
                    } catch { return BackupError(wrapping: error) }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test func ofManyThatBeginAtOnceOneGoesOn() async throws {
        for _ in 0..<20 {
            let store = MemoryObjectStore(bucket: "backup")
            let outcomes = await outcomes(of: 8) { _ = try await claim(store) }
            #expect(outcomes.count { $0 == nil } == 1)
            #expect(outcomes.allSatisfy { $0 == nil || $0?.code == .alreadyExists })
            #expect(store.keys == [key])
        }
    }

    @Test func ofManyThatTakeOverOneGoesOn() async throws {
        let store = MemoryObjectStore(bucket: "backup")
        try await JobRecord(id: "dead", name: "nightly").write(to: store, key: key)
        let dead = try #require(try await JobRecord.read(from: store, key: key))
        let outcomes = await outcomes(of: 8) { _ = try await claim(store, after: dead) }
        #expect(outcomes.count { $0 == nil } == 1)
    }

    @Test func aStoreThatIgnoresConditionsIsNotBelieved() async throws {
        let store = MemoryObjectStore(bucket: "backup")
        store.faults.ignoresConditions = true
        let sink = MemorySink()
        let logger = Logger(label: "test", level: .debug, sinks: [sink])
        let first = try await claim(store, logger: logger)
        #expect(sink.lines.contains { $0.contains("best effort") })
        // The second one is not kept out, but the first one finds out before it writes anything.
        _ = try await claim(store)
        let error = await #expect(throws: BackupError.self) { try await first.check() }
        #expect(error?.code == .alreadyExists && error?.message.contains(work) == true)
        await #expect(throws: BackupError.self) { try await first.beat() }
        #expect(await !first.isHeld())
    }

    @Test(arguments: [true, false]) func whoWasTakenOverWritesNothing(_ heeds: Bool) async throws {
        let store = MemoryObjectStore(bucket: "backup")
        store.faults.ignoresConditions = !heeds
        let first = try await claim(store)
        try await first.beat()
        let dead = try #require(try await JobRecord.read(from: store, key: key))
        let second = try await claim(store, after: dead)
        let bytes = store.bytes(key)
        await #expect(throws: BackupError.self) { try await first.beat() }
        await #expect(throws: BackupError.self) { try await first.release() }
        try await first.fail("too late", traces: "backup/nightly/")
        #expect(store.bytes(key) == bytes)
        try await second.beat()
        try await second.release()
        // The other one has even come to its end.
        await #expect(throws: BackupError.self) { try await first.check() }
        #expect(store.keys.isEmpty)
    }

    /// The store has done what was asked, and its answer did not arrive: the next try is refused.
    @Test func aLostAnswerIsNoDefeat() async throws {
        let store = MemoryObjectStore(bucket: "backup")
        let losing = RetryingObjectStore(
            AnswerLosing(base: store), policy: RetryPolicy(attempts: 3, initialDelay: .zero))
        let claim = try await JobClaim(
            JobRecord(id: "job", name: "nightly"), in: losing, key: key, work: work, after: nil, logger: .silent)
        try await claim.beat()
        try await claim.release()
        #expect(store.keys.isEmpty)
    }
}

/// Does every conditional write and loses the first answer to it.
private struct AnswerLosing: ObjectStore {
    let base: MemoryObjectStore
    var identity: StoreIdentity { base.identity }
    var limits: StoreLimits { base.limits }

    func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        _ = try await base.put(key, body: body, if: condition)
        throw BackupError(.timedOut, "no answer", isRetryable: true)
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
    func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject {
        try await base.completeMultipartUpload(key, uploadID: uploadID, parts: parts)
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
