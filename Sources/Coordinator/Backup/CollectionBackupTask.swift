import BackupFormat
import Configuration
import MilvusClient
import ShardScheduling
import Support

/// Backs up one collection after the other, in three steps that the strategy of the backup puts together.
struct CollectionBackupTask: Sendable {
    let backupName: String
    let context: JobContext
    let dispatcher: Dispatcher
    let pause: GarbageCollectionPause

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var milvusPaths: MilvusPaths { MilvusPaths(root: context.configuration.milvus.storage.rootPath) }
    private var backupPaths: BackupPaths {
        BackupPaths(root: context.configuration.backup.storage.rootPath, name: backupName)
    }

    /// Nil for a collection whose data lies outside of Milvus.
    func describe(_ name: CollectionName) async throws -> CollectionBackup? {
        context.monitor.begin(name)
        var collection = try await timer.measureMilvus(.describe) { try await milvus.describeForBackup(name) }
        collection?.id = context.id
        return collection
    }

    /// Brings a collection's data to storage, and records up to where.
    func flush(_ collection: CollectionBackup) async throws -> CollectionBackup {
        let name = collection.qualifiedName
        let flushed = try await timer.measureMilvus(.flush) {
            try await milvus.flushAndWait(name.collection, database: name.database)
        }
        var collection = collection
        collection.backupPhysicalTimestamp = UInt64(max(0, flushed.sealTime))
        collection.channelCheckpoints = flushed.channelCheckpoints.mapValues { base64Encoded($0.position) }
        collection.backupTimestamp = flushed.latestCheckpoint
        return collection
    }

    /// Copies what is in storage, and records it.
    func copyData(of collection: CollectionBackup) async throws -> CollectionBackup {
        await pause.begin(collection: collection.collectionID)
        let segments = try await withRetries(RetryPolicy(attempts: 5, initialDelay: .seconds(1))) {
            try await segmentsInStorage(of: collection)
        }
        var collection = collection
        try await place(segments, into: &collection)
        let planned = collection
        let plan = CopyPlan(
            source: milvusPaths, destination: backupPaths, mode: context.transferMode,
            maximumGroupSize: context.configuration.backup.maximumSegmentGroupSize, limits: context.shardLimits)
        let (name, monitor) = (planned.qualifiedName, context.monitor)
        monitor.setSize(planned.size, of: name)
        await dispatcher.announce(plan.amount(of: planned), job: context.id)
        try await timer.measure(.copy) {
            try await dispatcher.copy(plan.shards(of: planned), job: context.id, lane: planned.collectionID) {
                monitor.advance(name, by: $0)
            }
        }
        try await timer.measure(.verify) {
            try await CopyVerifier(store: context.stores.backup, paths: backupPaths).verify(planned)
        }
        monitor.finish(name)
        await pause.end(collection: collection.collectionID)
        context.logger.info(
            "collection copied",
            [
                "collection": planned.qualifiedName, "segments": segments.count, "size": formattedBytes(planned.size),
            ])
        return planned
    }

    /// The segments with their logs. A compaction that goes on meanwhile may make a second look necessary.
    private func segmentsInStorage(of collection: CollectionBackup) async throws -> [SegmentBackup] {
        let name = collection.qualifiedName
        let segments = try await timer.measureMilvus(.listSegments) {
            try await milvus.persistentSegments(of: name.collection, database: name.database)
        }.filter(\.state.isBackedUp)
        return try await timer.measure(.listBinlogs) {
            try await SegmentLogLister(store: context.stores.milvus, paths: milvusPaths)
                .logs(of: segments, collectionID: collection.collectionID)
        }
    }

    /// Puts segments into their partitions. A partition that was made since the collection was described is described now.
    private func place(_ segments: [SegmentBackup], into collection: inout CollectionBackup) async throws {
        let known = Set(collection.partitions.map(\.partitionID) + [SegmentBackup.allPartitions])
        if segments.contains(where: { !known.contains($0.partitionID) }) {
            let name = collection.qualifiedName
            let partitions = try await timer.measureMilvus(.describe) {
                try await milvus.showPartitions(of: name.collection, database: name.database)
            }
            for partition in partitions where !known.contains(partition.id) {
                collection.partitions.append(
                    PartitionBackup(
                        partitionID: partition.id, name: partition.name, collectionID: collection.collectionID))
            }
        }
        let byPartition = Dictionary(grouping: segments, by: \.partitionID)
        for index in collection.partitions.indices {
            let own = byPartition[collection.partitions[index].partitionID] ?? []
            collection.partitions[index].segments = own
            collection.partitions[index].size = own.reduce(0) { $0 + $1.size }
        }
        collection.l0Segments = byPartition[SegmentBackup.allPartitions] ?? []
        collection.size = (collection.partitions.map(\.size) + collection.l0Segments.map(\.size)).reduce(0, +)
    }
}

extension Milvus.SegmentState {
    /// Whether a segment's data is in storage and still wanted. A sealed one is being flushed.
    fileprivate var isBackedUp: Bool { self == .flushed || self == .flushing || self == .sealed }
}
