import Support
import Testing

@testable import BackupFormat

@Suite struct MetadataReaderTests {
    private let writer = MetadataWriter(milvusRoot: "files")

    private func bytes(_ file: MetadataFile, _ backup: BackupInfo = Sample.backup) throws -> [UInt8] {
        try writer.bytes(file, of: backup)
    }

    private func readLevels(
        _ backup: BackupInfo, options: MetadataReadOptions = .everything
    ) throws -> BackupInfo {
        try MetadataReader.readLevels(
            backup: source(bytes(.backup, backup)), collections: source(bytes(.collections, backup)),
            partitions: source(bytes(.partitions, backup)), segments: source(bytes(.segments, backup)), options: options
        )
    }

    @Test(arguments: [1, 2, 7, 64, 100_000])
    func whatWasWrittenIsReadAgain(pieceSize: Int) throws {
        let read = try MetadataReader.readFull(source(bytes(.full), pieceSize: pieceSize))
        #expect(read == Sample.backup)
        #expect(try bytes(.full, read) == bytes(.full))
    }

    /// Whoever adds up sizes of a backup need not think of an overflow.
    @Test(arguments: [[Int64.max], [Int64.max, Int64.max], [-1], [1 << 56, 1], [1 << 55, 1 << 55, 1]])
    func sizesThatCannotBeRightAreDamage(sizes: [Int64]) throws {
        var backup = Sample.backup
        backup.collections[0].l0Segments = []
        backup.collections[0].partitions[0].segments = sizes.enumerated().map { index, size in
            var segment = SegmentBackup(
                segmentID: Int64(index), collectionID: 449_577_001, partitionID: 449_577_002)
            segment.size = size
            return segment
        }
        for options in [MetadataReadOptions.everything, .withoutBinlogs] {
            #expect(throws: BackupError.self) {
                try MetadataReader.readFull(source(bytes(.full, backup)), options: options)
            }
        }
        #expect(throws: BackupError.self) { try readLevels(backup) }
        #expect(throws: Never.self) { try MetadataReader.readFull(source(bytes(.full, backup)), options: .summary) }
    }

    @Test func logsThatAreTooManyBytesAreDamage() throws {
        var backup = Sample.backup
        for log in 0..<3 {
            let size: Int64 = 1 << 62
            backup.collections[0].partitions[0].segments[0].insertLogs.append(
                Binlog(fieldID: 1, logID: Int64(log), size: size))
        }
        #expect(throws: BackupError.self) { try MetadataReader.readFull(source(bytes(.full, backup))) }
    }

    @Test func deepNestingIsRefused() {
        for text in ["{\"x\":" + String(repeating: "[", count: 100_000), String(repeating: "{\"x\":", count: 100_000)] {
            let error = #expect(throws: BackupError.self) { try MetadataReader.readFull(source(Array(text.utf8))) }
            #expect(error?.message.contains("levels of nesting") == true)
        }
    }

    @Test func whatIsNotNeededIsPassedOver() throws {
        var expected = Sample.backup
        for index in expected.collections[0].partitions[0].segments.indices {
            expected.collections[0].partitions[0].segments[index].insertLogs = FieldBinlogs()
            expected.collections[0].partitions[0].segments[index].deltaLogs = FieldBinlogs()
        }
        expected.collections[0].l0Segments[0].deltaLogs = FieldBinlogs()
        #expect(try MetadataReader.readFull(source(bytes(.full)), options: .withoutBinlogs) == expected)
        expected.collections = []
        #expect(try MetadataReader.readFull(source(bytes(.full)), options: .summary) == expected)
    }

    @Test func theTreeIsPutTogetherFromTheLevels() throws {
        // What stands in the full file only, and the sizes, which are counted again.
        var expected = Sample.backup
        expected.rbac = nil
        expected.rpcChannel = nil
        expected.databases = []
        expected.flushAllMessages = [:]
        expected.controlChannelName = ""
        expected.physicalChannelNames = []
        expected.collections[0].l0Segments = []
        expected.collections[0].size = 3684
        expected.size = 3684
        #expect(try readLevels(Sample.backup) == expected)

        let summary = try readLevels(Sample.backup, options: .summary)
        #expect(summary.collections.isEmpty && summary.size == 4196 && summary.name == "nightly")
    }

    @Test func emptyLevelsMakeAnEmptyBackup() throws {
        #expect(try readLevels(BackupInfo(id: "a", name: "b")) == BackupInfo(id: "a", name: "b"))
    }

    @Test func levelsAreJoinedByBothIDs() throws {
        let read = try MetadataReader.readLevels(
            backup: source(#"{"name":"b","size":7}"#),
            collections: source(#"{"infos":[{"collection_id":1},{"collection_id":2}]}"#),
            partitions: source(
                #"""
                {"infos":[{"partition_id":10,"collection_id":1},{"partition_id":10,"collection_id":2},
                {"partition_id":11,"collection_id":2},{"partition_id":12,"collection_id":9}]}
                """#),
            segments: source(
                #"""
                {"infos":[{"segment_id":100,"partition_id":10,"collection_id":2,"size":3},
                {"segment_id":101,"partition_id":10,"collection_id":1,"size":4},
                {"segment_id":102,"partition_id":10,"collection_id":2,"size":5},
                {"segment_id":103,"partition_id":99,"collection_id":1,"size":1000}]}
                """#))
        #expect(read.collections.map(\.collectionID) == [1, 2])
        #expect(read.collections.map(\.size) == [4, 8])
        #expect(read.collections[0].partitions.map(\.partitionID) == [10])
        #expect(read.collections[1].partitions.map(\.partitionID) == [10, 11])
        #expect(read.collections[1].partitions[0].segments.map(\.segmentID) == [100, 102])
        #expect(read.collections[1].partitions.map(\.size) == [8, 0])
        #expect(read.size == 12)
    }

    @Test func numbersAreExact() throws {
        let read = try MetadataReader.readFull(
            source(
                #"""
                {"size":9223372036854775807,"backup_timestamp":18446744073709551615,"collection_backups":[
                {"collection_id":9007199254740993,"backup_timestamp":9223372036854775808,"size":-9223372036854775808,
                "created_timestamp":452984832000000001,"shards_num":2147483647,"l0_segments":[{"partition_id":-1,
                "deltalogs":[{"fieldID":9007199254740993,"binlogs":[{"log_id":9007199254740995,"log_size":1}]}]}]}]}
                """#))
        let collection = try #require(read.collections.first)
        #expect(read.size == .max && read.backupTimestamp == .max)
        #expect(collection.collectionID == 9_007_199_254_740_993)
        #expect(collection.backupTimestamp == 9_223_372_036_854_775_808)
        #expect(collection.size == .min)
        #expect(collection.createdTimestamp == 452_984_832_000_000_001)
        #expect(collection.shardCount == .max)
        #expect(
            Array(collection.l0Segments[0].deltaLogs.binlogs)
                == [Binlog(fieldID: 9_007_199_254_740_993, logID: 9_007_199_254_740_995, size: 1)])
    }

    private static let wrongTypes: [(String, String)] = [
        ("[]", "object expected"),
        ("", "the document is empty"),
        (#"{"id":1}"#, "string expected at id, number found (byte 6)"),
        (#"{"size":"1"}"#, "number expected at size, string found (byte 8)"),
        (#"{"size":1.0}"#, "integer expected, a fraction or exponent found at size (byte 9)"),
        (#"{"size":1e3}"#, "integer expected, a fraction or exponent found at size (byte 9)"),
        (#"{"size":9223372036854775808}"#, "the number does not fit into a 64-bit integer at size (byte 27)"),
        (#"{"backup_timestamp":-1}"#, "unsigned 64-bit integer at backup_timestamp (byte 22)"),
        (#"{"rbac_meta":[]}"#, "object expected at rbac_meta, array found (byte 13)"),
        (#"{"collection_backups":{}}"#, "array expected at collection_backups, object found (byte 22)"),
        (
            #"{"collection_backups":[{},{},{},{"size":true}]}"#,
            "number expected at collection_backups[3].size, bool found"
        ),
        (
            #"{"collection_backups":[{"schema":{"fields":[{"data_type":"Int64"}]}}]}"#,
            "number expected at collection_backups[0].schema.fields[0].data_type, string found"
        ),
        (#"{"collection_backups":[{"shards_num":2147483648}]}"#, "does not fit into a 32-bit integer"),
        (
            #"{"collection_backups":[{"index_infos":[{"params":{"dim":128}}]}]}"#,
            "string expected at collection_backups[0].index_infos[0].params.dim, number found"
        ),
        (
            #"{"collection_backups":[{"l0_segments":[{"deltalogs":[{},{"binlogs":[{},{"log_size":"5"}]}]}]}]}"#,
            "number expected at collection_backups[0].l0_segments[0].deltalogs[1].binlogs[1].log_size, string found"
        ),
        (
            #"{"collection_backups":[{"partition_backups":[{"segment_backups":[{"is_l0":1}]}]}]}"#,
            "bool expected at collection_backups[0].partition_backups[0].segment_backups[0].is_l0, number found"
        ),
        (#"{"database_backups":["default"]}"#, "object expected at database_backups[0], string found"),
        (#"{"flush_all_msgs_base64":{"a":1}}"#, "string expected at flush_all_msgs_base64.a, number found"),
        (#"{"size":1}x"#, "the end expected"),
    ]

    @Test(arguments: wrongTypes)
    func wrongTypesAreNamedWithTheirPlace(text: String, expected: String) {
        let failure = #expect(throws: BackupError.self) { try MetadataReader.readFull(source(text)) }
        #expect(failure?.code == .corrupted)
        #expect(failure?.message.hasPrefix("full_meta.json: ") == true)
        #expect(failure?.message.contains(expected) == true, "\(failure?.message ?? "")")
    }

    @Test func theFileOfALevelIsNamed() {
        let empty = "{}"
        #expect(
            message {
                _ = try MetadataReader.readLevels(
                    backup: source(empty), collections: source(empty), partitions: source(empty),
                    segments: source(#"{"infos":[{},{"segment_id":"7"}]}"#))
            } == "segment_meta.json: number expected at infos[1].segment_id, string found (byte 27)")
        #expect(
            message {
                _ = try MetadataReader.readLevels(
                    backup: source(empty), collections: source(#"{"infos":{}}"#), partitions: source(empty),
                    segments: source(empty))
            } == "collection_meta.json: array expected at infos, object found (byte 9)")
    }

    @Test func everyPrefixIsAnErrorThatSaysSo() async throws {
        for (file, step) in [(try bytes(.full, Sample.small), 1), (try bytes(.full), 11)] {
            for count in stride(from: 0, to: file.count, by: step) {
                await Task.yield()
                let failure = #expect(throws: BackupError.self) {
                    try MetadataReader.readFull(source(Array(file[..<count]), pieceSize: 100))
                }
                #expect(failure?.code == .corrupted)
                let expected = count == 0 ? "the document is empty" : "the document ends too early"
                #expect(failure?.message.hasPrefix("full_meta.json: \(expected)") == true, "\(failure?.message ?? "")")
            }
        }
    }

    @Test func damageNeverCrashes() async throws {
        var generator = SeededGenerator(seed: 3)
        let full = try bytes(.full, Sample.small)
        let letters = Array("{}[]\",:\\u0eE+-.tn19a \u{0}\u{FF}".utf8)
        var accepted = 0
        var refused = 0
        for round in 0..<20_000 {
            // Others wait for this thread.
            if round % 100 == 0 { await Task.yield() }
            var damaged = full
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let place = Int.random(in: 0..<damaged.count, using: &generator)
                let byte = letters[Int.random(in: 0..<letters.count, using: &generator)]
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: damaged[place] = byte
                case 1: damaged.remove(at: place)
                case 2: damaged.insert(byte, at: place)
                default: damaged[place] ^= 1 << UInt8.random(in: 0..<8, using: &generator)
                }
            }
            do {
                let read = try MetadataReader.readFull(source(damaged, pieceSize: 1000))
                accepted += 1
                guard accepted % 16 == 0 else { continue }
                // Whatever was accepted can be written and is then read as the same.
                let again = try MetadataReader.readFull(source(writer.bytes(.full, of: read)))
                #expect(again == read)
            } catch {
                refused += 1
                #expect(BackupError(wrapping: error).code == .corrupted)
            }
        }
        #expect(refused > 2_000 && accepted > 2_000)
    }
}
