/// What a server can do, as far as backup and restore depend on it.
package struct ServerFeatures: OptionSet, Sendable, Hashable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// There are other databases than `default`.
    package static let multiDatabase = ServerFeatures(rawValue: 1 << 0)
    package static let describeDatabase = ServerFeatures(rawValue: 1 << 1)
    /// REST tells the log files of segments.
    package static let segmentDescription = ServerFeatures(rawValue: 1 << 2)
    /// Tells the position of the channel of replication (2.5 only).
    package static let replicateMessage = ServerFeatures(rawValue: 1 << 3)
    /// Garbage collection is paused per collection, by tickets.
    package static let collectionGarbageCollectionControl = ServerFeatures(rawValue: 1 << 4)
    /// One call flushes everything, and tells where it ends.
    package static let flushAll = ServerFeatures(rawValue: 1 << 5)
    /// One import job takes several directories of deletions.
    package static let severalL0PerImportJob = ServerFeatures(rawValue: 1 << 6)
    /// The check of functions at creation can be switched off.
    package static let functionRuntimeCheck = ServerFeatures(rawValue: 1 << 7)
    package static let snapshot = ServerFeatures(rawValue: 1 << 8)
    /// Imports are REST jobs, and segments of deletions (L0) exist.
    package static let importJobs = ServerFeatures(rawValue: 1 << 9)
    /// Fields can be added to a collection.
    package static let addCollectionField = ServerFeatures(rawValue: 1 << 10)
    /// Users, roles and rights can be read and made as a whole.
    package static let rbacBackup = ServerFeatures(rawValue: 1 << 11)

    /// The first version that has a feature, and the first that has it no longer.
    static let table: [(feature: ServerFeatures, since: ServerVersion, until: ServerVersion?)] = [
        (.importJobs, ServerVersion(2, 4, 0), nil),
        (.describeDatabase, ServerVersion(2, 4, 3), nil),
        (.rbacBackup, ServerVersion(2, 4, 10), nil),
        (.replicateMessage, ServerVersion(2, 5, 0), ServerVersion(2, 6, 0)),
        (.segmentDescription, ServerVersion(2, 5, 8), nil),
        (.addCollectionField, ServerVersion(2, 6, 0), nil),
        (.severalL0PerImportJob, ServerVersion(2, 6, 5), nil),
        (.collectionGarbageCollectionControl, ServerVersion(2, 6, 8), nil),
        (.functionRuntimeCheck, ServerVersion(2, 6, 8), nil),
        (.flushAll, ServerVersion(2, 6, 11), nil),
        (.snapshot, ServerVersion(3, 0, 0), nil),
    ]

    /// The features of `version`; ``multiDatabase`` is found out by asking and not in here.
    package init(of version: ServerVersion) {
        self = []
        for entry in Self.table {
            if let until = entry.until, version >= until { continue }
            if version >= entry.since { insert(entry.feature) }
        }
    }
}

/// What a server said when we connected.
package struct ServerInfo: Sendable, Hashable {
    /// The version as the server words it, such as `v2.3.5-lite`: what a backup records.
    package var version: String
    /// The version that decides about ``features``.
    package var resolvedVersion: ServerVersion
    package var features: ServerFeatures

    package init(version: String, resolvedVersion: ServerVersion, features: ServerFeatures) {
        self.version = version
        self.resolvedVersion = resolvedVersion
        self.features = features
    }
}
