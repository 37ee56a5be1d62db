import Support

/// `backup`.
package struct BackupSettings: Sendable {
    /// Where backups are kept.
    package var storage: StorageSettings = {
        var storage = StorageSettings()
        storage.rootPath = "backup"
        return storage
    }()
    /// Collections worked on at the same time.
    package var concurrentCollections = 4
    /// Segments of a collection worked on at the same time.
    package var concurrentSegments = 1024
    /// Whether Milvus' garbage collection is paused while a backup runs.
    package var pauseGC = true
    /// Whether a backup fails when that cannot be had.
    package var requireGCPause = false
    /// Bytes of the segments in one group, at most.
    package var maximumSegmentGroupSize: Int64 = 2 << 30
    package var shard = ShardSettings()

    package init() {}
}

/// `backup.shard`: how much work is handed out at a time.
package struct ShardSettings: Sendable {
    /// Bytes of a shard, at most, unless a single object has more.
    package var maximumSize: Int64 = 256 << 20
    package var maximumObjects = 1000

    package init() {}
}

/// `restore`.
package struct RestoreSettings: Sendable {
    /// Collections worked on at the same time.
    package var concurrentCollections = 2
    /// Import jobs Milvus runs at the same time.
    package var concurrentImportJobs = 768
    package var maximumSegmentsPerImportJob = 256
    /// Whether the staging copy in Milvus' bucket is left there.
    package var keepTempFiles = false

    package init() {}
}

/// `transfer`: how objects get from one store to the other.
package struct TransferSettings: Sendable {
    package enum Mode: String, Sendable, CaseIterable {
        /// `direct` when both stores are the same backend, else `streaming`.
        case auto
        /// The store copies by itself, or the backup fails.
        case direct
        /// Every byte passes the worker.
        case streaming
    }

    /// How streamed bytes go.
    package enum FastPath: String, Sendable, CaseIterable {
        /// From socket to socket where that can be; with a checksum where ETags will not prove the copy.
        case auto
        /// The same, always with a checksum.
        case checksummed
        /// Through two ordinary HTTP requests.
        case off
    }

    package var mode = Mode.auto
    package var fastPath = FastPath.auto
    /// Objects in flight in one process.
    package var concurrency = 128
    /// Requests at a time that a store is left with when it asks to slow down.
    package var minimumConcurrency = 1
    /// Bytes from which on a copy inside a store is done in parts.
    package var multipartCopyThreshold: Int64 = 500 << 20
    /// Bytes from which on a streamed object is uploaded in parts.
    package var multipartStreamThreshold: Int64 = 64 << 20
    /// Bytes of a part of a streamed object.
    package var partSize: Int64 = 64 << 20
    /// Bytes from which on agents copy an object together, each of them parts; nil for never.
    package var largeObjectThreshold: Int64? = 256 << 20
    /// A transfer that moves no byte for so long is given up and tried again.
    package var stallTimeout = Duration.seconds(60)
    /// Bytes per second of a whole job, over all agents; nil for no limit.
    package var bandwidth: Int64?
    /// Requests of a whole job to the stores, over all agents; nil for no limit.
    package var requestsPerSecond: Int?

    package init() {}
}
