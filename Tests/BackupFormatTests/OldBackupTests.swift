import Support
import Testing

@testable import BackupFormat

/// What older versions wrote, and what Go's decoder takes.
@Suite struct OldBackupTests {
    /// v0.1: levels only, no database, no groups, no log ids, state and times.
    @Test func theFirstVersionIsRead() throws {
        let read = try MetadataReader.readLevels(
            backup: source(
                #"""
                {"id":"0a","state_code":2,"start_time":1677000000000,"end_time":1677000009000,"progress":100,
                "name":"old","backup_timestamp":1677000000000,"size":30,"milvus_version":"v2.2.3"}
                """#),
            collections: source(
                #"""
                {"infos":[{"state_code":2,"progress":100,"collection_id":1,"collection_name":"c",
                "schema":{"name":"c","fields":[
                {"fieldID":100,"name":"pk","is_primary_key":true,"data_type":5,"state":0}]},"shards_num":2,
                "backup_timestamp":439700000000000001,"size":30,"has_index":false}]}
                """#),
            partitions: source(
                #"{"infos":[{"partition_id":2,"partition_name":"_default","collection_id":1,"size":30}]}"#),
            segments: source(
                #"""
                {"infos":[{"segment_id":3,"collection_id":1,"partition_id":2,"num_of_rows":5,"binlogs":[
                {"fieldID":100,"binlogs":[{"log_path":"files/insert_log/1/2/3/100/439700000000000007","log_size":10},
                {"log_path":"files/insert_log/1/2/3/100/8","log_size":11}]}],
                "statslogs":[{"fieldID":100,"binlogs":[{"log_path":"files/stats_log/1/2/3/100/9"}]}],
                "deltalogs":[{"fieldID":439700000000000010,"binlogs":[
                {"log_path":"files/delta_log/1/2/3/439700000000000010","log_size":4}]},
                {"fieldID":11,"binlogs":[{"log_path":"files/delta_log/1/2/3/11","log_size":5}]}],"size":30}]}
                """#))
        #expect(read.name == "old" && read.backupTimestamp == 1_677_000_000_000 && read.size == 30)
        let collection = try #require(read.collections.first)
        #expect(collection.id.isEmpty && collection.databaseName.isEmpty)
        #expect(collection.qualifiedName == CollectionName(database: "default", collection: "c"))
        let segment = try #require(collection.partitions.first?.segments.first)
        #expect(segment.groupID == 0 && !segment.isL0 && segment.virtualChannel.isEmpty && segment.storageVersion == 0)
        #expect(segment.insertLogs.binlogs.map(\.logID) == [439_700_000_000_000_007, 8])
        #expect(segment.deltaLogs.binlogs.map(\.logID) == [439_700_000_000_000_010, 11])
        #expect(segment.deltaLogs.binlogs.map(\.size) == [4, 5])
        // Its data lies without a level for groups.
        let paths = BackupPaths(root: "backup", name: "old")
        #expect(paths.segmentPrefix(.insert, of: segment) == "backup/old/binlogs/insert_log/1/2/3/")
    }

    @Test func groupsThatSegmentsShareAreKept() throws {
        let read = try MetadataReader.readFull(
            source(
                #"""
                {"collection_backups":[{"partition_backups":[{"partition_id":2,"segment_backups":[
                {"segment_id":3,"collection_id":1,"partition_id":2,"group_id":1},
                {"segment_id":4,"collection_id":1,"partition_id":2,"group_id":1},
                {"segment_id":5,"collection_id":1,"partition_id":2,"group_id":2}]}]}]}
                """#))
        let segments = read.collections[0].partitions[0].segments
        #expect(segments.map(\.groupID) == [1, 1, 2])
        let paths = BackupPaths(root: "", name: "b")
        #expect(
            segments.map { paths.segmentPrefix(.delta, of: $0) } == [
                "b/binlogs/delta_log/1/2/1/3/", "b/binlogs/delta_log/1/2/1/4/", "b/binlogs/delta_log/1/2/2/5/",
            ])
    }

    /// v0.4.30 repeats partitions, segments and level-0 segments in the collections' file.
    @Test func whatTheCollectionFileRepeatsIsNotCountedTwice() throws {
        let read = try MetadataReader.readLevels(
            backup: source(#"{"name":"b"}"#),
            collections: source(
                #"""
                {"infos":[{"collection_id":1,"partition_backups":[{"partition_id":2,"collection_id":1,
                "segment_backups":[
                {"segment_id":3,"collection_id":1,"partition_id":2,"size":5,"backuped":true}],"size":5}],
                "l0_segments":[{"segment_id":4,"collection_id":1,"partition_id":-1,"size":2,"is_l0":true}],"size":7}]}
                """#),
            partitions: source(#"{"infos":[{"partition_id":2,"collection_id":1,"size":5}]}"#),
            segments: source(
                #"{"infos":[{"segment_id":3,"collection_id":1,"partition_id":2,"size":5,"backuped":true}]}"#))
        #expect(read.collections[0].partitions.count == 1)
        #expect(read.collections[0].partitions[0].segments.map(\.segmentID) == [3])
        #expect(read.collections[0].l0Segments.map(\.segmentID) == [4])
        #expect(read.collections[0].size == 7 && read.size == 7)
    }

    private static let logs: [(String, FieldBinlogs)] = [
        ("[{}]", .emptyField), ("[]", FieldBinlogs()), ("null", FieldBinlogs()), ("[null]", .emptyField),
        (#"[{"binlogs":null}]"#, .emptyField), (#"[{"fieldID":0,"binlogs":[]}]"#, .emptyField),
        (#"[{"binlogs":[null]}]"#, FieldBinlogs([Binlog(logID: 0, size: 0)])),
        // The id of the log itself goes before the one in the path, whatever their order.
        (#"[{"binlogs":[{"log_id":5,"log_path":"a/6"}]}]"#, FieldBinlogs([Binlog(logID: 5, size: 0)])),
        (#"[{"binlogs":[{"log_path":"a/6","log_id":5}]}]"#, FieldBinlogs([Binlog(logID: 5, size: 0)])),
        (#"[{"binlogs":[{"log_path":"6"}]}]"#, FieldBinlogs([Binlog(logID: 6, size: 0)])),
        (#"[{"binlogs":[{"log_path":"a/6x"}]}]"#, FieldBinlogs([Binlog(logID: 0, size: 0)])),
        (
            #"[{"binlogs":[{"entries_num":3,"timestamp_from":1,"timestamp_to":2,"log_id":5,"log_size":4}]}]"#,
            FieldBinlogs([Binlog(logID: 5, size: 4)])
        ),
        // The field may be named after its logs.
        (
            #"[{"binlogs":[{"log_id":5}],"fieldID":7},{"fieldID":8}]"#,
            {
                var logs = FieldBinlogs([Binlog(fieldID: 7, logID: 5, size: 0)])
                logs.appendEmptyField(8)
                return logs
            }()
        ),
    ]

    @Test(arguments: logs)
    func listsOfLogsAreReadInAllTheirForms(text: String, expected: FieldBinlogs) throws {
        let read = try MetadataReader.readFull(
            source(#"{"collection_backups":[{"l0_segments":[{"deltalogs":\#(text)}]}]}"#))
        #expect(read.collections[0].l0Segments[0].deltaLogs == expected)
    }

    @Test func anythingUnknownNullOrInAnotherCaseIsTaken() throws {
        let read = try MetadataReader.readFull(
            source(
                #"""
                {"ID":"a","Name":"b","future":{"x":[1.5,{"y":null}]},"state_code":"whatever","rbac_meta":null,"Size":3,
                "collection_backups":[null,{"Collection_Name":"c","schema":null,"partition_backups":null,
                "channel_cp":[1,2],"load_state":null,"aliases":["x",null],"channel_checkpoints":null,
                "schema":{"FIELDS":[{"fieldid":7,"default_value":{"Data":{"x":1}}}]}}]}
                """#))
        #expect(read.id == "a" && read.name == "b" && read.size == 3 && read.rbac == nil)
        #expect(read.collections.count == 2)
        #expect(read.collections[0] == CollectionBackup())
        #expect(read.collections[1].collectionName == "c")
        #expect(read.collections[1].aliases == ["x", ""])
        #expect(read.collections[1].schema.fields.map(\.fieldID) == [7])
    }

    @Test func defaultValuesOfBothKindsAreRead() throws {
        let read = try MetadataReader.readFull(
            source(
                #"""
                {"collection_backups":[{"schema":{"fields":[{"default_value_proto":"2\u0002hi"},
                {"default_value_base64":"MgJoaQ=="}]}}]}
                """#))
        let fields = read.collections[0].schema.fields
        #expect(Array(fields[0].defaultValueProto.utf8) == [0x32, 0x02, 0x68, 0x69])
        #expect(fields[1].defaultValueBase64 == "MgJoaQ==")
    }

    @Test func anUnknownFormatIsToldApart() throws {
        for (text, isKnown) in [(#"{}"#, true), (#"{"format":"snapshot"}"#, true), (#"{"format":"tape"}"#, false)] {
            #expect(try MetadataReader.readFull(source(text)).format.isKnown == isKnown)
        }
    }
}
