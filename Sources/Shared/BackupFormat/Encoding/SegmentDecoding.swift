import JSON

extension PartitionBackup: MetadataReadable {
    enum Key: String, CaseIterable {
        case partitionID = "partition_id"
        case name = "partition_name"
        case collectionID = "collection_id"
        case segments = "segment_backups"
        case size
        case loadState = "load_state"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .partitionID: partitionID = try reader.readInt64()
        case .name: name = try reader.readString()
        case .collectionID: collectionID = try reader.readInt64()
        case .segments: segments = try reader.readObjects(options)
        case .size: size = try reader.readInt64()
        case .loadState: loadState = try reader.readString()
        }
    }
}

extension SegmentBackup: MetadataReadable {
    // `statslogs` and `backuped` of old backups say nothing that is needed.
    enum Key: String, CaseIterable {
        case segmentID = "segment_id"
        case collectionID = "collection_id"
        case partitionID = "partition_id"
        case rowCount = "num_of_rows"
        case insertLogs = "binlogs"
        case deltaLogs = "deltalogs"
        case size
        case groupID = "group_id"
        case isL0 = "is_l0"
        case virtualChannel = "v_channel"
        case storageVersion = "storage_version"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .segmentID: segmentID = try reader.readInt64()
        case .collectionID: collectionID = try reader.readInt64()
        case .partitionID: partitionID = try reader.readInt64()
        case .rowCount: rowCount = try reader.readInt64()
        case .insertLogs: insertLogs = try reader.readFieldBinlogs(options)
        case .deltaLogs: deltaLogs = try reader.readFieldBinlogs(options)
        case .size: size = try reader.readInt64()
        case .groupID: groupID = try reader.readInt64()
        case .isL0: isL0 = try reader.readBool()
        case .virtualChannel: virtualChannel = try reader.readRepeatedString()
        case .storageVersion: storageVersion = try reader.readInt64()
        }
    }
}

private enum FieldBinlogKey: String, CaseIterable {
    case fieldID, binlogs
    static let keys = JSONKeys<Self>()
}

private enum BinlogKey: String, CaseIterable {
    case path = "log_path"
    case size = "log_size"
    case id = "log_id"
    static let keys = JSONKeys<Self>()
}

extension JSONReader {
    fileprivate mutating func readFieldBinlogs(_ options: MetadataReadOptions) throws -> FieldBinlogs {
        var fields = FieldBinlogs()
        if options.skipsBinlogs {
            try skipValue()
            return fields
        }
        try forEachElement { reader in
            let start = fields.count
            var fieldID: Int64 = 0
            try reader.forEachMember(FieldBinlogKey.keys) { reader, key in
                switch key {
                case .fieldID: fieldID = try reader.readInt64()
                case .binlogs: try reader.forEachElement { fields.append(try $0.readBinlog()) }
                }
            }
            if fields.count == start {
                fields.appendEmptyField(fieldID)
            } else {
                fields.setFieldID(fieldID, from: start)
            }
        }
        fields.trim()
        return fields
    }

    private mutating func readBinlog() throws -> Binlog {
        var binlog = Binlog(logID: 0, size: 0)
        var idInPath: Int64 = 0
        try forEachMember(BinlogKey.keys) { reader, key in
            switch key {
            case .path: idInPath = try reader.readString { SourceKey.lastNumber(of: $0) ?? 0 }
            case .size: binlog.size = max(0, try reader.readInt64())
            case .id: binlog.logID = try reader.readInt64()
            }
        }
        // Backups up to v0.5.3 have the id in the path only.
        if binlog.logID == 0 { binlog.logID = idInPath }
        return binlog
    }
}
