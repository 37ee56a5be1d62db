import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

@testable import Coordinator

/// What restores leave that were killed, and what must not be touched.
@Suite(.timeLimit(.minutes(1))) struct AbandonedFilesTests {
    let store = MemoryObjectStore(bucket: "milvus")

    /// A restore with a staged object.
    @discardableResult
    private func restore(_ id: String, _ change: (inout JobRecord) -> Void = { _ in }) async throws -> JobRecord {
        var record = JobRecord(id: id, name: "nightly")
        change(&record)
        try await record.write(to: store, key: JobRecord.restoreKey(id: id))
        store.set("restore-temp-\(id)-default-items/binlogs/1", [1])
        return record
    }

    private func sweep(own: String? = nil) async { await AbandonedFiles(store: store, logger: .silent).sweep(own: own) }

    /// A process of this boot that cannot be there: ids are reused, times of their start are not.
    private static let dead = ProcessIdentity.current.map {
        ProcessIdentity(scope: $0.scope, id: $0.id, start: "1").text
    }

    @Test func whatADeadProcessHasLeftGoesAndTheReasonStays() async throws {
        let dead = try #require(Self.dead)
        try await restore("killed") { $0.process = dead }
        try await restore("failed") { $0.failure = "the store was down" }
        await sweep()
        #expect(store.keys == ["restore-temp-failed/job.json", "restore-temp-killed/job.json"])
        let record = try await JobRecord.read(from: store, key: JobRecord.restoreKey(id: "killed"))
        #expect(record?.explanation.contains("interrupted") == true)
        // The second time there is nothing to do.
        let writes = store.counts.count(.put)
        await sweep()
        #expect(store.counts.count(.put) == writes)
    }

    @Test func recordsGoAfterAWeek() async throws {
        try await restore("old") {
            $0.failure = "long ago"
            $0.start -= 8 * 86_400
        }
        await sweep()
        #expect(store.keys.isEmpty)
    }

    /// A process on another host is told by its beats.
    @Test func whatALivingProcessUsesStays() async throws {
        let record = try await restore("alive") { $0.process = "boot-of-another-host pid:[1] 1 1" }
        let beating = Task {
            var record = record
            while !Task.isCancelled {
                record.beat += 1
                try await record.write(to: store, key: JobRecord.restoreKey(id: "alive"))
                try await Task.sleep(for: .milliseconds(300))
            }
        }
        await sweep()
        beating.cancel()
        #expect(store.keys.contains("restore-temp-alive-default-items/binlogs/1"))
    }

    @Test func whatIsNobodysOrWasMeantToStayStays() async throws {
        // Another program's; one that was kept; the restore that asks.
        store.set("restore-temp-2024-default-items/binlogs/1", [1])
        try await restore("kept") {
            $0.keepsFiles = true
            $0.failure = "no"
        }
        try await restore("own") { $0.failure = "not yet" }
        let before = store.keys
        await sweep(own: "own")
        #expect(store.keys == before)
    }

    @Test func aNameThatBelongsToTwoBelongsToTheLiving() {
        let directories = ["restore-temp-a", "restore-temp-a-db-c", "restore-temp-a-b", "restore-temp-a-b-db-c"]
        #expect(
            AbandonedFiles.abandoned(of: "a", in: directories, living: ["a-b"]) == ["restore-temp-a-db-c"])
        #expect(AbandonedFiles.abandoned(of: "a-b", in: directories, living: ["a"]) == [])
        #expect(AbandonedFiles.abandoned(of: "a-b", in: directories, living: []) == ["restore-temp-a-b-db-c"])
    }

    @Test func processes() throws {
        let own = try #require(ProcessIdentity.current)
        #expect(ProcessIdentity(text: own.text) == own && !own.hasEnded())
        #expect(ProcessIdentity(scope: own.scope, id: own.id, start: "1").hasEnded())
        #expect(ProcessIdentity(scope: own.scope, id: 1 << 30, start: own.start).hasEnded())
        // Of another boot, container or host nothing is known.
        #expect(!ProcessIdentity(scope: "elsewhere pid:[1]", id: 1 << 30, start: "1").hasEnded())
        #expect(ProcessIdentity(text: "") == nil)
    }
}
