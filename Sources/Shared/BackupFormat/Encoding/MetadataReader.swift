import JSON
import Support

/// Reads the metadata files of backups of all versions.
///
/// Sources are synchronous: they give the next piece of a file, nil or an empty one at its end, and may block. So these
/// calls belong on a thread of their own. What cannot be read is `corrupted`, and the message names the file and the
/// place in it.
package enum MetadataReader {
    package typealias Source = () throws -> [UInt8]?

    /// Reads `full_meta.json`, which is preferred where it is there.
    package static func readFull(
        _ source: @escaping Source, options: MetadataReadOptions = .everything
    ) throws -> BackupInfo {
        let backup: BackupInfo = try read(.full, source, options)
        try backup.checkSizes(MetadataFile.full.name)
        return backup
    }

    /// Reads `backup_meta.json`: all of a backup but its collections.
    package static func readSummary(_ source: @escaping Source) throws -> BackupInfo {
        try read(.backup, source, .summary)
    }

    /// Reads `collection_meta.json`, which all versions have written: the collections without their partitions.
    package static func readCollections(_ source: @escaping Source) throws -> [CollectionBackup] {
        var options = MetadataReadOptions.withoutBinlogs
        options.skipsPartitions = true
        let level: Level<CollectionBackup> = try read(.collections, source, options)
        return level.infos
    }

    /// Puts a backup together from the four files that all versions have written.
    ///
    /// Segments belong to the partition with the same collection and partition id, partitions to the collection with
    /// the same id; those that belong nowhere are left out. Sizes are the sums of what was found.
    package static func readLevels(
        backup backupSource: @escaping Source,
        collections collectionSource: @escaping Source,
        partitions partitionSource: @escaping Source,
        segments segmentSource: @escaping Source,
        options: MetadataReadOptions = .everything
    ) throws -> BackupInfo {
        var backup: BackupInfo = try read(.backup, backupSource, .summary)
        if options.skipsCollections { return backup }

        // Some versions repeat the partitions and segments here; the files of their own count.
        var collectionOptions = options
        collectionOptions.skipsPartitions = true
        let collections: Level<CollectionBackup> = try read(.collections, collectionSource, collectionOptions)
        let partitions: Level<PartitionBackup> = try read(.partitions, partitionSource, options)
        let segments: Level<SegmentBackup> = try read(.segments, segmentSource, options)
        backup.assemble(collections.infos, partitions.infos, segments.infos)
        try backup.checkSizes(MetadataFile.segments.name)
        return backup
    }

    private static func read<Object: MetadataReadable>(
        _ file: MetadataFile, _ source: @escaping Source, _ options: MetadataReadOptions
    ) throws -> Object {
        var reader = JSONReader(name: file.name, source: source)
        guard try reader.nextKind() == .object else { throw reader.failure("object expected") }
        let object = try Object(from: &reader, options)
        try reader.finish()
        return object
    }
}

/// `{"infos":[…]}`: a file of one level.
private struct Level<Info: MetadataReadable>: MetadataReadable {
    typealias Key = LevelKey
    static var keys: JSONKeys<LevelKey> { LevelKey.keys }

    var infos: [Info] = []

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        infos = try reader.readObjects(options)
    }
}

private enum LevelKey: String, CaseIterable {
    case infos
    static let keys = JSONKeys<Self>()
}

extension BackupInfo {
    /// Bytes of a whole backup, at most: 64 PiB. Whoever adds some of its sizes up needs not think of an overflow.
    package static let maximumSize: Int64 = 1 << 56

    /// - Throws: `corrupted` when the sizes are negative or add up to more than any store holds.
    fileprivate func checkSizes(_ file: String) throws(BackupError) {
        var total: Int64 = 0
        var isWrong = false
        func add(_ size: Int64) {
            isWrong = isWrong || size < 0 || size > Self.maximumSize - total
            if !isWrong { total += size }
        }
        func add(_ segment: SegmentBackup) {
            add(segment.size)
            for log in segment.insertLogs.binlogs { add(log.size) }
            for log in segment.deltaLogs.binlogs { add(log.size) }
        }
        for collection in collections {
            for partition in collection.partitions { for segment in partition.segments { add(segment) } }
            for segment in collection.l0Segments { add(segment) }
        }
        guard isWrong else { return }
        throw BackupError(.corrupted, "\(file): the sizes of the segments cannot be right")
    }

    private struct PartitionReference: Hashable {
        let collectionID: Int64
        let partitionID: Int64
    }

    fileprivate mutating func assemble(
        _ collections: [CollectionBackup], _ partitions: [PartitionBackup], _ segments: [SegmentBackup]
    ) {
        let segmentsOf = Dictionary(grouping: segments) {
            PartitionReference(collectionID: $0.collectionID, partitionID: $0.partitionID)
        }
        var partitionsOf: [Int64: [PartitionBackup]] = [:]
        for var partition in partitions {
            let reference = PartitionReference(
                collectionID: partition.collectionID, partitionID: partition.partitionID)
            partition.segments = segmentsOf[reference] ?? []
            partition.size = partition.segments.sumOfSizes(\.size)
            partitionsOf[partition.collectionID, default: []].append(partition)
        }
        self.collections = collections.map { collection in
            var collection = collection
            collection.partitions = partitionsOf[collection.collectionID] ?? []
            let l0Size = collection.l0Segments.sumOfSizes(\.size)
            collection.size = collection.partitions.sumOfSizes(\.size) &+ l0Size
            return collection
        }
        size = self.collections.sumOfSizes(\.size)
    }
}

extension Array {
    /// A sum that foreign numbers cannot make overflow: it ends at the largest number there is.
    package func sumOfSizes(_ size: KeyPath<Element, Int64>) -> Int64 {
        reduce(0) { sum, element in
            let (next, isTooLarge) = sum.addingReportingOverflow(element[keyPath: size])
            return isTooLarge ? .max : next
        }
    }
}
