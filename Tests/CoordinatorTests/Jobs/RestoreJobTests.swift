import BackupFormat
import MilvusClient
import ObjectStorageTesting
import Support
import Testing

@testable import Coordinator

/// Whole restores into a Milvus and stores in memory.
@Suite(.timeLimit(.minutes(1))) struct RestoreJobTests {
    private func prepared() async throws -> JobBench {
        let job = JobBench()
        try await job.backUp()
        job.forgetCalls()
        return job
    }

    private let changing = [
        "CreateCollection", "DropCollection", "CreateDatabase", "CreatePartition", "CreateIndex", "Import",
    ]

    @Test func collectionsAreMadeAndTheirDataImported() async throws {
        let job = try await prepared()
        let before = job.source.keys
        let outcome = try await job.restore { $0.mapper = try NameMapper(suffix: "_bak") }
        #expect(outcome.result.map(\.description) == ["default.items_bak", "shop.orders_bak"])
        #expect(
            job.collections("default") == ["items", "items_bak"] && job.collections("shop") == ["orders", "orders_bak"])
        let imports = try job.milvus.requests(Milvus.ImportRequest.self)
        #expect(imports.count == 6 && Set(imports.map(\.files)).count == 6)
        #expect(imports.allSatisfy { $0.partition == "_default" && $0.files.count == 2 })
        #expect(imports.allSatisfy { $0.files[0].hasPrefix("restore-temp-job-") })
        #expect(imports.filter { $0.files[1].isEmpty }.count == 4)
        #expect(try job.milvus.requests(Milvus.CreatePartitionRequest.self).map(\.partition) == ["empty", "empty"])
        #expect(job.milvus.calls(of: "CreateIndex").isEmpty)
        // Nothing of the staging is left.
        #expect(job.source.keys == before)
    }

    @Test func whatIsImportedIsThereWhenTheImportBegins() async throws {
        let job = try await prepared()
        let store = job.source
        job.setTrouble { call, _ in
            guard call.method == "Import", let request = try? Milvus.ImportRequest(serialized: call.message) else {
                return nil
            }
            let isThere = request.files.filter { !$0.isEmpty }
                .allSatisfy { directory in store.keys.contains { $0.hasPrefix(directory) } }
            return isThere ? nil : .status(code: 5, "nothing to import")
        }
        try await job.restore { $0.mapper = try NameMapper(suffix: "_bak") }
    }

    @Test func inTheSameBucketNothingIsStaged() async throws {
        let job = JobBench()
        // Both storage ids are one bucket.
        let bench = ServiceBench(milvus: job.milvus, oneStore: job.source)
        let context = bench.context()
        _ = try await BackupJob(request: BackupRequest(name: "nightly"), context: context).run()
        var request = RestoreRequest(backupName: "nightly")
        request.mapper = try NameMapper(suffix: "_bak")
        _ = try await RestoreJob(request: request, context: context).run()
        let imports = try job.milvus.requests(Milvus.ImportRequest.self)
        #expect(imports.count == 6 && imports.allSatisfy { $0.files[0].hasPrefix("backup/nightly/binlogs/") })
    }

    @Test func aCollectionInTheWayIsRefusedBeforeAnything() async throws {
        let job = try await prepared()
        let error = await #expect(throws: BackupError.self) { try await job.restore() }
        #expect(error?.code == .alreadyExists && error?.message.contains("collection already exist") == true)
        #expect(job.milvus.methods.allSatisfy { !changing.contains($0) })
    }

    @Test func aCollectionInTheWayIsReplacedWhenThatIsWanted() async throws {
        let job = try await prepared()
        try await job.restore { $0.dropsExistingCollections = true }
        #expect(job.milvus.calls(of: "DropCollection").count == 2)
        #expect(job.milvus.calls(of: "CreateCollection").count == 2)
    }

    @Test func dataGoesIntoACollectionThatIsThere() async throws {
        let job = try await prepared()
        try await job.restore { $0.skipsCreation = true }
        #expect(job.milvus.calls(of: "CreateCollection").isEmpty && job.milvus.calls(of: "Import").count == 6)
        let error = await #expect(throws: BackupError.self) {
            try await job.restore {
                $0.skipsCreation = true
                $0.mapper = try NameMapper(suffix: "_new")
            }
        }
        #expect(error?.code == .notFound)
    }

    @Test func withoutDataNothingIsImported() async throws {
        let job = try await prepared()
        try await job.restore {
            $0.metaOnly = true
            $0.restoresIndexes = true
            $0.mapper = try NameMapper(renames: "shop.*:market.*,items:things")
        }
        #expect(job.milvus.calls(of: "Import").isEmpty)
        #expect(try job.milvus.requests(Milvus.CreateIndexRequest.self).map(\.fieldName) == ["emb", "emb"])
        #expect(job.collections("market") == ["orders"] && job.collections("default") == ["items", "things"])
    }

    @Test func aDamagedBackupIsFoundBeforeAnythingIsChanged() async throws {
        let job = try await prepared()
        job.backups.set("backup/nightly/binlogs/insert_log/2/20/202/202/1/7001", [1])
        let error = await #expect(throws: BackupError.self) {
            try await job.restore { $0.mapper = try NameMapper(suffix: "_bak") }
        }
        #expect(error?.code == .corrupted && error?.message.contains("backup nightly is damaged") == true)
        #expect(error?.message.contains("202/202/1/7001") == true)
        #expect(job.milvus.methods.allSatisfy { !changing.contains($0) })
    }

    @Test func anUnknownFormatIsRefused() async throws {
        let job = JobBench()
        var backup = BackupInfo.sample()
        backup.format = DataFormat(rawValue: "parchment")
        try await job.metadata.write(backup, milvusRoot: "files")
        let error = await #expect(throws: BackupError.self) { try await job.restore() }
        #expect(error?.code == .unsupported && error?.message.contains("\"parchment\"") == true)
    }

    @Test func anImportThatFailsEndsTheRestoreAndTheStagingGoes() async throws {
        let job = try await prepared()
        let before = job.source.keys
        var failed = Milvus.ImportTask()
        failed.state = .failed
        failed.infos = [Milvus.KeyValuePair("failed_reason", "disk quota exceeded")]
        let answer = failed.serialized()
        job.setTrouble { call, _ in call.method == "GetImportState" ? .answer(answer) : nil }
        let error = await #expect(throws: BackupError.self) {
            try await job.restore { $0.mapper = try NameMapper(suffix: "_bak") }
        }
        #expect(error?.message.contains("disk quota exceeded") == true)
        #expect(job.source.keys == before)
    }

    /// What is being copied when the restore fails must not arrive after the cleaning up.
    @Test func copiesThatAreUnderWayLeaveNothingBehind() async throws {
        let job = try await prepared()
        let before = job.source.keys
        let store = job.source
        var failed = Milvus.ImportTask()
        failed.state = .failed
        let answer = failed.serialized()
        job.setTrouble { call, _ in call.method == "GetImportState" ? .answer(answer) : nil }
        // The copies of one segment take longer than a cleaning up that does not wait, and do not heed a cancellation.
        store.faults.before = { call in
            guard call.operation == .put, call.key.contains("/203/") else { return }
            await Task { try? await Task.sleep(for: .milliseconds(300)) }.value
            store.set(call.key, [1])
        }
        await #expect(throws: BackupError.self) {
            try await job.restore {
                $0.sourceFilter = CollectionFilter(databases: "shop")
                $0.mapper = try NameMapper(suffix: "_bak")
            }
        }
        // Whoever still writes has had the time to do it.
        try await Task.sleep(for: .milliseconds(400))
        #expect(store.keys == before)
    }
}
