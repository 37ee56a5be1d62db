import BackupFormat
import ObjectStorageTesting
import Support
import Testing

@testable import Coordinator

@Suite struct CopyVerifierTests {
    private let store = MemoryObjectStore(bucket: "backup")
    private let paths = BackupPaths(root: "backup", name: "nightly")
    private var verifier: CopyVerifier { CopyVerifier(store: store, paths: paths) }
    private let collection = CollectionBackup.sample(
        segments: [10: [.sample(1001), .sample(1002, deltas: 0)], 11: [.sample(1003, partition: 11)]],
        l0: [.sample(1004, partition: -1, isL0: true)])

    private func verify() async throws { try await verifier.verify(collection) }

    private func expectDamage(_ key: String, _ text: String) async {
        let error = await #expect(throws: BackupError.self) { try await verify() }
        #expect(error?.code == .corrupted && error?.isRetryable == false)
        #expect(error?.message.contains(key) == true && error?.message.contains(text) == true)
    }

    @Test func aWholeCopyIsFine() async throws {
        collection.putLogs(into: store, paths)
        try await verify()
    }

    @Test(arguments: [
        "insert_log/1/10/1001/1001/0/1001000", "insert_log/1/11/1003/1003/100/1003001",
        "delta_log/1/10/1001/1001/1001500", "delta_log/1/-1/1004/1004500",
    ])
    func whatIsMissingIsNamed(_ path: String) async throws {
        collection.putLogs(into: store, paths)
        let key = "backup/nightly/binlogs/\(path)"
        try await store.delete([key])
        await expectDamage(key, "is missing in bucket \"backup\"")
    }

    @Test func anotherSizeIsNamed() async throws {
        collection.putLogs(into: store, paths)
        let key = "backup/nightly/binlogs/insert_log/1/10/1002/1002/1/1002001"
        store.set(key, [1, 2, 3])
        await expectDamage(key, "has 3 bytes and should have 11")
    }

    @Test func nothingAtAllIsDamage() async {
        await expectDamage("binlogs/", "is missing")
    }

    @Test func whatIsNotInThePlanIsIgnored() async throws {
        collection.putLogs(into: store, paths)
        for path in ["insert_log/1/10/1001/1001/0/999", "insert_log/1/10/77/77/0/1", "insert_log/1/readme", "x"] {
            store.set("backup/nightly/binlogs/\(path)", [1])
        }
        try await verify()
    }

    @Test func aLogInTheWrongPlaceIsNotThere() async throws {
        collection.putLogs(into: store, paths)
        // Import goes by directories: the same segment under another group would be imported without it.
        let log = "1001/0/1001000"
        for (right, wrong) in [
            ("1/10/1001/\(log)", "1/10/1002/\(log)"), ("1/10/1001/\(log)", "1/10/\(log)"),
            ("1/10/1001/\(log)", "1/11/1001/\(log)"),
        ] {
            let root = "backup/nightly/binlogs/insert_log/"
            let bytes = try #require(store.bytes(root + right))
            try await store.delete([root + right])
            store.set(root + wrong, bytes)
            await expectDamage(root + right, "is missing")
            try await store.delete([root + wrong])
            store.set(root + right, bytes)
        }
        try await verify()
    }

    @Test func severalPagesAreSeen() async throws {
        let large = CollectionBackup.sample(segments: [10: [.sample(1001, logs: 900, deltas: 1200)]])
        large.putLogs(into: store, paths)
        try await verifier.verify(large)
        try await store.delete(["backup/nightly/binlogs/insert_log/1/10/1001/1001/100/1001899"])
        await #expect(throws: BackupError.self) { try await verifier.verify(large) }
    }

    @Test func manySegmentsAreListedInParallel() async throws {
        // Every second one has no directory of a group.
        let segments = (Int64(1000)..<1080).map { id in
            SegmentBackup.sample(id, group: id % 2 == 0 ? id : 0, logs: 5)
        }
        let large = CollectionBackup.sample(
            segments: [10: segments, 11: [.sample(2000, partition: 11)]],
            l0: [.sample(3000, partition: -1, isL0: true)])
        large.putLogs(into: store, paths)
        // Not in the plan, and not looked at.
        for log in 0..<1500 { store.set("backup/nightly/binlogs/insert_log/1/12/7/7/0/\(log)", []) }
        store.faults.before = { _ in try await Task.sleep(for: .milliseconds(2)) }
        try await verifier.verify(large)
        let peak = store.counts.peak[.list, default: 0]
        #expect(peak > 1 && peak <= 16 && store.counts.count(.head) == 0)
        // The deletions are one page; the other logs are a first page and what begins with 10/100 to 10/107 or 11/200.
        #expect(store.counts.count(.list, key: "backup/nightly/binlogs/delta_log/1/") == 1)
        #expect(store.counts.count(.list) == 1 + 1 + 9)
        let key = "backup/nightly/binlogs/insert_log/1/10/1079/100/1079004"
        store.set(key, [1])
        let error = await #expect(throws: BackupError.self) { try await verifier.verify(large) }
        #expect(error?.message.contains("\(key) in bucket \"backup\" has 1 bytes and should have 110") == true)
        try await store.delete([key])
        let missing = await #expect(throws: BackupError.self) { try await verifier.verify(large) }
        #expect(missing?.message.contains("\(key) is missing") == true)
    }

    /// The order of the listing need not be that of the metadata.
    @Test func anyOrderOfTheLogsIsFine() async throws {
        var segment = SegmentBackup.sample(1001, logs: 0, deltas: 0)
        segment.insertLogs = FieldBinlogs([12, 3, 100, 20, 1].map { Binlog(fieldID: 7, logID: $0, size: 4) })
        let odd = CollectionBackup.sample(segments: [10: [segment]])
        odd.putLogs(into: store, paths)
        try await verifier.verify(odd)
    }

    /// Backups up to v0.5.3 have the id of the log where the field's is, in the lists of deletions.
    @Test func fieldsOfDeletionsMeanNothing() async throws {
        var segment = SegmentBackup.sample(1001, deltas: 0)
        segment.deltaLogs = FieldBinlogs([Binlog(fieldID: 88, logID: 88, size: 6)])
        let old = CollectionBackup.sample(segments: [10: [segment]])
        old.putLogs(into: store, paths)
        try await verifier.verify(old)
        try await store.delete(["backup/nightly/binlogs/delta_log/1/10/1001/1001/88"])
        await #expect(throws: BackupError.self) { try await verifier.verify(old) }
    }
}
