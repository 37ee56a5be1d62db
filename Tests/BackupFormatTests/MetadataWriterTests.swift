import JSON
import Support
import Testing

@testable import BackupFormat

@Suite struct MetadataWriterTests {
    private func text(_ file: MetadataFile, _ backup: BackupInfo, root: String = "files") throws -> String {
        String(decoding: try MetadataWriter(milvusRoot: root).bytes(file, of: backup), as: UTF8.self)
    }

    @Test func theBackupFileIsTheOriginals() throws {
        #expect(try text(.backup, Sample.backup) == Golden.backup)
    }

    @Test func theCollectionFileIsTheOriginals() throws {
        #expect(try text(.collections, Sample.backup) == Golden.collections)
    }

    @Test func thePartitionFileIsTheOriginals() throws {
        #expect(try text(.partitions, Sample.backup) == Golden.partitions)
    }

    @Test func theSegmentFileIsTheOriginals() throws {
        #expect(try text(.segments, Sample.backup) == Golden.segmentFile)
    }

    @Test func theFullFileIsTheOriginals() throws {
        #expect(try text(.full, Sample.backup) == Golden.full)
    }

    @Test func anEmptyBackupKeepsTheKeysThatAreAlwaysThere() throws {
        let backup = BackupInfo()
        #expect(try text(.full, backup) == #"{"state_code":0,"size":0}"#)
        #expect(try text(.backup, backup) == #"{"state_code":0,"size":0}"#)
        for file in [MetadataFile.collections, .partitions, .segments] {
            #expect(try text(file, backup) == "{}")
        }
    }

