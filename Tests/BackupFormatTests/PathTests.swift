import Support
import Testing

@testable import BackupFormat

@Suite struct PathTests {
    private static let cleaned: [(String, String)] = [
        ("", ""), ("a", "a"), ("a/", "a"), ("a//b", "a/b"), ("./a/./b/.", "a/b"), ("a/../b", "b"),
        ("a/b/../../..", ".."),
        ("../a", "../a"), ("/", "/"), ("/a/", "/a"), ("//a", "/a"), ("/../a", "/a"), (".", ""), ("a/..", ""),
        ("a b/é", "a b/é"),
    ]

    @Test(arguments: cleaned)
    func pathsAreCleanedAsInGo(path: String, expected: String) {
        #expect(cleanPath(path) == expected)
    }

    @Test func emptyElementsAreLeftOutOfAJoin() {
        #expect(joinPath("", "a") == "a")
        #expect(joinPath("a", "", "b/") == "a/b")
        #expect(joinPath("", "") == "")
        #expect(joinPath("/a", "b") == "/a/b")
    }

    private static let roots: [(String, String, String)] = [
        ("", "", "nightly/"), ("backup", "backup/", "backup/nightly/"), ("backup/", "backup/", "backup/nightly/"),
        ("a//b/./c", "a/b/c/", "a/b/c/nightly/"), (".", "", "nightly/"), ("/", "/", "/nightly/"),
    ]

    @Test(arguments: roots)
    func aBackupIsADirectoryBelowTheRoot(root: String, prefix: String, directory: String) {
        let paths = BackupPaths(root: root, name: "nightly")
        #expect(BackupPaths.rootDirectory(root) == prefix)
        #expect(paths.directory == directory)
        #expect(paths.metadata(.full) == directory + "meta/full_meta.json")
        #expect(paths.metadataDirectory == directory + "meta/")
        #expect(paths.binlogRoot == directory + "binlogs/")
        #expect(paths.bundleDirectory == directory + "bundle/")
    }

