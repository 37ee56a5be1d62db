import JSON

/// What `get` prints and the REST server answers about a backup: its task and its metadata without partitions and
/// segments.
package struct BackupBrief: Sendable, Hashable {
    // Of the task that makes or has made the backup, as far as it is known.
    package var id = ""
    /// 0 initial, 1 executing, 2 success, 3 failed.
    package var stateCode: Int32 = 0
    package var errorMessage = ""
    /// Seconds since 1970; 0 leaves it out.
    package var startTime: Int64 = 0
    /// Seconds since 1970; 0 leaves it out, which is right while the task runs.
    package var endTime: Int64 = 0
    /// 0...100.
    package var progress: Int32 = 0
    /// The task's name for the backup; the one in the metadata goes before it.
    package var name = ""

    /// The metadata, once there is some.
    package var backup: BackupInfo?
    /// Bytes of all metadata files.
    package var metadataSize: Int64 = 0

    package init() {}

    package init(backup: BackupInfo, metadataSize: Int64) {
        self.backup = backup
        self.metadataSize = metadataSize
    }

    package func write(to writer: inout JSONWriter) throws {
        let backup = self.backup ?? BackupInfo()
        try writer.beginObject()
        try writer.memberIfSet("id", id)
        try writer.member("state_code", stateCode)
        try writer.memberIfSet("errorMessage", errorMessage)
        try writer.memberIfSet("start_time", startTime)
        try writer.memberIfSet("end_time", endTime)
        try writer.member("progress", progress)
        try writer.memberIfSet("name", backup.name.isEmpty ? name : backup.name)
        try writer.memberIfSet("backup_timestamp", backup.backupTimestamp)
        try writer.memberIfSet("collection_backups", backup.collections) { writer, collection in
            try collection.writeBrief(to: &writer)
        }
        try writer.member("size", backup.size)
        try writer.memberIfSet("milvus_version", backup.milvusVersion)
        try writer.memberIfSet("rpc_channel_info", backup.rpcChannel)
        try writer.memberIfSet("database_backups", backup.databases)
        try writer.member("meta_size", metadataSize)
        try writer.memberIfSet("format", backup.format.rawValue)
        try writer.endObject()
    }

    /// The whole as a document: indented for people, compact for programs.
    package func bytes(layout: JSONWriter.Layout) throws -> [UInt8] {
        try JSONWriter.bytes(layout: layout) { try write(to: &$0) }
    }
}

extension CollectionBackup {
    fileprivate func writeBrief(to writer: inout JSONWriter) throws {
        try writer.beginObject()
        try writer.memberIfSet("id", id)
        try writer.memberIfSet("collection_id", collectionID)
        try writer.memberIfSet("db_name", databaseName)
        try writer.memberIfSet("collection_name", collectionName)
        try writer.memberIfSet("schema", writtenSchema)
        try writer.memberIfSet("shards_num", shardCount)
        try writer.memberIfSet("backup_timestamp", backupTimestamp)
        try writer.member("size", size)
        try writer.member("has_index", !indexes.isEmpty)
        try writer.memberIfSet("index_infos", indexes)
        try writer.memberIfSet("load_state", loadState)
        try writer.memberIfSet("backup_physical_timestamp", backupPhysicalTimestamp)
        try writer.memberIfSet("channel_checkpoints", channelCheckpoints)
        try writer.memberIfSet("properties", properties)
        try writer.endObject()
    }
}

extension BackupInfo {
    /// Writes an element of the REST server's list of backups.
    package func writeSummary(to writer: inout JSONWriter) throws {
        try writer.beginObject()
        try writer.memberIfSet("id", id)
        try writer.memberIfSet("name", name)
        try writer.member("size", size)
        try writer.memberIfSet("milvus_version", milvusVersion)
        try writer.endObject()
    }
}
