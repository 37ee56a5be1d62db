import BackupFormat
import MilvusClient
import ObjectStorageTesting

extension SegmentBackup {
    /// A segment with so many logs of each of the fields 0, 1 and 100, and so many of deletions, as a backup has it.
    static func sample(
        _ id: Int64, collection: Int64 = 1, partition: Int64 = 10, group: Int64? = nil, logs: Int = 2,
        deltas: Int = 1, isL0: Bool = false
    ) -> SegmentBackup {
        var segment = SegmentBackup(segmentID: id, collectionID: collection, partitionID: partition)
        segment.groupID = group ?? (partition == SegmentBackup.allPartitions ? 0 : id)
        segment.isL0 = isL0
        for field: Int64 in [0, 1, 100] where !isL0 {
            for log in 0..<logs {
                segment.insertLogs.append(Binlog(fieldID: field, logID: id * 1000 + Int64(log), size: 10 + field))
            }
        }
        for log in 0..<deltas { segment.deltaLogs.append(Binlog(logID: id * 1000 + 500 + Int64(log), size: 7)) }
        if deltas == 0 { segment.deltaLogs = .emptyField }
        segment.size = (Array(segment.insertLogs.binlogs) + segment.deltaLogs.binlogs).reduce(0) { $0 + $1.size }
        segment.rowCount = isL0 ? 0 : 100
        return segment
    }
}

extension CollectionBackup {
    static func sample(
        _ name: String = "items", database: String = "default", id: Int64 = 1,
        segments: [Int64: [SegmentBackup]] = [10: [.sample(1001), .sample(1002)]], l0: [SegmentBackup] = []
    ) -> CollectionBackup {
        var collection = CollectionBackup(collectionID: id, databaseName: database, collectionName: name)
        collection.schema = .sample(name)
        collection.shardCount = 2
        for (partition, segments) in segments.sorted(by: { $0.key < $1.key }) {
            var entry = PartitionBackup(partitionID: partition, name: "p\(partition)", collectionID: id)
            entry.segments = segments.map { segment in
                var segment = segment
                segment.collectionID = id
                return segment
            }
            entry.size = segments.reduce(0) { $0 + $1.size }
            collection.partitions.append(entry)
        }
        collection.l0Segments = l0
        collection.size = collection.partitions.reduce(0) { $0 + $1.size } + l0.reduce(0) { $0 + $1.size }
        return collection
    }

    var segments: [SegmentBackup] { partitions.flatMap(\.segments) + l0Segments }

    /// Puts every log where it is in a backup, with its size.
    func putLogs(into store: MemoryObjectStore, _ paths: BackupPaths) {
        for segment in segments {
            for kind in LogKind.allCases {
                let logs = kind == .insert ? Array(segment.insertLogs.binlogs) : Array(segment.deltaLogs.binlogs)
                for log in logs {
                    let key = paths.binlogRoot + paths.relativePath(kind, log, of: segment)
                    store.set(key, [UInt8](repeating: 1, count: Int(log.size)))
                }
            }
        }
    }
}

extension BackupFormat.CollectionSchema {
    static func sample(_ name: String = "items") -> BackupFormat.CollectionSchema {
        var schema = BackupFormat.CollectionSchema()
        schema.name = name
        var key = BackupFormat.FieldSchema(fieldID: 100, name: "pk", dataType: 5)
        key.isPrimaryKey = true
        var vector = BackupFormat.FieldSchema(fieldID: 101, name: "emb", dataType: 101)
        vector.typeParameters = [KeyValuePair("dim", "8")]
        schema.fields = [key, vector]
        return schema
    }
}

extension BackupInfo {
    static func sample(_ name: String = "nightly", collections: [CollectionBackup] = [.sample()]) -> BackupInfo {
        var backup = BackupInfo(id: "id", name: name)
        backup.milvusVersion = "v2.3.5"
        backup.collections = collections
        backup.size = collections.reduce(0) { $0 + $1.size }
        return backup
    }
}

extension ServerInfo {
    static func sample(_ major: Int, _ minor: Int, _ patch: Int, databases: Bool = true) -> ServerInfo {
        let version = ServerVersion(major, minor, patch)
        var features = ServerFeatures(of: version)
        if databases { features.insert(.multiDatabase) }
        return ServerInfo(version: "v\(version)", resolvedVersion: version, features: features)
    }
}

/// Numbers that are the same in every run.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
