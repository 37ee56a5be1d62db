import BackupFormat
import Configuration
import ConfiguredStores
import MilvusClient
import Support

/// Finds out which data of a collection is in storage.
struct CollectionInventory: Sendable {
    let context: JobContext
    let features: ServerFeatures

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var paths: MilvusPaths { MilvusPaths(root: context.configuration.milvus.storage.keyRoot) }

    /// The collection with its segments and their logs.
    func taken(of collection: CollectionBackup) async throws -> CollectionBackup {
        let segments = try await withRetries(RetryPolicy(attempts: 5, initialDelay: .seconds(1))) {
            try await segmentsInStorage(of: collection)
        }
        var collection = collection
        try await place(segments, into: &collection)
        return collection
    }

    /// The segments with their logs. A compaction that goes on meanwhile may make a second look necessary.
    private func segmentsInStorage(of collection: CollectionBackup) async throws -> [SegmentBackup] {
        let name = collection.qualifiedName
        let segments = try await timer.measureMilvus(.listSegments) {
            try await milvus.persistentSegments(of: name.collection, database: name.database)
        }.filter(\.state.isBackedUp)
        return try await timer.measure(.listBinlogs) {
            let fields = collection.schema.fieldsOfEverySegment(features)
            let lister = SegmentLogLister(
                store: context.stores.milvus, paths: paths, requiredFields: fields, listing: context.listing)
            return try await lister.logs(of: segments, collectionID: collection.collectionID)
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
            collection.partitions[index].size = own.sumOfSizes(\.size)
        }
        collection.l0Segments = byPartition[SegmentBackup.allPartitions] ?? []
        let sizes = collection.partitions.map(\.size) + collection.l0Segments.map(\.size)
        collection.size = sizes.sumOfSizes(\.self)
        guard collection.size <= BackupInfo.maximumSize else {
            throw BackupError(
                .corrupted, "the sizes of the objects of \(collection.qualifiedName) in Milvus' bucket cannot be right")
        }
    }
}

extension Milvus.SegmentState {
    /// Whether a segment's data is in storage and still wanted. A sealed one is being flushed.
    fileprivate var isBackedUp: Bool { self == .flushed || self == .flushing || self == .sealed }
}

extension CollectionSchema {
    /// Fields that every segment has logs of: the system's two, and those of the creation.
    ///
    /// Where fields can be added to a collection with data in it, such a field has a default value or is null in the segments
    /// before, and the dynamic field may have been added as well.
    func fieldsOfEverySegment(_ features: ServerFeatures) -> Set<Int64> {
        let rowID: Int64 = 0, timestamp: Int64 = 1
        var ids: Set = [rowID, timestamp]
        let mayHaveAdded = features.contains(.addCollectionField)
        for field in fields where !field.isFunctionOutput && !field.isDynamic {
            if mayHaveAdded, field.mayHaveBeenAdded { continue }
            ids.insert(field.fieldID)
        }
        if !mayHaveAdded, let dynamicFieldID { ids.insert(dynamicFieldID) }
        return ids
    }
}

extension FieldSchema {
    fileprivate var mayHaveBeenAdded: Bool {
        isNullable || !defaultValueBase64.isEmpty || !defaultValueProto.isEmpty
    }
}

extension CollectionBackup {
    var segmentCount: Int { partitions.reduce(l0Segments.count) { $0 + $1.segments.count } }
}
