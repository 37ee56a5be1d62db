import BackupFormat
import Configuration
import ConfiguredStores
import ConfiguredWorker
import CopyWorker
import ObjectStorageTesting
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support
import Testing

@testable import Coordinator

/// Whole backups out of a Milvus and stores in memory.
@Suite(.timeLimit(.minutes(1))) struct BackupJobTests {
    @Test func everythingIsThereAfterwards() async throws {
        let job = JobBench()
        let outcome = try await job.backUp()
        let backup = outcome.result
        #expect(backup.collections.map(\.qualifiedName.description) == ["default.items", "shop.orders"])
        #expect(backup.databases.map(\.name) == ["default", "shop"])
        #expect(backup.milvusVersion == "v2.3.5")
        let items = backup.collections[0]
        #expect(items.partitions.map(\.name) == ["_default", "empty"])
        #expect(items.partitions[0].segments.map(\.segmentID) == [101, 102, 103])
        #expect(items.indexes.map(\.indexName) == ["by_emb"] && items.schema == .sample("items"))
        #expect(try await job.metadata.read("nightly", options: .everything) == backup)
        for collection in backup.collections {
            for segment in collection.segments {
                let paths = BackupPaths(root: "backup", name: "nightly")
                for kind in LogKind.allCases {
                    for log in segment.logs(kind).binlogs {
                        let from = MilvusPaths(root: "files")
                        let copied = job.backups.bytes(paths.binlogRoot + paths.relativePath(kind, log, of: segment))
                        #expect(copied == job.source.bytes(from.rootPrefix + from.relativePath(kind, log, of: segment)))
                    }
                }
            }
        }
        #expect(outcome.shares.map(\.agent.description) == ["local"])
        #expect(outcome.shares[0].done.bytes == backup.size && backup.size == job.backups.sizeOfLogs)
        #expect(job.milvus.calls(of: "Flush").count == 2)
    }

    @Test func theFilterLeavesTheRestAlone() async throws {
        let job = JobBench()
        let backup = try await job.backUp { $0.filter = try CollectionFilter(rules: "shop.*") }.result
        #expect(backup.collections.map(\.collectionName) == ["orders"] && backup.databases.map(\.name) == ["shop"])
        #expect(!job.backups.keys.contains { $0.contains("/1/10/") })
    }

    @Test func withoutDataOnlyTheMetadataIsWritten() async throws {
        let job = JobBench()
        let backup = try await job.backUp { $0.strategy = .metaOnly }.result
        #expect(backup.collections.count == 2 && backup.size == 0)
        #expect(job.backups.keys.allSatisfy { $0.contains("/meta/") || $0.hasSuffix("/manifest.zst") })
        #expect(job.milvus.calls(of: "Flush").isEmpty && job.milvus.calls(of: "GetPersistentSegmentInfo").isEmpty)
        #expect(try await job.metadata.delete("nightly") > 0)
    }

    @Test func withoutFlushingNothingIsFlushed() async throws {
        let job = JobBench()
        try await job.backUp { $0.strategy = .skipFlush }
        #expect(job.milvus.calls(of: "Flush").isEmpty)
        #expect(try await job.metadata.exists("nightly"))
    }

    @Test func aNameThatIsTakenIsRefusedBeforeAnything() async throws {
        let job = JobBench()
        job.backups.set("backup/nightly/leftover", [1])
        let error = await #expect(throws: BackupError.self) { try await job.backUp() }
        #expect(error?.code == .alreadyExists && error?.message == "backup with name nightly already exist")
        #expect(job.backups.keys == ["backup/nightly/leftover"])
        #expect(job.milvus.calls(of: "Flush").isEmpty)
        // Another one that begins the same way is no obstacle.
        try await job.backUp("night")
    }

    @Test func aMissingBucketIsMade() async throws {
        let job = JobBench(hasBackupBucket: false)
        try await job.backUp()
        #expect(job.bench.hasLogged("bucket created"))
        #expect(try await job.metadata.exists("nightly"))
    }

    @Test func aCopyThatIsMissingLeavesNoBackup() async throws {
        let job = JobBench()
        // An object that vanishes after it was written, whatever the worker reports.
        job.backups.faults.before = { call in
            if call.operation == .list, call.key.contains("/binlogs/") {
                try await job.backups.delete(["backup/nightly/binlogs/insert_log/1/10/101/101/0/7000"])
            }
        }
        let error = await #expect(throws: BackupError.self) { try await job.backUp() }
        #expect(error?.code == .corrupted && error?.message.contains("101/101/0/7000 is missing") == true)
        #expect(!job.backups.keys.contains { $0.contains("/meta/") })
        #expect(try await !job.metadata.exists("nightly"))
    }

    /// A store that keeps other bytes than it was given, and shows the ETag of those it was given.
    @Test(arguments: [nil, VerificationReport.Depth.quick, .deep])
    func whatRotsAtOnceIsFoundByReadingItBack(_ depth: VerificationReport.Depth?) async throws {
        let job = JobBench()
        let key = "backup/nightly/binlogs/insert_log/1/10/101/101/0/7000"
        job.backups.faults.before = { call in
            if call.operation == .get, call.key == key, let bytes = job.backups.bytes(key) {
                job.backups.set(key, [bytes[0] ^ 1] + bytes.dropFirst())
            }
        }
        guard depth == .deep else {
            try await job.backUp { $0.verification = depth }
            return
        }
        let error = await #expect(throws: BackupError.self) { try await job.backUp { $0.verification = depth } }
        #expect(error?.code == .corrupted && error?.message.contains(key) == true)
        #expect(try await !job.metadata.exists("nightly"))
        // Going on does not take it for done.
        job.backups.faults.before = { _ in }
        try await job.backUp {
            $0.resumes = true
            $0.verification = depth
        }
        #expect(job.backups.bytes(key) == job.source.bytes("files/insert_log/1/10/101/0/7000"))
    }

    @Test func anObjectThatCannotBeCopiedEndsTheBackupWithItsName() async throws {
        let job = JobBench()
        job.source.faults.before = { call in
            if call.operation == .get, call.key.hasSuffix("203/101/7101") {
                throw BackupError(.permissionDenied, "access denied")
            }
        }
        let error = await #expect(throws: BackupError.self) { try await job.backUp() }
        #expect(error?.message.contains("files/insert_log/2/20/203/101/7101") == true)
        #expect(error?.message.contains("access denied") == true)
        #expect(!job.backups.keys.contains { $0.contains("/meta/") })
    }

    @Test func aCompactionMeanwhileMakesASecondLookNecessary() async throws {
        let job = JobBench()
        let late = "insert_log/1/10/103/101/7101"
        try await job.source.delete(["files/\(late)"])
        for field in [0, 1, 100] { try await job.source.delete(["files/insert_log/1/10/103/\(field)/\(7000 + field)"]) }
        job.setTrouble { call, index in
            // The second time it is asked, the logs are there.
            if call.method == "GetPersistentSegmentInfo", index > 0 {
                for field in [0, 1, 100, 101] { job.put("insert_log/1/10/103/\(field)/\(7000 + field)", 9) }
            }
            return nil
        }
        let backup = try await job.backUp { $0.filter = try CollectionFilter(rules: "items") }.result
        #expect(backup.collections[0].partitions[0].segments.count == 3)
    }

    @Test func whatALostAgentHasBegunToUploadIsEnded() async throws {
        let job = JobBench()
        let agents = Task {
            let (lost, equipment) = try await job.joined(as: "lost")
            try await lost.send(.pull(Pull(shards: 1)))
            guard case .assignment(let assignment) = try await lost.receive() else { return }
            let key = assignment.shard.destinationKey(of: assignment.shard.tasks[0])
            _ = try await job.backups.createMultipartUpload(key)
            lost.close()
            let (heir, _) = try await job.joined(as: "heir")
            let limits = WorkerLimits(concurrency: 4)
            _ = await equipment.makeWorker(channel: heir, limits: limits, heartbeat: .seconds(5)).run()
        }
        let outcome = try await job.backUp(
            workforce: .init(listen: HostPort(host: "127.0.0.1", port: 0), minimumAgents: 1))
        try await agents.value
        #expect(outcome.shares.first { $0.agent.description == "lost" }?.losses == 1)
        #expect(try await job.backups.listMultipartUploads(prefix: "").isEmpty)
    }

    @Test func agentsDoTheCopyingWhereThereAreSome() async throws {
        let job = JobBench()
        let agent = Task {
            let (channel, equipment) = try await job.joined(as: "far")
            let limits = WorkerLimits(concurrency: 4)
            return await equipment.makeWorker(channel: channel, limits: limits, heartbeat: .seconds(5)).run()
        }
        let outcome = try await job.backUp(
            workforce: .init(listen: HostPort(host: "127.0.0.1", port: 0), minimumAgents: 1))
        #expect(try await agent.value.ending == .finished)
        #expect(outcome.shares.map(\.agent.description) == ["far"])
        #expect(outcome.shares[0].done.bytes == outcome.result.size)
        #expect(!(job.backups.keys + job.source.keys).contains { $0.contains("probe") })
    }

    @Test func cancellationEndsABackupThatWaitsForAgents() async throws {
        let job = JobBench()
        let running = Task {
            try await job.backUp(
                workforce: .init(listen: HostPort(host: "127.0.0.1", port: 0), minimumAgents: 1))
        }
        try await eventually { job.bench.hasLogged("waiting for agents") }
        running.cancel()
        let error = await #expect(throws: (any Error).self) { try await running.value }
        #expect(error.map { BackupError(wrapping: $0).code } == .canceled)
    }
}

extension MemoryObjectStore {
    fileprivate var sizeOfLogs: Int64 {
        keys.filter { $0.contains("/binlogs/") }.reduce(0) { $0 + Int64(bytes($1)?.count ?? 0) }
    }
}