    @Test func theMetadataFilesHaveTheirNames() {
        #expect(
            MetadataFile.allCases.map(\.name).sorted() == [
                "backup_meta.json", "collection_meta.json", "full_meta.json", "partition_meta.json",
                "segment_meta.json",
            ])
    }

    /// A reader of any version lists prefixes to see what is there.
    @Test func ourFilesAreInNobodysWay() {
        let paths = BackupPaths(root: "backup", name: "nightly")
        let own = [paths.claim, paths.manifest, paths.journal("0001.zst"), paths.journalPrefix]
        for key in own {
            #expect(key.hasPrefix(paths.directory))
            let name = key.dropFirst(paths.directory.count)
            #expect(!name.contains("/"))
            for reserved in [paths.metadataDirectory, paths.binlogRoot, paths.bundleDirectory] {
                #expect(!key.hasPrefix(reserved))
            }
            for file in MetadataFile.allCases { #expect(!name.hasPrefix(file.name)) }
        }
        #expect(Set(own).count == own.count)
    }

    private static let segments: [(SegmentBackup, insert: String, delta: String)] = {
        func segment(_ partitionID: Int64, _ groupID: Int64) -> SegmentBackup {
            var segment = SegmentBackup(segmentID: 30, collectionID: 1, partitionID: partitionID)
            segment.groupID = groupID
            return segment
        }
        return [
            (segment(2, 30), "insert_log/1/2/30/30/", "delta_log/1/2/30/30/"),
            (segment(2, 7), "insert_log/1/2/7/30/", "delta_log/1/2/7/30/"),
            (segment(2, 0), "insert_log/1/2/30/", "delta_log/1/2/30/"),
            (segment(-1, 0), "insert_log/1/-1/30/", "delta_log/1/-1/30/"),
            (segment(-1, 30), "insert_log/1/-1/30/", "delta_log/1/-1/30/"),
        ]
    }()

    @Test(arguments: segments)
    func segmentsLieInTheirGroup(segment: SegmentBackup, insert: String, delta: String) {
        let paths = BackupPaths(root: "backup", name: "b")
        #expect(paths.segmentPrefix(.insert, of: segment) == "backup/b/binlogs/\(insert)")
        #expect(paths.segmentPrefix(.delta, of: segment) == "backup/b/binlogs/\(delta)")
    }

    @Test func logsAreCopiedFromOneTreeIntoTheOther() {
        let milvus = MilvusPaths(root: "files/")
        #expect(milvus.rootPrefix == "files/")
        #expect(milvus.collectionPrefix(.insert, collectionID: 1) == "files/insert_log/1/")
        #expect(milvus.partitionPrefix(.delta, collectionID: 1, partitionID: -1) == "files/delta_log/1/-1/")
        let backup = BackupPaths(root: "", name: "b")
        #expect(backup.binlogRoot == "b/binlogs/")
        #expect(backup.collectionPrefix(.delta, collectionID: 1) == "b/binlogs/delta_log/1/")

        var segment = SegmentBackup(segmentID: 3, collectionID: 1, partitionID: 2)
        segment.groupID = 9
        let log = Binlog(fieldID: 4, logID: 5, size: 6)
        #expect(milvus.segmentPrefix(.insert, of: segment) == "files/insert_log/1/2/3/")
        #expect(milvus.relativePath(.insert, log, of: segment) == "insert_log/1/2/3/4/5")
        #expect(milvus.relativePath(.delta, log, of: segment) == "delta_log/1/2/3/5")
        #expect(backup.relativePath(.insert, log, of: segment) == "insert_log/1/2/9/3/4/5")
        #expect(backup.relativePath(.delta, log, of: segment) == "delta_log/1/2/9/3/5")
        segment.groupID = 0
        #expect(backup.relativePath(.insert, log, of: segment) == "insert_log/1/2/3/4/5")
        segment.partitionID = SegmentBackup.allPartitions
        segment.groupID = 9
        #expect(milvus.relativePath(.delta, log, of: segment) == "delta_log/1/-1/3/5")
        #expect(backup.relativePath(.delta, log, of: segment) == "delta_log/1/-1/3/5")
    }

    @Test func importsNameDirectories() {
        let paths = BackupPaths(root: "backup", name: "b")
        func directory(_ kind: LogKind, _ groupID: Int64) -> String {
            paths.importPrefix(kind, collectionID: 1, partitionID: 2, groupID: groupID)
        }
        #expect(directory(.insert, 30) == "backup/b/binlogs/insert_log/1/2/30/")
        #expect(directory(.delta, 30) == "backup/b/binlogs/delta_log/1/2/30/")
        #expect(directory(.insert, 0) == "backup/b/binlogs/insert_log/1/2/")

        var l0 = SegmentBackup(segmentID: 30, collectionID: 1, partitionID: 2)
        l0.groupID = 30
        #expect(paths.l0ImportPrefix(of: l0) == "backup/b/binlogs/delta_log/1/2/30/")
        l0.groupID = 0
        #expect(paths.l0ImportPrefix(of: l0) == "backup/b/binlogs/delta_log/1/2/30/")
        l0.partitionID = SegmentBackup.allPartitions
        #expect(paths.l0ImportPrefix(of: l0) == "backup/b/binlogs/delta_log/1/-1/30/")
    }
}

@Suite struct SourceKeyTests {
    private static let valid: [(String, String, SourceKey)] = [
        (
            "insert_log/1/2/3/4/5", "",
            SourceKey(kind: .insert, collectionID: 1, partitionID: 2, segmentID: 3, fieldID: 4, logID: 5)
        ),
        (
            "files/insert_log/1/2/3/0/5", "files",
            SourceKey(kind: .insert, collectionID: 1, partitionID: 2, segmentID: 3, logID: 5)
        ),
        (
            "a/b/insert_log/1/2/3/4/5", "a//b/",
            SourceKey(kind: .insert, collectionID: 1, partitionID: 2, segmentID: 3, fieldID: 4, logID: 5)
        ),
        (
            "files/delta_log/1/2/3/5", "files",
            SourceKey(kind: .delta, collectionID: 1, partitionID: 2, segmentID: 3, logID: 5)
        ),
        (
            "files/delta_log/1/-1/3/5", "files",
            SourceKey(kind: .delta, collectionID: 1, partitionID: -1, segmentID: 3, logID: 5)
        ),
        (
            "insert_log/449577001/449577002/449577100/101/9223372036854775807", "",
            SourceKey(
                kind: .insert, collectionID: 449_577_001, partitionID: 449_577_002, segmentID: 449_577_100,
                fieldID: 101,
                logID: .max)
        ),
        // Names that look like something else.
        (
            "insert_log/insert_log/1/2/3/4/5", "insert_log",
            SourceKey(kind: .insert, collectionID: 1, partitionID: 2, segmentID: 3, fieldID: 4, logID: 5)
        ),
    ]

