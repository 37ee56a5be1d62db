import BackupFormat
import MilvusClient
import ObjectStorageTesting
import Support
import Testing

@testable import Coordinator

/// Backups of older versions, written here by hand, into a Milvus in memory: what is imported, and what is made.
@Suite(.timeLimit(.minutes(1))) struct OldBackupRestoreTests {
    private let job = JobBench()

    /// Puts the files and logs of a backup called `old` into the store.
    private func put(meta: [String: String], logs: [String: Int]) {
        for (file, text) in meta { job.backups.set("backup/old/meta/\(file)", Array(text.utf8)) }
        for (key, size) in logs {
            job.backups.set("backup/old/binlogs/\(key)", [UInt8](repeating: 7, count: size))
        }
    }

    private func restored() async throws -> [Milvus.ImportRequest] {
        try await job.restore("old") { $0.mapper = try NameMapper(suffix: "_bak") }
        return try job.milvus.requests(Milvus.ImportRequest.self)
    }

    /// The directories below `binlogs/` that an import names.
    private func directories(_ request: Milvus.ImportRequest) -> [String] {
        request.files.map { file in
            guard let range = file.firstRange(of: "/binlogs/") else { return file }
            return String(file[range.upperBound...])
        }
    }

    private func segment(_ id: Int, group: Int? = nil, deletion: Int? = nil) -> String {
        let groupID = group.map { #""group_id":\#($0),"# } ?? ""
        let deltas = deletion.map {
            #"{"fieldID":\#($0),"binlogs":[{"log_path":"files/delta_log/1/2/\#(id)/\#($0)","log_size":4}]}"#
        }
        return #"""
            {"segment_id":\#(id),"collection_id":1,"partition_id":2,"num_of_rows":5,\#(groupID)"backuped":true,"binlogs":[
            {"binlogs":[{"log_path":"files/insert_log/1/2/\#(id)/0/7","log_size":10}]},
            {"fieldID":100,"binlogs":[{"log_path":"files/insert_log/1/2/\#(id)/100/8","log_size":11}]}],
            "statslogs":[{"fieldID":100,"binlogs":[{"log_path":"files/stats_log/1/2/\#(id)/100/9"}]}],
            "deltalogs":[\#(deltas ?? "")],"size":25}
            """#
    }

    private let fields = #"""
        [{"fieldID":100,"name":"pk","is_primary_key":true,"data_type":5,"state":0},
        {"fieldID":101,"name":"note","data_type":21,"default_value_proto":"2\u0002hi"},
        {"fieldID":102,"name":"small","data_type":5,"default_value_proto":"\u0018\u0005"},
        {"fieldID":103,"name":"lost","data_type":5,"default_value_proto":"\u0018\ufffd\u0002"},
        {"fieldID":104,"name":"odd","data_type":21,"default_value_proto":"2\u0003\ufffd"}]
        """#

    // MARK: No groups, level files alone (v0.1 to v0.3)

    private func putTheFirstVersion() {
        put(
            meta: [
                "backup_meta.json": #"""
                {"id":"0a","state_code":2,"start_time":1677000000000,"end_time":1677000009000,"progress":100,
                "name":"old","backup_timestamp":1677000000000,"size":50,"milvus_version":"v2.2.3"}
                """#,
                "collection_meta.json": #"""
                {"infos":[{"state_code":2,"progress":100,"collection_id":1,"collection_name":"things",
                "schema":{"name":"things","fields":\#(fields)},"shards_num":2,"backup_timestamp":439700000000000001,
                "size":50,"has_index":false}]}
                """#,
                "partition_meta.json":
                    #"{"infos":[{"partition_id":2,"partition_name":"_default","collection_id":1,"size":50}]}"#,
                "segment_meta.json": #"{"infos":[\#(segment(3, deletion: 12)),\#(segment(4))]}"#,
            ],
            logs: [
                "insert_log/1/2/3/0/7": 10, "insert_log/1/2/3/100/8": 11, "delta_log/1/2/3/12": 4,
                "insert_log/1/2/4/0/7": 10, "insert_log/1/2/4/100/8": 11,
            ])
    }

    @Test func aPartitionWithoutGroupsIsOneImport() async throws {
        putTheFirstVersion()
        let imports = try await restored()
        #expect(imports.map(directories) == [["insert_log/1/2/", "delta_log/1/2/"]])
        #expect(imports.map(\.partition) == ["_default"] && job.collections("default").contains("things_bak"))
        // The timestamp of the backup would make these servers leave rows out.
        #expect(imports[0].options.map(\.key).sorted() == ["backup", "skip_disk_quota_check"])
    }

    @Test func whatIsMissingOfItIsDamage() async throws {
        putTheFirstVersion()
        try await job.backups.delete(["backup/old/binlogs/delta_log/1/2/3/12"])
        let error = await #expect(throws: BackupError.self) { try await restored() }
        #expect(error?.code == .corrupted && error?.message.contains("delta_log/1/2/3/12 is missing") == true)
        #expect(job.milvus.calls(of: "CreateCollection").isEmpty)
    }

    /// Raw bytes in a JSON string: whatever was no UTF-8 is gone, and a wrong default is worse than none.
    @Test func defaultValuesComeBackUnlessTheyAreDamaged() async throws {
        putTheFirstVersion()
        _ = try await restored()
        let request = try #require(try job.milvus.requests(Milvus.CreateCollectionRequest.self).first)
        let defaults = try Milvus.CollectionSchema(serialized: request.schema).fields.map(\.defaultValue)
        #expect(
            defaults == [
                nil, [0x32, 0x02, 0x68, 0x69], [0x18, 0x05], nil, [0x32, 0x03, 0xef, 0xbf, 0xbd],
            ])
        #expect(job.bench.hasLogged("default value") && job.bench.hasLogged("lost"))
    }

    // MARK: Groups that segments share (v0.4.0 to v0.4.3)

    @Test func aSharedGroupIsImportedOnce() async throws {
        let logs = [(3, 1), (4, 1), (5, 2)].flatMap { segment, group in
            [("insert_log/1/2/\(group)/\(segment)/0/7", 10), ("insert_log/1/2/\(group)/\(segment)/100/8", 11)]
        }
        let segments = [segment(3, group: 1), segment(4, group: 1), segment(5, group: 2)].joined(separator: ",")
        put(
            meta: [
                "backup_meta.json": #"{"state_code":2,"name":"old","size":75}"#,
                "full_meta.json": #"""
                {"state_code":2,"name":"old","size":75,"collection_backups":[{"collection_id":1,"db_name":"default",
                "collection_name":"things","schema":{"name":"things","fields":\#(fields)},"partition_backups":[
                {"partition_id":2,"partition_name":"_default","collection_id":1,"segment_backups":[\#(segments)]}]}]}
                """#,
            ], logs: Dictionary(uniqueKeysWithValues: logs))
        let imports = try await restored()
        #expect(
            Set(imports.map(directories)) == [["insert_log/1/2/1/", ""], ["insert_log/1/2/2/", ""]]
                && imports.count == 2)
    }
}
