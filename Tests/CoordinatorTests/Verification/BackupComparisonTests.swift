import BackupFormat
import JSON
import ObjectStorage
import ObjectStorageTesting
import ShardProtocol
import Support
import Synchronization
import Testing

@testable import Coordinator
@testable import ShardScheduling

@Suite struct BackupComparisonTests {
    private let store = MemoryObjectStore(bucket: "backup")
    private let paths = BackupPaths(root: "backup", name: "nightly")
    private let backup = BackupInfo.sample(collections: [
        .sample("items", segments: [10: [.sample(1001), .sample(1002)]]), .sample("orders", id: 2),
    ])

    init() {
        for collection in backup.collections { collection.putLogs(into: store, paths) }
    }

    /// A record of everything that is there now.
    private func records() -> [ManifestRecord] {
        store.keys.map { key in
            ManifestRecord(
                key: String(key.dropFirst(paths.directory.count)), size: Int64(store.bytes(key)?.count ?? 0),
                etag: store.etag(key) ?? "")
        }
    }

    private func report(
        _ records: [ManifestRecord]?, metadata: Bool = true, collections: Set<Int64>? = nil
    ) async throws -> VerificationReport {
        let bytes = try records.map {
            try Manifest.frame(ManifestHeader(name: "nightly", id: "1")) + Manifest.frame($0)
        }
        let comparison = try BackupComparison.reading(
            StoredManifest(bytes: bytes, key: paths.manifest), metadata ? backup : nil, paths: paths,
            report: VerificationReport(backup: "nightly", depth: .quick), collections: collections)
        try await comparison.list(store)
        return comparison.finish()
    }

    @Test func whatIsAsItWasIsSound() async throws {
        for records in [records(), nil] {
            let report = try await report(records)
            #expect(!report.isDamaged && report.unproven == 0 && report.objects == store.keys.count)
            #expect(report.basis == (records == nil ? .metadata : .manifest))
        }
    }

    @Test func ofSeveralRecordsOfAKeyTheLastOneCounts() async throws {
        let records = records()
        var older = records[3]
        older.size += 1
        #expect(try await !report([older] + records).isDamaged)
        let report = try await report(records + [older])
        #expect(report.changed.problems.map(\.key) == [older.key])
    }

