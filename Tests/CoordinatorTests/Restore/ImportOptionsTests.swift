import BackupFormat
import Support
import Synchronization
import Testing

@testable import Coordinator
@testable import MilvusClient

/// `truncateBinlogByTs` and `ezkMapping`: what Milvus is asked, which is a fake here. Milvus 2.3, the one that tests can run,
/// has neither.
@Suite(.timeLimit(.minutes(1))) struct ImportOptionsTests {
    private func segment(_ id: Int64, _ channel: String, group: Int64? = nil, isL0: Bool = false) -> SegmentBackup {
        var segment = SegmentBackup.sample(id, group: group ?? id, isL0: isL0)
        segment.virtualChannel = channel
        return segment
    }

    private func checkpoint(_ timestamp: UInt64) -> String {
        var position = Milvus.MessagePosition()
        position.channel = "by-dev-rootcoord-dml_0"
        position.messageID = [1, 2, 3]
        position.timestamp = timestamp
        return base64Encoded(position.serialized())
    }

    private func plan(_ segments: [SegmentBackup], _ checkpoints: [String: String]) throws -> ImportPlan {
        var plan = try ImportPlan(.sample(segments: [10: segments]))
        try plan.truncate(at: checkpoints)
        return plan
    }

    @Test func everySegmentIsCutAtTheCheckpointOfItsChannel() throws {
        let segments = [segment(1, "a"), segment(2, "b"), segment(3, "a"), segment(4, "b", isL0: true)]
        let plan = try plan(segments, ["a": checkpoint(111), "b": checkpoint(222)])
        #expect(plan.rows.map(\.options.endTimestamp) == [111, 222, 111])
        #expect(plan.partitionDeletions.map(\.options.endTimestamp) == [222])
        let paths = BackupPaths(root: "", name: "t")
        let single = plan.rows[1].request(collection: "c", in: paths)
        #expect(single.options.contains(Milvus.KeyValuePair("end_ts", "222")))
        let jobs = plan.batches(maximumSegments: 9, maximumDeletions: 9).flatMap { $0 }
            .map { $0.request(target: CollectionName(database: "d", collection: "c"), in: paths) }
        #expect(jobs.map(\.options["end_ts"]) == ["111", "222", "222"])
        #expect(jobs.map(\.files.count) == [2, 1, 1])
    }

    @Test func whatABackupMustTellForIt() {
        func message(_ segments: [SegmentBackup], _ checkpoints: [String: String]) -> String? {
            #expect(throws: BackupError.self) { try plan(segments, checkpoints) }?.message
        }
        #expect(message([segment(1, "")], [:]) == "restore_collection: empty vch but truncate binlog by ts is set")
        #expect(message([segment(1, "a")], [:]) == "restore_collection: failed to get vch a checkpoint")
        #expect(message([segment(1, "a")], ["a": "%"]) == "the checkpoint of channel a cannot be read")
        #expect(
            message([segment(1, "a", group: 0)], ["a": checkpoint(1)])
                == "restore: truncate binlog by ts is not supported if group id is not set in backup")
        // Old backups have groups of segments of any channel.
        let shared = [segment(1, "a", group: 1), segment(2, "b", group: 1)]
        #expect(message(shared, ["a": checkpoint(1), "b": checkpoint(2)])?.contains("empty vch") == true)
    }

    // MARK: Whole restores

    private func options(_ job: JobBench) throws -> [[String: String]] {
        try job.milvus.requests(Milvus.ImportRequest.self).map { request in
            Dictionary(request.options.map { ($0.key, $0.value) }) { first, _ in first }
        }
    }

    @Test func theTimestampReachesMilvusFrom24On() async throws {
        let job = JobBench()
        try await job.backUp()
        var backup = try await job.metadata.read("nightly", options: .everything)
        for collection in backup.collections.indices {
            backup.collections[collection].channelCheckpoints = ["ch": checkpoint(4711)]
            for partition in backup.collections[collection].partitions.indices {
                for index in backup.collections[collection].partitions[partition].segments.indices {
                    backup.collections[collection].partitions[partition].segments[index].virtualChannel = "ch"
                }
            }
        }
        try await job.metadata.write(backup, milvusRoot: "files")
        func restore() async throws {
            try await job.restore {
                $0.truncatesAtCheckpoints = true
                $0.mapper = try NameMapper(suffix: "_bak")
            }
        }
        job.forgetCalls()
        let error = await #expect(throws: BackupError.self) { try await restore() }
        #expect(error?.message == "truncateBinlogByTs needs Milvus 2.4 or later, this is v2.3.5")
        #expect(job.milvus.calls(of: "CreateCollection").isEmpty)
        job.milvus.state.withLock { $0.version = "v2.4.15" }
        try await restore()
        let found = try options(job)
        #expect(found.count == 6 && found.allSatisfy { $0["end_ts"] == "4711" && $0["ezk"] == nil })
    }

    @Test func theKeyOfAnEncryptedDatabaseIsRecordedAndExchanged() async throws {
        let job = JobBench()
        job.milvus.state.withLock { state in
            state.version = "v2.6.12"
            state.trouble = { call, _ in
                guard call.method == "DescribeDatabase", call.database == "shop" else { return nil }
                var response = Milvus.DescribeDatabaseResponse()
                response.properties = [Milvus.KeyValuePair("cipher.ezID", "7"), Milvus.KeyValuePair("cipher.key", "k")]
                return .answer(response.serialized())
            }
            state.management = { url in
                url.hasSuffix("/management/rootcoord/ez/backup?db_name=shop") ? #"{"msg":"OK","ezk":"old"}"# : nil
            }
        }
        let outcome = try await job.backUp { $0.strategy = .skipFlush }
        #expect(outcome.result.databases.map(\.encryptionZoneKey) == ["", "old"])
        job.forgetCalls()
        try await job.restore {
            $0.mapper = try NameMapper(suffix: "_bak")
            $0.encryptionZoneKeys = ["old": "new"]
        }
        #expect(try options(job).compactMap { $0["ezk"] } == ["new", "new", "new"])
        job.forgetCalls()
        try await job.restore { $0.mapper = try NameMapper(suffix: "_again") }
        #expect(try options(job).compactMap { $0["ezk"] } == ["old", "old", "old"])
    }

    @Test func aKeyThatIsNotToldEndsTheBackup() async throws {
        let job = JobBench()
        job.milvus.state.withLock { state in
            state.version = "v2.6.12"
            state.trouble = { call, _ in
                guard call.method == "DescribeDatabase" else { return nil }
                var response = Milvus.DescribeDatabaseResponse()
                response.properties = [Milvus.KeyValuePair("cipher.ezID", "7"), Milvus.KeyValuePair("cipher.key", "k")]
                return .answer(response.serialized())
            }
            state.management = { _ in #"{"msg":"no cipher plugin"}"# }
        }
        let error = await #expect(throws: BackupError.self) { try await job.backUp { $0.strategy = .skipFlush } }
        #expect(error?.message.hasSuffix(": no cipher plugin") == true, "\(String(describing: error))")
    }
}
