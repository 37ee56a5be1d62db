import BackupFormat
import CopyWorker
import ShardProtocol
import ShardScheduling
import Synchronization
import Testing

@testable import Coordinator

@Suite struct CopyPlanTests {
    private static let source = MilvusPaths(root: "files")
    private static let destination = BackupPaths(root: "backup", name: "nightly")

    private func plan(groupSize: Int64 = 1 << 30, limits: ShardLimits = ShardLimits()) -> CopyPlan {
        CopyPlan(
            source: Self.source, destination: Self.destination, mode: .auto, maximumGroupSize: groupSize,
            limits: limits)
    }

    private func copies(_ shards: some Sequence<Shard>) -> [String: String] {
        var copies: [String: String] = [:]
        for shard in shards {
            for task in shard.tasks { copies[shard.sourceKey(of: task)] = shard.destinationKey(of: task) }
        }
        return copies
    }

    @Test func everyLogHasItsPlace() {
        let collection = CollectionBackup.sample(
            segments: [
                10: [.sample(1001, logs: 1, deltas: 1)], 11: [.sample(1002, partition: 11, logs: 1, deltas: 0)],
            ],
            l0: [.sample(1003, partition: -1, deltas: 1, isL0: true)])
        #expect(
            copies(plan().shards(of: collection)) == [
                "files/insert_log/1/10/1001/0/1001000": "backup/nightly/binlogs/insert_log/1/10/1001/1001/0/1001000",
                "files/insert_log/1/10/1001/1/1001000": "backup/nightly/binlogs/insert_log/1/10/1001/1001/1/1001000",
                "files/insert_log/1/10/1001/100/1001000":
                    "backup/nightly/binlogs/insert_log/1/10/1001/1001/100/1001000",
                "files/delta_log/1/10/1001/1001500": "backup/nightly/binlogs/delta_log/1/10/1001/1001/1001500",
                "files/insert_log/1/11/1002/0/1002000": "backup/nightly/binlogs/insert_log/1/11/1002/1002/0/1002000",
                "files/insert_log/1/11/1002/1/1002000": "backup/nightly/binlogs/insert_log/1/11/1002/1002/1/1002000",
                "files/insert_log/1/11/1002/100/1002000":
                    "backup/nightly/binlogs/insert_log/1/11/1002/1002/100/1002000",
                "files/delta_log/1/-1/1003/1003500": "backup/nightly/binlogs/delta_log/1/-1/1003/1003500",
            ])
    }

    /// A collection may have a million logs, and its keys take much more room than its numbers.
    @Test func copiesAreMadeAsTheyAreAskedForAlsoThroughAFilter() {
        let made = Mutex(0)
        let copies = plannedCopies(of: (1...100).map { .sample($0) }) { _, log, _ in
            made.withLock { $0 += 1 }
            return ("source/\(log.logID)", "destination/\(log.logID)")
        }.filter { $0.size >= 0 }
        var iterator = copies.makeIterator()
        #expect(iterator.next() != nil)
        #expect(made.withLock { $0 } == 1)
    }

    @Test func aShardStaysInOnePartition() {
        let collection = CollectionBackup.sample(
            segments: [10: [.sample(1001), .sample(1002)], 11: [.sample(1003, partition: 11)]],
            l0: [.sample(1004, partition: -1, isL0: true)])
        let shards = Array(plan().shards(of: collection))
        #expect(shards.map(\.tasks.count) == [14, 7, 1])
        #expect(shards.allSatisfy { $0.source == .milvus && $0.destination == .backup && $0.mode == .auto })
    }

    @Test func groupsBeginNewShards() {
        let collection = CollectionBackup.sample(segments: [10: (1...4).map { .sample($0) }])
        let size = collection.partitions[0].segments[0].size
        #expect(Array(plan(groupSize: size).shards(of: collection)).count == 4)
        #expect(Array(plan(groupSize: 2 * size).shards(of: collection)).count == 2)
    }

    @Test func anEmptyCollectionHasNoShards() {
        for collection in [CollectionBackup.sample(segments: [:]), .sample(segments: [10: []])] {
            #expect(Array(plan().shards(of: collection)).isEmpty)
            #expect(plan().amount(of: collection) == WorkAmount())
        }
    }

    /// What is announced is what comes, whatever the shape.
    @Test(arguments: 0..<300) func theAmountIsThatOfTheShards(_ seed: UInt64) {
        var random = SeededNumbers(seed)
        func segments(_ partition: Int64, isL0: Bool) -> [SegmentBackup] {
            (0..<Int64.random(in: 0...6, using: &random)).map { index in
                .sample(
                    partition * 100 + 200 + index, partition: partition, logs: .random(in: 0...5, using: &random),
                    deltas: .random(in: 0...4, using: &random), isL0: isL0 || Bool.random(using: &random))
            }
        }
        let collection = CollectionBackup.sample(
            segments: [10: segments(10, isL0: false), 11: segments(11, isL0: false)], l0: segments(-1, isL0: true))
        let plan = plan(
            groupSize: .random(in: 1...2000, using: &random),
            limits: ShardLimits(
                bytes: .random(in: 1...400, using: &random), tasks: .random(in: 1...12, using: &random)))
        let shards = Array(plan.shards(of: collection))
        let logs = collection.segments.reduce(0) { $0 + Array($1.insertLogs.binlogs + $1.deltaLogs.binlogs).count }
        let expected = WorkAmount(
            shards: shards.count, objects: shards.reduce(0) { $0 + $1.tasks.count },
            bytes: shards.reduce(0) { $0 + $1.bytes })
        #expect(plan.amount(of: collection) == expected)
        #expect(expected.objects == logs && expected.bytes == collection.size)
        #expect(shards.allSatisfy { !$0.tasks.isEmpty && $0.tasks.count <= plan.limits.tasks })
        #expect(copies(shards).count == logs)
    }

    @Test func shardsAreMadeOneByOne() {
        let collection = CollectionBackup.sample(segments: [10: (1...50).map { .sample($0) }])
        var iterator = plan(limits: ShardLimits(tasks: 7)).shards(of: collection).makeIterator()
        #expect(iterator.next()?.tasks.count == 7)
        #expect(iterator.next()?.tasks.count == 7)
    }
}

extension Sequence {
    fileprivate static func + (left: Self, right: Self) -> [Element] { Array(left) + Array(right) }
}