    @Test(arguments: valid)
    func keysOfLogsAreTakenApart(key: String, root: String, expected: SourceKey) {
        let paths = MilvusPaths(root: root)
        #expect(paths.parse(key) == expected)
        let segment = SegmentBackup(
            segmentID: expected.segmentID, collectionID: expected.collectionID, partitionID: expected.partitionID)
        let log = Binlog(fieldID: expected.fieldID, logID: expected.logID, size: 0)
        #expect(paths.rootPrefix + paths.relativePath(expected.kind, log, of: segment) == key)
    }

    private static let copied: [(String, group: Int64, String)] = [
        ("insert_log/1/2/9/3/4/5", 9, "insert_log/1/2/3/4/5"), ("insert_log/1/2/3/4/5", 0, "insert_log/1/2/3/4/5"),
        ("delta_log/1/2/9/3/5", 9, "delta_log/1/2/3/5"), ("delta_log/1/2/3/5", 0, "delta_log/1/2/3/5"),
        ("delta_log/1/-1/3/5", 0, "delta_log/1/-1/3/5"),
    ]

    @Test(arguments: copied)
    func keysOfCopiedLogsAreTakenApart(path: String, group: Int64, source: String) throws {
        let paths = BackupPaths(root: "backup", name: "b")
        let parsed = try #require(paths.parse(paths.binlogRoot + path))
        #expect(parsed.groupID == group)
        #expect(parsed.source == MilvusPaths(root: "").parse(source))
    }

    @Test(arguments: [
        "backup/b/binlogs/insert_log/1/2/9/3/4/5/6", "backup/b/binlogs/insert_log/1/2/3/4",
        "backup/b/binlogs/delta_log/1/2/3",
        "backup/b/binlogs/delta_log/1/2/9/3/4/5", "backup/b/binlogs/delta_log/1/2/-9/3/5",
        "backup/b/meta/full_meta.json",
        "backup/bb/binlogs/insert_log/1/2/3/4/5", "insert_log/1/2/3/4/5", "backup/b/binlogs/insert_log/1/2/9/3/4/5/",
    ])
    func otherKeysOfABackupAreNot(key: String) {
        #expect(BackupPaths(root: "backup", name: "b").parse(key) == nil)
    }

    @Test(arguments: [
        "", "files", "files/", "files/insert_log", "files/insert_log/1/2/3/4", "files/insert_log/1/2/3/4/5/6",
        "files/insert_log/1/2/3/4/5/", "files/insert_log/1/2/3/4/", "files/insert_log/1/2/3//5",
        "files/insert_log/1/2/3/4/x",
        "files/insert_log/1/2/3/4/5x", "files/insert_log/1/-1/3/4/5", "files/insert_log/-1/2/3/4/5",
        "files/delta_log/1/2/3",
        "files/delta_log/1/2/3/4/5", "files/delta_log/1/2/-3/5", "files/delta_log/1/-/3/5", "files/delta_log/1/-0/3/5",
        "files/delta_log/1/--1/3/5", "files/stats_log/1/2/3/4/5", "files/index_files/1/2/3/4/5", "insert_log/1/2/3/4/5",
        "other/insert_log/1/2/3/4/5", "filesx/insert_log/1/2/3/4/5", "files//insert_log/1/2/3/4/5",
        "files/insert_log/1/2/3/4/9223372036854775808", "files/insert_log/01/2/3/4/5", "files/insert_log/1/2/3/4/05",
        "files/insert_log/1/2/3/4/５", "files/insert_log/1/2/3/+4/5", "files/insert_log/1/2/3/4/ 5",
        "files/Insert_log/1/2/3/4/5",
    ])
    func otherKeysAreNot(key: String) {
        #expect(MilvusPaths(root: "files").parse(key) == nil)
    }
}
