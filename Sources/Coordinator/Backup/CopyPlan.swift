import BackupFormat
import Configuration
import ShardProtocol
import ShardScheduling
import Support

/// Turns the segments of a collection into shards.
struct CopyPlan: Sendable {
    let source: MilvusPaths
    let destination: BackupPaths
    let mode: TransferMode
    /// Bytes of the segments of one group, at most.
    let maximumGroupSize: Int64
    let limits: ShardLimits
    /// What needs not be copied any more.
    var finished = FinishedObjects()

    /// The shards of a collection, made one by one as they are asked for. Each belongs to one segment group, and so to one
    /// partition. Large objects are in none of them.
    func shards(of collection: CollectionBackup) -> some Sequence<Shard> {
        let cutter = ShardCutter(source: .milvus, destination: .backup, mode: mode, limits: limits)
        return groups(of: collection).lazy.flatMap { group in
            ShardSequence(copies: copies(of: group) { [limits] in $0 < limits.largeObject }, cutter: cutter)
        }
    }

    /// The objects of a collection that are copied in parts.
    func largeObjects(of collection: CollectionBackup) -> [PlannedCopy] {
        guard limits.largeObject < .max else { return [] }
        return groups(of: collection).flatMap { copies(of: $0) { [limits] in $0 >= limits.largeObject } }
    }

    /// All there is to copy, without making a single key.
    func amount(of collection: CollectionBackup) -> WorkAmount {
        groups(of: collection).reduce(WorkAmount()) { $0 + workAmount(of: $1, limits: limits) }
    }

    private func groups(of collection: CollectionBackup) -> [[SegmentBackup]] {
        let grouping = SegmentGrouping(maximumSize: maximumGroupSize)
        return (collection.partitions.map(\.segments) + [collection.l0Segments]).flatMap { segments in
            var rest = segments[...]
            return grouping.groups(of: segments.lazy.map { .init(id: $0.segmentID, bytes: $0.size) }).map { group in
                defer { rest = rest.dropFirst(group.count) }
                return Array(rest.prefix(group.count))
            }
        }
    }

    private func copies(
        of group: [SegmentBackup], where isWanted: @escaping @Sendable (Int64) -> Bool
    ) -> some Sequence<PlannedCopy> {
        let directory = destination.directory
        return plannedCopies(of: group, where: isWanted) { kind, log, segment in
            (
                source.rootPrefix + source.relativePath(kind, log, of: segment),
                destination.binlogRoot + destination.relativePath(kind, log, of: segment)
            )
        }.filter { finished.isEmpty || !finished.contains($0.destination.dropFirst(directory.count), size: $0.size) }
    }
}

extension CopyPlan {
    /// The plan of a job.
    init(_ context: JobContext, backupName: String) {
        self.init(
            source: MilvusPaths(root: context.configuration.milvus.storage.keyRoot),
            destination: BackupPaths(root: context.configuration.backup.storage.keyRoot, name: backupName),
            mode: context.transferMode, maximumGroupSize: context.configuration.backup.maximumSegmentGroupSize,
            limits: context.shardLimits)
    }
}
