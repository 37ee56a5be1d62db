import JSON

/// Writes the metadata files of a backup exactly as Milvus Backup does: compact JSON, members in the order of the
/// original's messages, empty ones left out.
package struct MetadataWriter: Sendable {
    private let paths: MilvusPaths

    /// - Parameter milvusRoot: root of Milvus' data; the paths of the logs begin with it.
    package init(milvusRoot: String) { paths = MilvusPaths(root: milvusRoot) }

    /// Writes one file, a piece of some 64 KiB after the other, to `sink`. It may block the thread.
    package func write(
        _ file: MetadataFile, of backup: BackupInfo, layout: JSONWriter.Layout = .compact,
        to sink: @escaping ([UInt8]) throws -> Void
    ) throws {
        var writer = JSONWriter(layout: layout, sink: sink)
        try writer.beginObject()
        switch file {
        case .full: try writeMembers(of: backup, isFull: true, to: &writer)
        case .backup: try writeMembers(of: backup, isFull: false, to: &writer)
        case .collections:
            try writer.memberIfSet("infos", backup.collections) { writer, collection in
                try write(collection, isFull: false, to: &writer)
            }
        case .partitions:
            try writer.memberIfSet("infos", backup.collections.flatMap(\.partitions)) { writer, partition in
                try write(partition, isFull: false, to: &writer)
            }
        case .segments: try writeSegments(of: backup, to: &writer)
        }
        try writer.endObject()
        try writer.finish()
    }

    /// One file in memory, for small backups.
    package func bytes(_ file: MetadataFile, of backup: BackupInfo) throws -> [UInt8] {
        var bytes: [UInt8] = []
        try write(file, of: backup) { bytes += $0 }
        return bytes
    }

    /// The length of one file, found by writing it to nowhere.
    package func byteCount(_ file: MetadataFile, of backup: BackupInfo) throws -> Int64 {
        var count: Int64 = 0
        try write(file, of: backup) { count += Int64($0.count) }
        return count
    }

    // MARK: The tree

    private func writeMembers(of backup: BackupInfo, isFull: Bool, to writer: inout JSONWriter) throws {
        try writer.memberIfSet("id", backup.id)
        // A state of the past, which every writer still gives as 0.
        try writer.member("state_code", 0)
        try writer.memberIfSet("name", backup.name)
        try writer.memberIfSet("backup_timestamp", backup.backupTimestamp)
        if isFull {
            try writer.memberIfSet("collection_backups", backup.collections) { writer, collection in
                try write(collection, isFull: true, to: &writer)
            }
        }
        try writer.member("size", backup.size)
        try writer.memberIfSet("milvus_version", backup.milvusVersion)
        if isFull {
            try writer.memberIfSet("rbac_meta", backup.rbac)
            try writer.memberIfSet("rpc_channel_info", backup.rpcChannel)
            try writer.memberIfSet("database_backups", backup.databases)
            try writer.memberIfSet("flush_all_msgs_base64", backup.flushAllMessages)
            try writer.memberIfSet("control_channel_name", backup.controlChannelName)
            try writer.memberIfSet("physical_channel_names", backup.physicalChannelNames)
        }
        try writer.memberIfSet("format", backup.format.rawValue)
    }

    /// - Parameter isFull: whether segments are written, those of the partitions and those of the whole collection.
    private func write(_ collection: CollectionBackup, isFull: Bool, to writer: inout JSONWriter) throws {
        try writer.beginObject()
        try writer.memberIfSet("id", collection.id)
        try writer.memberIfSet("collection_id", collection.collectionID)
        try writer.memberIfSet("db_name", collection.databaseName)
        try writer.memberIfSet("collection_name", collection.collectionName)
        try writer.memberIfSet("schema", collection.writtenSchema)
        try writer.memberIfSet("shards_num", collection.shardCount)
        try writer.memberIfSet("consistency_level", collection.consistencyLevel)
        try writer.memberIfSet("partition_backups", collection.partitions) { writer, partition in
            try write(partition, isFull: isFull, to: &writer)
        }
        try writer.memberIfSet("backup_timestamp", collection.backupTimestamp)
        try writer.member("size", collection.size)
        try writer.member("has_index", !collection.indexes.isEmpty)
        try writer.memberIfSet("index_infos", collection.indexes)
        try writer.memberIfSet("load_state", collection.loadState)
        try writer.memberIfSet("backup_physical_timestamp", collection.backupPhysicalTimestamp)
        try writer.memberIfSet("channel_checkpoints", collection.channelCheckpoints)
        if isFull {
            try writer.memberIfSet("l0_segments", collection.l0Segments) { writer, segment in
                try write(segment, to: &writer)
            }
        }
        try writer.memberIfSet("properties", collection.properties)
        try writer.memberIfSet("db_id", collection.databaseID)
        try writer.memberIfSet("created_timestamp", collection.createdTimestamp)
        try writer.memberIfSet("virtual_channel_names", collection.virtualChannelNames)
        try writer.memberIfSet("physical_channel_names", collection.physicalChannelNames)
        try writer.memberIfSet("aliases", collection.aliases)
        try writer.memberIfSet("snapshot_backup", collection.snapshot)
        try writer.endObject()
    }

    private func write(_ partition: PartitionBackup, isFull: Bool, to writer: inout JSONWriter) throws {
        try writer.beginObject()
        try writer.memberIfSet("partition_id", partition.partitionID)
        try writer.memberIfSet("partition_name", partition.name)
        try writer.memberIfSet("collection_id", partition.collectionID)
        if isFull {
            try writer.memberIfSet("segment_backups", partition.segments) { writer, segment in
                try write(segment, to: &writer)
            }
        }
        try writer.member("size", partition.size)
        try writer.memberIfSet("load_state", partition.loadState)
        try writer.endObject()
    }

    private func writeSegments(of backup: BackupInfo, to writer: inout JSONWriter) throws {
        let partitions = backup.collections.lazy.flatMap(\.partitions)
        guard partitions.contains(where: { !$0.segments.isEmpty }) else { return }
        try writer.key("infos")
        try writer.beginArray()
        for partition in partitions {
            for segment in partition.segments { try write(segment, to: &writer) }
        }
        try writer.endArray()
    }

    // MARK: Segments

    private func write(_ segment: SegmentBackup, to writer: inout JSONWriter) throws {
        try writer.beginObject()
        try writer.memberIfSet("segment_id", segment.segmentID)
        try writer.memberIfSet("collection_id", segment.collectionID)
        try writer.memberIfSet("partition_id", segment.partitionID)
        try writer.memberIfSet("num_of_rows", segment.rowCount)
        try write(segment.insertLogs, "binlogs", of: segment, .insert, to: &writer)
        try write(segment.deltaLogs, "deltalogs", of: segment, .delta, to: &writer)
        try writer.member("size", segment.size)
        try writer.memberIfSet("group_id", segment.groupID)
        try writer.memberIfSet("is_l0", segment.isL0)
        try writer.memberIfSet("v_channel", segment.virtualChannel)
        try writer.memberIfSet("storage_version", segment.storageVersion)
        try writer.endObject()
    }

    private func write(
        _ fields: FieldBinlogs, _ key: String, of segment: SegmentBackup, _ kind: LogKind, to writer: inout JSONWriter
    ) throws {
        guard !fields.isEmpty else { return }
        // The paths of a segment's logs differ in their last elements only.
        var path = Array(paths.segmentPrefix(kind, of: segment).utf8)
        let directoryLength = path.count
        try writer.key(key)
        try writer.beginArray()
        try fields.forEachField { fieldID, binlogs in
            path.removeLast(path.count - directoryLength)
            if kind == .insert {
                path.appendDecimal(fieldID)
                path.append(UInt8(ascii: "/"))
            }
            try writer.beginObject()
            try writer.memberIfSet("fieldID", fieldID)
            try write(binlogs, below: &path, to: &writer)
            try writer.endObject()
        }
        try writer.endArray()
    }

    /// - Parameter path: directory of the logs, which is there again afterwards.
    private func write(
        _ binlogs: ArraySlice<Binlog>, below path: inout [UInt8], to writer: inout JSONWriter
    ) throws {
        guard !binlogs.isEmpty else { return }
        let directoryLength = path.count
        try writer.key("binlogs")
        try writer.beginArray()
        for binlog in binlogs {
            path.appendDecimal(binlog.logID)
            try writer.beginObject()
            try writer.key("log_path")
            try writer.string(utf8: path)
            try writer.member("log_size", binlog.size)
            try writer.memberIfSet("log_id", binlog.logID)
            try writer.endObject()
            path.removeLast(path.count - directoryLength)
        }
        try writer.endArray()
    }
}

extension CollectionBackup {
    /// The schema, nil when there is none.
    var writtenSchema: CollectionSchema? { schema == CollectionSchema() ? nil : schema }
}
