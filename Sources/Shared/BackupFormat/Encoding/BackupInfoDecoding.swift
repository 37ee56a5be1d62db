import JSON

extension BackupInfo: MetadataReadable {
    // The state, times and progress that old backups have mean nothing any more.
    enum Key: String, CaseIterable {
        case id, name, size, format
        case backupTimestamp = "backup_timestamp"
        case collections = "collection_backups"
        case milvusVersion = "milvus_version"
        case rbac = "rbac_meta"
        case rpcChannel = "rpc_channel_info"
        case databases = "database_backups"
        case flushAllMessages = "flush_all_msgs_base64"
        case controlChannelName = "control_channel_name"
        case physicalChannelNames = "physical_channel_names"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .id: id = try reader.readString()
        case .name: name = try reader.readString()
        case .backupTimestamp: backupTimestamp = try reader.readUInt64()
        case .collections:
            if options.skipsCollections { return try reader.skipValue() }
            collections = try reader.readObjects(options)
        case .size: size = try reader.readInt64()
        case .milvusVersion: milvusVersion = try reader.readString()
        case .rbac: rbac = try RBACMetadata(from: &reader)
        case .rpcChannel: rpcChannel = try RPCChannelInfo(from: &reader)
        case .databases: databases = try reader.readObjects()
        case .flushAllMessages: flushAllMessages = try reader.readStringMap()
        case .controlChannelName: controlChannelName = try reader.readString()
        case .physicalChannelNames: physicalChannelNames = try reader.readStrings()
        case .format: format = DataFormat(rawValue: try reader.readString())
        }
    }
}

extension CollectionBackup: MetadataReadable {
    // `has_index` follows from the indexes.
    enum Key: String, CaseIterable {
        case id, schema, size, properties, aliases
        case collectionID = "collection_id"
        case databaseName = "db_name"
        case collectionName = "collection_name"
        case shardCount = "shards_num"
        case consistencyLevel = "consistency_level"
        case partitions = "partition_backups"
        case backupTimestamp = "backup_timestamp"
        case indexes = "index_infos"
        case loadState = "load_state"
        case backupPhysicalTimestamp = "backup_physical_timestamp"
        case channelCheckpoints = "channel_checkpoints"
        case l0Segments = "l0_segments"
        case databaseID = "db_id"
        case createdTimestamp = "created_timestamp"
        case virtualChannelNames = "virtual_channel_names"
        case physicalChannelNames = "physical_channel_names"
        case snapshot = "snapshot_backup"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .id: id = try reader.readString()
        case .collectionID: collectionID = try reader.readInt64()
        case .databaseName: databaseName = try reader.readString()
        case .collectionName: collectionName = try reader.readString()
        case .schema: schema = try CollectionSchema(from: &reader)
        case .shardCount: shardCount = try reader.readInt32()
        case .consistencyLevel: consistencyLevel = try reader.readInt32()
        case .partitions:
            if options.skipsPartitions { return try reader.skipValue() }
            partitions = try reader.readObjects(options)
        case .backupTimestamp: backupTimestamp = try reader.readUInt64()
        case .size: size = try reader.readInt64()
        case .indexes: indexes = try reader.readObjects()
        case .loadState: loadState = try reader.readString()
        case .backupPhysicalTimestamp: backupPhysicalTimestamp = try reader.readUInt64()
        case .channelCheckpoints: channelCheckpoints = try reader.readStringMap()
        case .l0Segments: l0Segments = try reader.readObjects(options)
        case .properties: properties = try reader.readObjects()
        case .databaseID: databaseID = try reader.readInt64()
        case .createdTimestamp: createdTimestamp = try reader.readUInt64()
        case .virtualChannelNames: virtualChannelNames = try reader.readStrings()
        case .physicalChannelNames: physicalChannelNames = try reader.readStrings()
        case .aliases: aliases = try reader.readStrings()
        case .snapshot: snapshot = try SnapshotBackup(from: &reader)
        }
    }
}

extension DatabaseBackup: MetadataObject {
    enum Key: String, CaseIterable {
        case name = "db_name"
        case id = "db_id"
        case properties
        case encryptionZoneKey = "ezk"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .name: name = try reader.readString()
        case .id: id = try reader.readInt64()
        case .properties: properties = try reader.readObjects()
        case .encryptionZoneKey: encryptionZoneKey = try reader.readString()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("db_name", name)
        try writer.memberIfSet("db_id", id)
        try writer.memberIfSet("properties", properties)
        try writer.memberIfSet("ezk", encryptionZoneKey)
    }
}

extension RPCChannelInfo: MetadataObject {
    enum Key: String, CaseIterable { case name, position }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .name: name = try reader.readString()
        case .position: position = try reader.readString()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("name", name)
        try writer.memberIfSet("position", position)
    }
}

extension SnapshotBackup: MetadataObject {
    enum Key: String, CaseIterable {
        case metadataPath = "metadata_path"
        case totalFiles = "total_files"
        case totalBytes = "total_bytes"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .metadataPath: metadataPath = try reader.readString()
        case .totalFiles: totalFiles = try reader.readInt64()
        case .totalBytes: totalBytes = try reader.readInt64()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("metadata_path", metadataPath)
        try writer.memberIfSet("total_files", totalFiles)
        try writer.memberIfSet("total_bytes", totalBytes)
    }
}
