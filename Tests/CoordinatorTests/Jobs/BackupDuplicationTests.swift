import BackupFormat
import ObjectStorageTesting
import Support
import Testing

@testable import Coordinator

/// `l0compact` of backups that have nothing to compact.
@Suite(.timeLimit(.minutes(1))) struct BackupDuplicationTests {
    private func duplicate(
        _ job: JobBench, to target: String = "nightly_l0compacted", replaces: Bool = false
    ) async throws -> Int {
        try await BackupDuplication(
            source: "nightly", target: target, replaces: replaces, context: job.bench.context(id: "copy")
        ).run()
    }

    @Test func theNewBackupIsTheOldOneUnderAnotherName() async throws {
        let job = JobBench()
        try await job.backUp()
        let before = job.backups.keys
        let logs = before.filter { $0.contains("/binlogs/") }
        #expect(try await duplicate(job) == logs.count)
        for key in logs {
            let copy = key.replacing("backup/nightly/", with: "backup/nightly_l0compacted/")
            #expect(job.backups.bytes(copy) == job.backups.bytes(key))
        }
        var expected = try await job.metadata.read("nightly", options: .everything)
        expected.name = "nightly_l0compacted"
        expected.id = "copy"
        for index in expected.collections.indices { expected.collections[index].id = "copy" }
        #expect(try await job.metadata.read("nightly_l0compacted", options: .everything) == expected)
        #expect(!job.backups.keys.contains { $0.hasSuffix("claim.json") })
        #expect(Set(before).isSubset(of: Set(job.backups.keys)))
        // And it can be restored.
        try await job.restore("nightly_l0compacted") { $0.mapper = try NameMapper(suffix: "_bak") }
    }

    @Test func segmentsOfDeletionsAreRefused() async throws {
        let job = JobBench()
        for collection in [
            CollectionBackup.sample(segments: [10: [.sample(1), .sample(2, isL0: true)]]),
            .sample(l0: [.sample(3, partition: -1, isL0: true)]),
        ] {
            try await job.metadata.write(.sample(collections: [collection]), milvusRoot: "files")
            let error = await #expect(throws: BackupError.self) { try await duplicate(job) }
            #expect(error?.code == .unsupported && error?.message.contains("default.items") == true)
        }
        #expect(!job.backups.keys.contains { $0.contains("l0compacted") })
    }

    @Test func whatIsThereIsReplacedOnDemandOnly() async throws {
        let job = JobBench()
        try await job.backUp()
        job.backups.set("backup/other/leftover", [1])
        let error = await #expect(throws: BackupError.self) { try await duplicate(job, to: "other") }
        #expect(error?.code == .alreadyExists && job.backups.bytes("backup/other/leftover") != nil)
        _ = try await duplicate(job, to: "other", replaces: true)
        #expect(try await job.metadata.exists("other"))
        #expect(job.backups.bytes("backup/other/leftover") == nil)
        await #expect(throws: BackupError.self) { try await duplicate(job, to: "nightly", replaces: true) }
        #expect(try await job.metadata.exists("nightly"))
    }

    @Test func aDamagedBackupIsNotCopied() async throws {
        let job = JobBench()
        try await job.backUp()
        job.backups.set("backup/nightly/binlogs/insert_log/2/20/202/202/1/7001", [1])
        let error = await #expect(throws: BackupError.self) { try await duplicate(job) }
        #expect(error?.code == .corrupted && error?.message.contains("backup nightly is damaged") == true)
        #expect(!job.backups.keys.contains { $0.contains("l0compacted") })
    }

    @Test func aCopyThatFailsIsNoBackup() async throws {
        let job = JobBench()
        try await job.backUp()
        job.backups.faults.before = { call in
            if call.key.contains("l0compacted/binlogs") { throw BackupError(.permissionDenied, "no") }
        }
        await #expect(throws: BackupError.self) { try await duplicate(job) }
        job.backups.faults.before = { _ in }
        #expect(try await !job.metadata.exists("nightly_l0compacted"))
        // How much was copied before the failure is a matter of chance.
        _ = try await job.metadata.delete("nightly_l0compacted")
        #expect(try await !job.metadata.hasAnything("nightly_l0compacted"))
    }
}
