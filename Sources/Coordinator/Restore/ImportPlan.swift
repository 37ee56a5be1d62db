import BackupFormat
import MilvusClient
import Support

/// Segments that Milvus imports at once: those in one directory.
struct ImportUnit: Sendable {
    /// Where they go; empty for all partitions.
    var partition: String
    var partitionID: Int64
    /// 0 for a partition without groups.
    var groupID: Int64
    var collectionID: Int64
    /// Deletions alone: one segment.
    var isL0 = false
    var segments: [SegmentBackup]
    var options = ImportOptions()

    var size: Int64 { segments.reduce(0) { $0 + $1.size } }

    var hasDeltaLogs: Bool {
        segments.contains { segment in segment.deltaLogs.binlogs.contains { _ in true } }
    }

    /// Directory of one kind of logs, in the backup or where it is staged.
    func prefix(_ kind: LogKind, in paths: BackupPaths) -> String {
        if isL0, let segment = segments.first { return paths.l0ImportPrefix(of: segment) }
        return paths.importPrefix(kind, collectionID: collectionID, partitionID: partitionID, groupID: groupID)
    }

    /// What Milvus is asked to do.
    ///
    /// - Parameter paths: where the logs are in Milvus' bucket.
    func request(collection: String, in paths: BackupPaths) -> Milvus.ImportRequest {
        var request = Milvus.ImportRequest()
        request.collection = collection
        request.partition = partition
        request.options = [Milvus.KeyValuePair(isL0 ? "l0_import" : "backup", "true")]
        request.options.append(Milvus.KeyValuePair("skip_disk_quota_check", "true"))
        if isL0 {
            request.files = [prefix(.delta, in: paths)]
        } else {
            // Two entries, always: with one, Milvus 2.2 and 2.3 take the directory for a JSON or NumPy file.
            request.files = [prefix(.insert, in: paths), hasDeltaLogs ? prefix(.delta, in: paths) : ""]
        }
        let version = segments.first?.storageVersion ?? 0
        if version > 0 { request.options.append(Milvus.KeyValuePair("storage_version", String(version))) }
        request.options += options.pairs
        return request
    }
}

/// The imports that bring back the data of one collection. Rows come before the deletions that concern them.
struct ImportPlan: Sendable {
    /// Rows, each distinct directory once.
    var rows: [ImportUnit] = []
    /// Deletions within a partition.
    var partitionDeletions: [ImportUnit] = []
    /// Deletions in all partitions.
    var collectionDeletions: [ImportUnit] = []

    /// In the order in which they may begin.
    var stages: [[ImportUnit]] { [rows, partitionDeletions, collectionDeletions].filter { !$0.isEmpty } }
    var units: [ImportUnit] { stages.flatMap { $0 } }

    /// - Throws: `corrupted` when a segment is recorded where it does not belong, or segments with and without groups lie in
    ///   one partition, which no version writes.
    init(_ collection: CollectionBackup) throws(BackupError) {
        try ImportPlan.checkIDs(of: collection)
        for partition in collection.partitions {
            try ImportPlan.checkPlaces(of: partition, in: collection)
            let withRows = partition.segments.filter { !$0.isL0 }
            let groups = Dictionary(grouping: withRows, by: \.groupID)
            guard groups[0] == nil || groups.count == 1 else {
                throw BackupError(
                    .corrupted,
                    "partition \(partition.name) of \(collection.qualifiedName) has segments with and "
                        + "without a group")
            }
            rows += groups.sorted { $0.key < $1.key }.map { id, segments in
                ImportUnit(
                    partition: partition.name, partitionID: partition.partitionID, groupID: id,
                    collectionID: collection.collectionID, segments: segments)
            }
            partitionDeletions += partition.segments.filter(\.isL0).map {
                ImportPlan.deletions($0, of: collection, partition: partition.name)
            }
        }
        collectionDeletions = collection.l0Segments.map { ImportPlan.deletions($0, of: collection, partition: "") }
    }

    /// Keys are made of the ids: they must be such that Milvus gives, and those of deletions be of this collection.
    private static func checkIDs(of collection: CollectionBackup) throws(BackupError) {
        let segments = collection.partitions.lazy.flatMap(\.segments)
        let wrong =
            collection.collectionID < 0
            || collection.partitions.contains { $0.partitionID < SegmentBackup.allPartitions }
            || segments.contains { $0.segmentID < 0 || $0.groupID < 0 }
            || collection.l0Segments.contains { segment in
                segment.segmentID < 0 || segment.groupID < 0 || segment.partitionID < SegmentBackup.allPartitions
                    || segment.collectionID != collection.collectionID
            }
        guard wrong else { return }
        throw BackupError(
            .corrupted,
            "collection \(collection.collectionID) (\(collection.qualifiedName)) has an id that is negative, or deletions "
                + "of another collection")
    }

    /// The directory that is imported is made of the partition's ids, the objects in it of the segments': they must agree.
    private static func checkPlaces(
        of partition: PartitionBackup, in collection: CollectionBackup
    ) throws(BackupError) {
        let stray = partition.segments.first {
            $0.partitionID != partition.partitionID || $0.collectionID != collection.collectionID
        }
        guard let stray else { return }
        throw BackupError(
            .corrupted,
            "segment \(stray.segmentID) is recorded in partition \(partition.partitionID) of collection "
                + "\(collection.collectionID) (\(collection.qualifiedName)) and belongs to partition "
                + "\(stray.partitionID) of collection \(stray.collectionID)")
    }

    private static func deletions(
        _ segment: SegmentBackup, of collection: CollectionBackup, partition: String
    ) -> ImportUnit {
        ImportUnit(
            partition: partition, partitionID: segment.partitionID, groupID: segment.groupID,
            collectionID: collection.collectionID, isL0: true, segments: [segment])
    }
}
