import BackupFormat
import MilvusClient
import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator

@Suite struct SegmentLogListerTests {
    private let store = MemoryObjectStore(bucket: "milvus")
    private var lister: SegmentLogLister { SegmentLogLister(store: store, paths: MilvusPaths(root: "files")) }

    private func put(_ path: String, _ size: Int) { store.set("files/\(path)", [UInt8](repeating: 0, count: size)) }

    private func segment(
        _ id: Int64, partition: Int64 = 10, rows: Int64 = 5, level: Milvus.SegmentLevel = .legacy
    ) -> Milvus.PersistentSegment {
        var segment = Milvus.PersistentSegment()
        segment.id = id
        segment.collectionID = 1
        segment.partitionID = partition
        segment.rowCount = rows
        segment.level = level
        segment.state = .flushed
        return segment
    }

    private func logs(_ segments: [Milvus.PersistentSegment]) async throws -> [SegmentBackup] {
        try await lister.logs(of: segments, collectionID: 1)
    }

    @Test func findsTheLogsOfEverySegment() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("insert_log/1/10/1001/100/72", 40)
        put("delta_log/1/10/1001/73", 5)
        put("insert_log/1/11/1002/0/81", 2)
        put("insert_log/1/11/1002/100/82", 20)
        // Of other collections and partitions.
        put("insert_log/1/110/1001/0/1", 1)
        put("insert_log/11/10/1001/0/1", 1)
        var last = segment(1002, partition: 11)
        last.storageVersion = 2
        last.insertChannel = "dml_0"
        let found = try await logs([last, segment(1001)])
        #expect(found.map(\.segmentID) == [1002, 1001])
        #expect(found.map(\.size) == [22, 48] && found.map(\.groupID) == [1002, 1001])
        #expect(found[0].storageVersion == 2 && found[0].virtualChannel == "dml_0" && found[0].rowCount == 5)
        #expect(
            Array(found[1].insertLogs.binlogs) == [
                Binlog(fieldID: 0, logID: 71, size: 3), Binlog(fieldID: 100, logID: 72, size: 40),
            ])
        #expect(Array(found[1].deltaLogs.binlogs) == [Binlog(logID: 73, size: 5)])
        #expect(found[0].deltaLogs == .emptyField)
        #expect(found.allSatisfy { !$0.isL0 })
    }

    @Test(arguments: 1...3) func deletionsThatOneListingDoesNotShow(lagging: Int) async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("delta_log/1/10/1001/73", 5)
        let lists = Mutex(0)
        store.faults.before = { [store] call in
            guard call.operation == .list, call.key.contains("delta_log") else { return }
            let number = lists.withLock { count in
                count += 1
                return count
            }
            let path = "files/delta_log/1/10/1001/74"
            if number == lagging { try await store.delete([path]) } else { store.set(path, [1, 2]) }
        }
        let logs = Array(try await logs([segment(1001)])[0].deltaLogs.binlogs)
        #expect(logs == [Binlog(logID: 73, size: 5), Binlog(logID: 74, size: 2)])
    }

    /// Such a segment is written because of its deletions. One that shows none to the end has lost them to a compaction.
    @Test(arguments: [3, 4, 5]) func aSegmentOfDeletionsThatShowsNone(shownBy number: Int) async throws {
        let path = "delta_log/1/-1/1001/73"
        store.faults.before = { [store] call in
            guard call.operation == .list, store.counts.count(.list, key: call.key) >= number else { return }
            store.set("files/\(path)", [1, 2])
        }
        let found = try await logs([segment(1001, partition: -1, level: .l0)])
        #expect(found.map(\.size) == [number < 5 ? 2 : 0] && store.counts.count(.list) == min(number, 4))
    }

    @Test func aPartitionThatDoesNotShowAFieldIsListedAgain() async throws {
        put("insert_log/1/10/1001/100/72", 40)
        put("insert_log/1/11/1002/100/82", 40)
        let late = "files/insert_log/1/10/1001/101/73"
        store.faults.before = { [store] call in
            guard call.operation == .list, call.key == "files/insert_log/1/10/" else { return }
            if store.counts.count(.list, key: call.key) == 3 { store.set(late, [1]) }
        }
        var lister = lister
        (lister.requiredFields, lister.retry.initialDelay) = ([100], .milliseconds(1))
        #expect(try await lister.logs(of: [segment(1001)], collectionID: 1).count == 1)
        lister.requiredFields = [100, 101]
        put("insert_log/1/11/1002/101/83", 1)
        let found = try await lister.logs(of: [segment(1001), segment(1002, partition: 11)], collectionID: 1)
        #expect(found.map(\.size) == [41, 41])
        // Only what was not complete.
        #expect(store.counts.count(.list, key: "files/insert_log/1/10/") == 3)
        #expect(store.counts.count(.list, key: "files/insert_log/1/11/") == 1)
    }

    @Test func aStoreThatDoesNotAnswerIsNotAskedAgainHere() async throws {
        store.faults.before = { _ in throw BackupError(.unavailable, "nobody is there", isRetryable: true) }
        let error = await #expect(throws: BackupError.self) { try await logs([segment(1001)]) }
        #expect(error?.code == .unavailable && store.counts.count(.list) == 1)
    }

    @Test func sizesThatCannotBeRightAreRefused() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("insert_log/1/10/1001/0/72", 3)
        store.faults.listedSize = .max
        var lister = lister
        lister.retry.initialDelay = .milliseconds(1)
        let error = await #expect(throws: BackupError.self) {
            try await lister.logs(of: [segment(1001)], collectionID: 1)
        }
        #expect(error?.code == .corrupted)
        #expect(error?.message.contains("cannot have 9223372036854775807 bytes") == true)
    }

    @Test func severalPagesAreListed() async throws {
        for log in 1...2500 { put("insert_log/1/10/1001/0/\(log)", 1) }
        #expect(Array(try await logs([segment(1001)])[0].insertLogs.binlogs).count == 2500)
    }

    /// What one listing shows that asks for page after page.
    private func pageAfterPage(_ kind: LogKind, partition: Int64) async throws -> [Int64: [Binlog]] {
        let paths = MilvusPaths(root: "files")
        let prefix = paths.partitionPrefix(kind, collectionID: 1, partitionID: partition)
        var logs: [Int64: [Binlog]] = [:]
        try await store.forEachPage(prefix: prefix) { page in
            for object in page.objects {
                let key = try #require(paths.parse(object.key))
                let log = Binlog(fieldID: key.fieldID, logID: key.logID, size: object.size)
                logs[key.segmentID, default: []].append(log)
            }
        }
        return logs
    }

    @Test(arguments: [1, 4]) func largePartitionsAreListedInParallel(parallelism: Int) async throws {
        // Some of the ids begin with another one; every third segment is not named.
        let ids = Array(Int64(1000)..<1015) + Array(Int64(10_000)..<10_015)
        let named = ids.enumerated().filter { $0.offset % 3 != 2 }.map(\.element)
        for id in ids {
            for log in 1...60 {
                put("insert_log/1/10/\(id)/\(log % 2)/\(log)", log % 7)
                put("delta_log/1/-1/\(id + 50_000)/\(log)", log % 5)
            }
            put("delta_log/1/10/\(id)/71", 4)
        }
        let inserts = try await pageAfterPage(.insert, partition: 10)
        let deltas = try await pageAfterPage(.delta, partition: -1)
        store.faults.before = { _ in try await Task.sleep(for: .milliseconds(2)) }
        var lister = lister
        lister.parallelism = parallelism
        lister.listing = SegmentListing(parallelism: parallelism)
        let segments = named.map { segment($0) } + named.map { segment($0 + 50_000, partition: -1, level: .l0) }
        let found = try await lister.logs(of: segments, collectionID: 1)
        #expect(found.map(\.segmentID) == segments.map(\.id))
        for segment in found where segment.partitionID == 10 {
            #expect(Array(segment.insertLogs.binlogs) == inserts[segment.segmentID])
            #expect(Array(segment.deltaLogs.binlogs) == [Binlog(logID: 71, size: 4)])
        }
        for segment in found where segment.partitionID == -1 {
            #expect(segment.insertLogs.isEmpty && Array(segment.deltaLogs.binlogs) == deltas[segment.segmentID])
        }
        let peak = store.counts.peak[.list, default: 0]
        // The first page of the other partition does not wait for the parts of this one.
        #expect(parallelism == 1 ? peak == 1 : peak > 1 && peak <= parallelism + 1)
    }

    @Test func onlyALargePartitionCostsMoreRequests() async throws {
        for log in 1...1000 { put("insert_log/1/10/\(1000 + log % 20)/0/\(log)", 1) }
        let segments = (Int64(1000)..<1020).map { segment($0) }
        #expect(try await logs(segments).count == 20)
        // A page that is full is the only one all the same.
        #expect(store.counts.count(.list, key: "files/insert_log/1/10/") == 1)
        #expect(store.counts.count(.list, key: "files/delta_log/1/10/") == 2 && store.counts.count(.list) == 3)
        // One log more, and there are twenty directories to be found and listed, each of them once.
        put("insert_log/1/10/1000/0/1001", 1)
        put("insert_log/1/11/1100/0/1", 1)
        #expect(try await logs(segments + [segment(1100, partition: 11)]).count == 21)
        #expect(store.counts.count(.list, key: "files/insert_log/1/10/") == 1 + 2)
        #expect(store.counts.count(.list) == 3 + (2 + 20 + 2) + (1 + 2))
    }

    @Test func deletionsOfALargePartitionThatOneListingDoesNotShow() async throws {
        for log in 1...1200 { put("delta_log/1/-1/\(1000 + log % 4)/\(log)", 1) }
        let late = "delta_log/1/-1/1002/1000000"
        store.faults.before = { [store] _ in
            guard store.counts.count(.list, key: "files/delta_log/1/-1/") == 3 else { return }
            store.set("files/\(late)", [1, 2])
        }
        let found = try await logs((Int64(1000)..<1004).map { segment($0, partition: -1, rows: 0) })
        #expect(found.map(\.size) == [300, 300, 302, 300])
        let deletions = found.map { Array($0.deltaLogs.binlogs) }
        #expect(deletions.map(\.count) == [300, 300, 301, 300])
        // What was found before stays where it was.
        #expect(deletions[2].last == Binlog(logID: 1_000_000, size: 2))
    }

    @Test(arguments: ["insert_log/1/10/0.txt", "insert_log/1/10/1001/9/notes.txt"])
    func aForeignKeyInALargePartitionIsRefusedByName(_ path: String) async throws {
        for log in 1...1500 { put("insert_log/1/10/1001/0/\(log)", 1) }
        put(path, 1)
        var lister = lister
        lister.retry.initialDelay = .milliseconds(1)
        let error = await #expect(throws: BackupError.self) {
            try await lister.logs(of: [segment(1001)], collectionID: 1)
        }
        #expect(error?.code == .corrupted && error?.message.contains(path) == true)
    }

    @Test func logsOfDroppedSegmentsAreIgnored() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("insert_log/1/10/999/0/71", 3)
        put("delta_log/1/10/999/72", 3)
        #expect(try await logs([segment(1001)]).map(\.segmentID) == [1001])
    }

    @Test func aSegmentWithRowsAndWithoutLogsIsRefusedAndMayBeTriedAgain() async throws {
        let error = await #expect(throws: BackupError.self) { try await logs([segment(1001)]) }
        #expect(error?.code == .corrupted && error?.isRetryable == true)
        #expect(error?.message.contains("1001") == true)
    }

    @Test func aFieldWithLogsMissingIsRefused() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("insert_log/1/10/1001/0/72", 3)
        put("insert_log/1/10/1001/100/73", 3)
        let error = await #expect(throws: BackupError.self) { try await logs([segment(1001)]) }
        #expect(error?.code == .corrupted && error?.message.contains("field 100") == true)
    }

    @Test func aListingWithoutAFieldIsRefused() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("insert_log/1/10/1001/100/72", 3)
        var lister = lister
        lister.requiredFields = [100, 101]
        let error = await #expect(throws: BackupError.self) {
            try await lister.logs(of: [segment(1001)], collectionID: 1)
        }
        #expect(error?.isRetryable == true && error?.message.contains("no logs of field 101") == true)
        var packed = segment(1001)
        packed.storageVersion = 2
        #expect(try await lister.logs(of: [packed], collectionID: 1).count == 1)
    }

    @Test func anEmptySegmentIsLeftOut() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        #expect(try await logs([segment(1000, rows: 0), segment(1001)]).map(\.segmentID) == [1001])
    }

    @Test func segmentsOfDeletionsAreKnownWithAndWithoutLevels() async throws {
        put("delta_log/1/10/1001/71", 3)
        put("delta_log/1/10/1002/72", 3)
        put("delta_log/1/-1/1003/73", 3)
        let found = try await logs([
            segment(1001, rows: 0, level: .l0), segment(1002, rows: 0), segment(1003, partition: -1, rows: 0),
        ])
        #expect(found.map(\.isL0) == [true, true, true])
        #expect(found.map(\.groupID) == [1001, 1002, 0])
        #expect(found.map(\.size) == [3, 3, 3])
    }

    @Test func aSegmentOfAnotherLevelWithDeletionsAloneIsDamaged() async throws {
        put("delta_log/1/10/1001/71", 3)
        await #expect(throws: BackupError.self) { try await logs([segment(1001, level: .l1)]) }
    }

    @Test(arguments: ["insert_log/1/10/1001/0/notes.txt", "insert_log/1/10/1001/71", "delta_log/1/10/1001/0/7/1"])
    func aForeignKeyIsRefusedByName(_ path: String) async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put(path, 1)
        let error = await #expect(throws: BackupError.self) { try await logs([segment(1001)]) }
        #expect(error?.code == .corrupted && error?.message.contains(path) == true)
    }

    @Test func markersOfDirectoriesAreNoLogs() async throws {
        put("insert_log/1/10/1001/0/71", 3)
        put("insert_log/1/10/1001/0/", 0)
        #expect(try await logs([segment(1001)])[0].size == 3)
    }

    @Test func noSegmentsAreNoQuestion() async throws {
        #expect(try await logs([]).isEmpty)
        #expect(store.counts.calls.isEmpty)
    }
}
