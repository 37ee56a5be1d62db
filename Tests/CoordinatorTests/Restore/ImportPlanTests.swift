import BackupFormat
import MilvusClient
import Support
import Testing

@testable import Coordinator

@Suite struct ImportPlanTests {
    private let paths = BackupPaths(root: "", name: "restore-temp-1")

    private func requests(_ collection: CollectionBackup) throws -> [[Milvus.ImportRequest]] {
        try ImportPlan(collection).stages.map { stage in stage.map { $0.request(collection: "copy", in: paths) } }
    }

    private func options(_ request: Milvus.ImportRequest) -> [String: String] {
        Dictionary(uniqueKeysWithValues: request.options.map { ($0.key, $0.value) })
    }

    @Test func everyGroupIsImportedIntoItsPartition() throws {
        let stages = try requests(
            .sample(segments: [10: [.sample(1002), .sample(1001)], 11: [.sample(1003, partition: 11)]]))
        #expect(stages.count == 1)
        #expect(
            stages[0].map(\.files)
                == ["1/10/1001", "1/10/1002", "1/11/1003"].map {
                    ["restore-temp-1/binlogs/insert_log/\($0)/", "restore-temp-1/binlogs/delta_log/\($0)/"]
                })
        #expect(stages[0].map(\.partition) == ["p10", "p10", "p11"])
        #expect(stages[0].allSatisfy { $0.collection == "copy" })
        #expect(options(stages[0][0]) == ["backup": "true", "skip_disk_quota_check": "true"])
    }

    @Test func segmentsThatShareAGroupAreImportedOnce() throws {
        let plan = try ImportPlan(
            .sample(segments: [
                10: [.sample(1, group: 1), .sample(2, group: 1), .sample(3, group: 2), .sample(4, group: 1)]
            ]))
        #expect(plan.rows.map(\.groupID) == [1, 2])
        #expect(plan.rows.map { $0.segments.map(\.segmentID) } == [[1, 2, 4], [3]])
        #expect(plan.rows.map(\.size) == [3, 1].map { $0 * SegmentBackup.sample(1).size })
    }

    @Test func withoutGroupsThePartitionIsOneImport() throws {
        let requests = try requests(.sample(segments: [10: [.sample(1, group: 0), .sample(2, group: 0, deltas: 0)]]))
        #expect(
            requests.map { $0.map(\.files) } == [
                [["restore-temp-1/binlogs/insert_log/1/10/", "restore-temp-1/binlogs/delta_log/1/10/"]]
            ])
    }

    @Test func thereAreAlwaysTwoEntries() throws {
        let requests = try requests(.sample(segments: [10: [.sample(1, deltas: 0)]]))
        #expect(requests[0][0].files == ["restore-temp-1/binlogs/insert_log/1/10/1/", ""])
    }

    @Test func deletionsComeAfterTheRowsAndThoseOfAllPartitionsLast() throws {
        let stages = try requests(
            .sample(
                segments: [10: [.sample(7, isL0: true), .sample(1)], 11: [.sample(8, partition: 11, isL0: true)]],
                l0: [.sample(9, partition: -1, isL0: true)]))
        #expect(
            stages.map { $0.map(\.files) } == [
                [["restore-temp-1/binlogs/insert_log/1/10/1/", "restore-temp-1/binlogs/delta_log/1/10/1/"]],
                [["restore-temp-1/binlogs/delta_log/1/10/7/"], ["restore-temp-1/binlogs/delta_log/1/11/8/"]],
                [["restore-temp-1/binlogs/delta_log/1/-1/9/"]],
            ])
        #expect(stages.map { $0.map(\.partition) } == [["p10"], ["p10", "p11"], [""]])
        #expect(options(stages[2][0]) == ["l0_import": "true", "skip_disk_quota_check": "true"])
    }

    @Test func theStorageVersionGoesAlong() throws {
        var segment = SegmentBackup.sample(1)
        segment.storageVersion = 2
        #expect(try options(requests(.sample(segments: [10: [segment]]))[0][0])["storage_version"] == "2")
    }

    @Test func groupsAndNoGroupsInOnePartitionAreDamage() {
        let error = #expect(throws: BackupError.self) {
            try ImportPlan(.sample(segments: [10: [.sample(1, group: 0), .sample(2)]]))
        }
        #expect(error?.code == .corrupted)
        #expect(error?.message.contains("partition p10 of default.items") == true)
    }

    @Test func idsThatMilvusDoesNotGiveAreDamage() {
        var collection = CollectionBackup.sample()
        collection.partitions[0].segments[0].segmentID = -1001
        #expect(throws: BackupError.self) { try ImportPlan(collection) }
        collection = .sample()
        collection.partitions[0].segments[0].groupID = -5
        #expect(throws: BackupError.self) { try ImportPlan(collection) }
        collection = .sample(id: -1)
        #expect(throws: BackupError.self) { try ImportPlan(collection) }
        // Deletions of another collection's directory.
        collection = .sample(l0: [.sample(5, collection: 2, partition: -1, isL0: true)])
        #expect(throws: BackupError.self) { try ImportPlan(collection) }
        collection = .sample(l0: [.sample(5, partition: -2, isL0: true)])
        #expect(throws: BackupError.self) { try ImportPlan(collection) }
    }

    @Test func nothingToImportIsNoPlan() throws {
        #expect(try ImportPlan(.sample(segments: [:])).stages.isEmpty)
        #expect(try ImportPlan(.sample(segments: [10: []])).units.isEmpty)
    }

    /// What is staged for an import is what lies below its directories.
    @Test func theLogsOfAUnitLieBelowItsDirectories() throws {
        let collection = CollectionBackup.sample(
            segments: [10: [.sample(1), .sample(2, isL0: true)], 11: [.sample(3, partition: 11, group: 0)]],
            l0: [.sample(4, partition: -1, isL0: true)])
        for unit in try ImportPlan(collection).units {
            let directories = unit.request(collection: "c", in: paths).files.filter { !$0.isEmpty }
            for segment in unit.segments {
                for kind in LogKind.allCases {
                    for log in segment.logs(kind).binlogs {
                        let key = paths.binlogRoot + paths.relativePath(kind, log, of: segment)
                        #expect(directories.contains { key.hasPrefix($0) }, "\(key)")
                        #expect(key.hasPrefix(unit.prefix(kind, in: paths)))
                    }
                }
            }
        }
    }
}