    @Test func emptyObjectsKeepTheKeysThatAreAlwaysThere() throws {
        var collection = CollectionBackup()
        collection.partitions = [PartitionBackup()]
        collection.partitions[0].segments = [SegmentBackup()]
        collection.partitions[0].segments[0].insertLogs = FieldBinlogs([Binlog(logID: 0, size: 0)])
        var backup = BackupInfo()
        backup.collections = [collection]
        backup.rbac = RBACMetadata()
        backup.rpcChannel = RPCChannelInfo()
        backup.databases = [DatabaseBackup()]
        #expect(
            try text(.full, backup)
                == compact(
                    #"""
                    {"state_code":0,"collection_backups":[{"partition_backups":[{"segment_backups":[
                    {"binlogs":[{"binlogs":[{"log_path":"files/insert_log/0/0/0/0/0","log_size":0}]}],"size":0}],
                    "size":0}],"size":0,"has_index":false}],
                    "size":0,"rbac_meta":{},"rpc_channel_info":{},"database_backups":[{}]}
                    """#))
    }

    @Test func logsOfTheSameFieldStandTogether() throws {
        var segment = SegmentBackup(segmentID: 3, collectionID: 1, partitionID: 2)
        segment.insertLogs.append(Binlog(fieldID: 100, logID: 5, size: 1))
        segment.insertLogs.append(Binlog(fieldID: 100, logID: 6, size: 2))
        segment.insertLogs.appendEmptyField(100)
        segment.insertLogs.appendEmptyField(0)
        segment.insertLogs.append(Binlog(fieldID: 0, logID: 7, size: 3))
        var backup = BackupInfo()
        backup.collections = [CollectionBackup()]
        backup.collections[0].partitions = [PartitionBackup()]
        backup.collections[0].partitions[0].segments = [segment]
        #expect(
            try text(.segments, backup, root: "")
                == compact(
                    #"""
                    {"infos":[{"segment_id":3,"collection_id":1,"partition_id":2,"binlogs":[
                    {"fieldID":100,"binlogs":[{"log_path":"insert_log/1/2/3/100/5","log_size":1,"log_id":5},
                    {"log_path":"insert_log/1/2/3/100/6","log_size":2,"log_id":6}]},
                    {"fieldID":100},{},
                    {"binlogs":[{"log_path":"insert_log/1/2/3/0/7","log_size":3,"log_id":7}]}],"size":0}]}
                    """#))
        #expect(segment.insertLogs.binlogs.map(\.logID) == [5, 6, 7])
    }

    @Test(arguments: [
        ("", "insert_log/"), ("files", "files/insert_log/"), ("files/", "files/insert_log/"),
        ("a//b/./c/", "a/b/c/insert_log/"), ("<é>", #"\u003cé\u003e/insert_log/"#), ("a\"b", #"a\"b/insert_log/"#),
    ])
    func logPathsBeginWithMilvusRoot(root: String, prefix: String) throws {
        let file = try text(.segments, Sample.backup, root: root)
        #expect(file.contains(#""log_path":"\#(prefix)449577001/449577002/449577100/100/9223372036854775807""#))
    }

    @Test func aSnapshotIsMarkedInBothFilesAndHasFewer() throws {
        var backup = BackupInfo(id: "a", name: "b")
        backup.format = .snapshot
        var collection = CollectionBackup(collectionID: 1, databaseName: "default", collectionName: "c")
        var snapshot = SnapshotBackup()
        snapshot.metadataPath = "bundle/snapshots/1/metadata/2.json"
        snapshot.totalFiles = 4
        snapshot.totalBytes = 5
        collection.snapshot = snapshot
        backup.collections = [collection]
        #expect(try text(.backup, backup) == #"{"id":"a","state_code":0,"name":"b","size":0,"format":"snapshot"}"#)
        #expect(
            try text(.full, backup)
                == compact(
                    #"""
                    {"id":"a","state_code":0,"name":"b","collection_backups":[{"collection_id":1,"db_name":"default",
                    "collection_name":"c","size":0,"has_index":false,"snapshot_backup":
                    {"metadata_path":"bundle/snapshots/1/metadata/2.json","total_files":4,"total_bytes":5}}],
                    "size":0,"format":"snapshot"}
                    """#))
        #expect(MetadataFile.writeOrder(for: .snapshot) == [.collections, .full, .backup])
    }

    @Test func theRootIsWrittenLast() {
        // Restore looks for it: nothing can be restored before all is there.
        #expect(MetadataFile.writeOrder(for: .binlog) == [.collections, .partitions, .segments, .full, .backup])
    }

    @Test func largeFilesComeInPieces() throws {
        var backup = BackupInfo(id: "a", name: "b")
        backup.collections = (1...2_000).map {
            CollectionBackup(collectionID: $0, databaseName: "default", collectionName: "collection_\($0)")
        }
        var pieces: [[UInt8]] = []
        let writer = MetadataWriter(milvusRoot: "files")
        try writer.write(.full, of: backup) { pieces.append($0) }
        #expect(pieces.count > 2 && pieces.allSatisfy { $0.count < 70_000 })
        #expect(Array(pieces.joined()) == (try writer.bytes(.full, of: backup)))
        #expect(try writer.byteCount(.full, of: backup) == Int64(pieces.joined().count))
    }

    @Test func anErrorOfTheSinkComesThrough() {
        let failure = #expect(throws: BackupError.self) {
            try MetadataWriter(milvusRoot: "files").write(.full, of: Sample.backup) { _ in
                throw BackupError(.unavailable, "gone")
            }
        }
        #expect(failure?.code == .unavailable)
    }
}

@Suite struct BackupBriefTests {
    @Test func aFinishedTaskShowsTheMetadata() throws {
        var brief = BackupBrief(backup: Sample.backup, metadataSize: 9120)
        brief.id = "5b0c"
        brief.stateCode = 2
        brief.startTime = 1_728_000_000
        brief.endTime = 1_728_000_031
        brief.progress = 100
        brief.name = "other"
        #expect(String(decoding: try brief.bytes(layout: .compact), as: UTF8.self) == Golden.brief)
    }

    @Test func aRunningTaskShowsItself() throws {
        var brief = BackupBrief()
        brief.id = "0d5f"
        brief.stateCode = 1
        brief.startTime = 1_728_000_000
        brief.progress = 37
        brief.name = "b1"
        #expect(
            String(decoding: try brief.bytes(layout: .compact), as: UTF8.self)
                == compact(
                    #"""
                    {"id":"0d5f","state_code":1,"start_time":1728000000,"progress":37,
                    "name":"b1","size":0,"meta_size":0}
                    """#))
        #expect(
            String(decoding: try BackupBrief().bytes(layout: .indented), as: UTF8.self) == """
                {
                    "state_code": 0,
                    "progress": 0,
                    "size": 0,
                    "meta_size": 0
                }
                """)
    }

    @Test func theFormatIsShownWhenItIsNotTheUsualOne() throws {
        var backup = BackupInfo(id: "a", name: "b")
        backup.format = .snapshot
        let text = String(
            decoding: try BackupBrief(backup: backup, metadataSize: 3).bytes(layout: .compact), as: UTF8.self)
        #expect(
            text == #"{"state_code":0,"progress":0,"name":"b","size":0,"meta_size":3,"format":"snapshot"}"#)
    }

    @Test func aListShowsFourThings() throws {
        let text = try JSONWriter.bytes { writer in
            try writer.array([Sample.backup, BackupInfo()]) { try $1.writeSummary(to: &$0) }
        }
        #expect(
            String(decoding: text, as: UTF8.self)
                == #"[{"id":"5b0c","name":"nightly","size":4196,"milvus_version":"v2.6.11"},{"size":0}]"#)
    }
}
