/// A backup: the root of the metadata.
package struct BackupInfo: Sendable, Hashable {
    /// Id of the task that made it.
    package var id = ""
    package var name = ""
    /// Milliseconds since 1970 when the task began. Backups since v0.4.15 do not have it.
    package var backupTimestamp: UInt64 = 0
    package var collections: [CollectionBackup] = []
    /// Bytes of all segments.
    package var size: Int64 = 0
    /// The server's version as it was reported.
    package var milvusVersion = ""
    /// Users, roles and grants; nil when they were not asked for.
    package var rbac: RBACMetadata?
    package var rpcChannel: RPCChannelInfo?
    /// Empty in backups older than v0.5.4: then the collections' databases are all there is.
    package var databases: [DatabaseBackup] = []
    /// Physical channel to base64 of the message of FlushAll.
    package var flushAllMessages: [String: String] = [:]
    package var controlChannelName = ""
    package var physicalChannelNames: [String] = []
    package var format = DataFormat.binlog

    package init() {}

    package init(id: String, name: String) {
        self.id = id
        self.name = name
    }
}

/// How the data of a backup lies in the store.
package struct DataFormat: Sendable, Hashable, RawRepresentable {
    package var rawValue: String
    package init(rawValue: String) { self.rawValue = rawValue }

    /// Insert and delta logs below `binlogs/`.
    package static let binlog = DataFormat(rawValue: "")
    /// A bundle that Milvus 3 writes below `bundle/`.
    package static let snapshot = DataFormat(rawValue: "snapshot")

    /// Restore refuses any other format.
    package var isKnown: Bool { self == .binlog || self == .snapshot }
}

/// The position of the replication channel of Milvus 2.5.
package struct RPCChannelInfo: Sendable, Hashable {
    package var name = ""
    package var position = ""

    package init() {}

    package init(name: String, position: String) {
        self.name = name
        self.position = position
    }
}

/// A database.
package struct DatabaseBackup: Sendable, Hashable {
    package var name = ""
    package var id: Int64 = 0
    package var properties: [KeyValuePair] = []
    /// Key of the encryption zone; empty when the database is not encrypted.
    package var encryptionZoneKey = ""

    package init() {}

    package init(name: String, id: Int64 = 0) {
        self.name = name
        self.id = id
    }
}

/// A collection with its schema, indexes, partitions and segments.
package struct CollectionBackup: Sendable, Hashable {
    /// Id of the backup's task; a value of its own or nothing in old backups.
    package var id = ""
    package var collectionID: Int64 = 0
    /// As the server told it: empty on old servers, which means `default`. See ``qualifiedName``.
    package var databaseName = ""
    package var collectionName = ""
    package var schema = CollectionSchema()
    package var shardCount: Int32 = 0
    /// Milvus' `ConsistencyLevel`.
    package var consistencyLevel: Int32 = 0
    package var partitions: [PartitionBackup] = []
    /// Hybrid timestamp of the flush; 0 when the collection was not flushed on its own.
    package var backupTimestamp: UInt64 = 0
    /// Bytes of the segments, those that concern all partitions included.
    package var size: Int64 = 0
    package var indexes: [IndexInfo] = []
    /// `NotLoad`, `Loading` or `Loaded`.
    package var loadState = ""
    /// Seconds since 1970 of the flush.
    package var backupPhysicalTimestamp: UInt64 = 0
    /// Virtual channel to base64 of its `MsgPosition`.
    package var channelCheckpoints: [String: String] = [:]
    /// Level-0 segments that concern all partitions. Their partition id is −1.
    package var l0Segments: [SegmentBackup] = []
    package var properties: [KeyValuePair] = []
    package var databaseID: Int64 = 0
    /// Hybrid timestamp.
    package var createdTimestamp: UInt64 = 0
    package var virtualChannelNames: [String] = []
    package var physicalChannelNames: [String] = []
    package var aliases: [String] = []
    /// Only in the snapshot format.
    package var snapshot: SnapshotBackup?

    package init() {}

    package init(collectionID: Int64, databaseName: String, collectionName: String) {
        self.collectionID = collectionID
        self.databaseName = databaseName
        self.collectionName = collectionName
    }

    /// Database and collection, the default database by its name.
    package var qualifiedName: CollectionName { CollectionName(database: databaseName, collection: collectionName) }
}

/// Where Milvus has exported a collection to.
package struct SnapshotBackup: Sendable, Hashable {
    /// Key below the backup's directory.
    package var metadataPath = ""
    package var totalFiles: Int64 = 0
    package var totalBytes: Int64 = 0

    package init() {}
}