    @Test func onlyTheCollectionsThatAreAskedForAreLookedAt() async throws {
        let records = records()
        let victim = paths.directory + "binlogs/insert_log/2/10/1001/1001/0/1001000"
        try await store.delete([victim])
        #expect(try await !report(records, collections: [1]).isDamaged)
        #expect(try await !report(nil, collections: [1]).isDamaged)
        let report = try await report(records, collections: [2])
        #expect(report.missing.problems.map { paths.directory + $0.key } == [victim])
        let error = try #require(report.failure(directory: paths.directory, bucket: "backup", hint: "do"))
        #expect(
            error.message == "backup nightly is damaged: \(victim) is missing in bucket \"backup\" (1 object missing)")
    }

    @Test func aManifestThatHasLessThanTheMetadataIsDamaged() async throws {
        let report = try await report(Array(records().dropLast(2)))
        #expect(report.recordProblems.count == 1 && report.recordProblems[0].contains("2 objects"))
        // They are compared with the metadata, and so they are not too many.
        #expect(report.extra.count == 0)
    }

    @Test func eTagsOfAnotherShapeAreNoEvidence() async throws {
        let records = records()
        let key = paths.directory + records[0].key
        store.set(key, Array(repeating: 9, count: Int(records[0].size)), partSize: 4)
        #expect(try await !report(records).isDamaged)
        store.set(key, Array(repeating: 9, count: Int(records[0].size)))
        let report = try await report(records)
        #expect(report.changed.problems.map(\.text) == ["has another ETag than the recorded \(records[0].etag)"])
    }

    @Test func damageIsCountedAndOnlyItsBeginningListed() async throws {
        var records = records()
        for number in 0..<500 {
            records.append(ManifestRecord(key: "binlogs/insert_log/1/10/9/9/0/\(number)", size: 1))
        }
        let report = try await report(records)
        #expect(report.missing.count == 500 && report.missing.problems.count == 100)
        #expect(report.lines.contains("missing: and 480 more"))
        let document = try JSONWriter.bytes { try report.write(to: &$0) }
        #expect(try VerificationReport(JSONValue(parsing: document, name: "report")) == report)
    }

    @Test(arguments: [
        ("binlogs/insert_log/1/10/1001/1001/0/77", true), ("binlogs/x", true), ("README", false),
    ])
    func whatBelongsToNobody(_ key: String, isDamage: Bool) async throws {
        let records = records()
        store.set(paths.directory + key, [1])
        for own in ["manifest.zst", "claim.json", "journal-x-000001.zst", "meta/backup_meta.json", "binlogs/empty/"] {
            store.set(paths.directory + own, [])
        }
        let report = try await report(records)
        #expect(report.isDamaged == isDamage)
        #expect((report.extra.problems + report.unrelated.problems).map(\.key) == [key])
    }

    // MARK: Bytes

    @Test func theBytesDecide() throws {
        let crc = Checksum(kind: "crc32c", value: "0000002a")
        func verdict(_ record: ManifestRecord, _ etag: String?, _ result: TaskResult) throws -> VerificationReport {
            var table = ObjectTable()
            table.add(record, number: 0)
            table.seal()
            _ = table.see(record.key[...], size: record.size, etag: record.etag)
            let bytes = try Manifest.frame(ManifestHeader(name: "nightly", id: "1")) + Manifest.frame([record])
            let expected = ExpectedObjects(paths: paths, manifest: bytes, metadata: nil)
            let comparison = BackupComparison(
                expected, table: table, report: VerificationReport(backup: "nightly", depth: .deep))
            let shards = Array(comparison.shards(limits: ShardLimits(), etagsAreMD5: etag != nil))
            let shard = try #require(shards.first)
            #expect(shard.operation == .verify && shard.source == .backup && shard.tasks[0].etag == etag)
            comparison.add(
                FinishedShard(shard: shard, agent: AgentID("a"), epoch: 1, results: [result], bytesCopied: 1))
            return comparison.finish()
        }
        let md5 = String(repeating: "a", count: 32)
        let withCRC = ManifestRecord(key: "binlogs/x", size: 4, etag: md5, checksum: "crc32c:2a")
        let result = TaskResult(index: 0, checksum: crc, copiedByStore: false)
        #expect(try !verdict(withCRC, nil, result).isDamaged)
        let other = TaskResult(index: 0, checksum: Checksum(kind: "crc32c", value: "2b"), copiedByStore: false)
        #expect(try verdict(withCRC, nil, other).changed.count == 1)
        let gone = TaskResult(index: 0, copiedByStore: false, damage: "gone")
        #expect(try verdict(withCRC, nil, gone).changed.problems.map(\.text) == ["cannot be read: gone"])

        let plain = ManifestRecord(key: "binlogs/x", size: 4, etag: md5)
        #expect(try verdict(plain, nil, result).unproven == 1)
        var found = result
        found.etag = md5
        #expect(try !verdict(plain, md5, found).isDamaged)
        found.etag = String(repeating: "b", count: 32)
        #expect(try verdict(plain, md5, found).changed.count == 1)
        found.etag = nil
        let parts = ManifestRecord(key: "binlogs/x", size: 4, etag: "\(md5)-7")
        let unknown = try verdict(parts, "\(md5)-7", found)
        #expect(!unknown.isDamaged && unknown.unproven == 1)
    }

    @Test func metadataFilesThatDisagree() {
        #expect(backup.difference(from: backup) == nil)
        var other = backup
        other.collections[1].partitions[0].segments[0].insertLogs = FieldBinlogs([Binlog(fieldID: 1, logID: 1, size: 1)]
        )
        #expect(backup.difference(from: other)?.contains("different logs of segment 1001") == true)
        other.collections[1].partitions[0].segments.removeLast()
        #expect(backup.difference(from: other)?.contains("different segments of default.orders") == true)
        other.collections[0].partitions[0].name = "x"
        #expect(backup.difference(from: other)?.contains("different partitions") == true)
        other.collections.removeLast()
        #expect(backup.difference(from: other)?.contains("different collections") == true)
        other.id = "x"
        #expect(backup.difference(from: other)?.contains("different backups") == true)
    }
}

@Suite struct ParallelListingTests {
    @Test(arguments: [1, 2, 16]) func everythingIsSeenOnce(parallelism: Int) async throws {
        let store = MemoryObjectStore(bucket: "backup")
        // One large directory, many small ones and objects beside them.
        for number in 0..<2500 { store.set("b/n/binlogs/insert_log/1/10/5/5/0/\(number)", []) }
        for number in 0..<1500 { store.set("b/n/binlogs/insert_log/1/11/\(4000 + number)/\(number)/0/1", []) }
        for number in 0..<1200 { store.set("b/n/binlogs/insert_log/1/12/x\(number)", []) }
        store.set("b/n/manifest.zst", [])
        store.set("b/n2/other", [])
        let seen = Mutex<[String]>([])
        let listing = ParallelListing(store: store, parallelism: parallelism)
        try await listing.forEachPage(below: ["b/n/"]) { page in seen.withLock { $0 += page.map(\.key) } }
        #expect(seen.withLock { $0.sorted() } == store.keys.filter { $0.hasPrefix("b/n/") }.sorted())
    }

    @Test func manyDirectoriesBecomeFewPrefixes() {
        let directories = (0..<10_000).map { "b/\(449_577_000 + $0)/" }
        let prefixes = ParallelListing.shortened(directories, limit: 64)
        #expect(prefixes.count == 10 && prefixes.allSatisfy { $0.hasPrefix("b/44957") || $0.hasPrefix("b/44958") })
        for directory in directories { #expect(prefixes.filter { directory.hasPrefix($0) }.count == 1) }
        #expect(ParallelListing.shortened(["a/", "b/"], limit: 2) == ["a/", "b/"])
        // Also when a single character is already more than the limit.
        #expect(ParallelListing.shortened(["a/", "b/", "c/"], limit: 2) == ["a", "b", "c"])
    }
}
