import BackupFormat

/// What a user wants to have backed up.
struct BackupRequest: Sendable {
    /// How the data of collections is brought to storage before it is listed.
    enum Strategy: String, Sendable, CaseIterable {
        /// `bulk_flush` where the server can, else `serial_flush`.
        case automatic = "auto"
        /// Schema, indexes and partitions, no data.
        case metaOnly = "meta_only"
        /// What is in storage already.
        case skipFlush = "skip_flush"
        /// One flush for the whole cluster.
        case bulkFlush = "bulk_flush"
        /// Each collection is flushed on its own.
        case serialFlush = "serial_flush"
    }

    /// Valid by ``BackupName``.
    var name: String
    /// Which collections.
    var filter = CollectionFilter.everything
    var strategy = Strategy.automatic
    /// Go on with a backup of this name whose coordinator has died, or that has failed.
    var resumes = false
    /// Whether collections that are dropped meanwhile are left out.
    var skipsMissing = false
    /// How the copies are compared once more before the backup counts as complete; nil for not at all.
    var verification: VerificationReport.Depth?
    /// Whether users, roles and rights are recorded.
    var includesRBAC = false
    /// Whether what only etcd knows of indexes and dynamic fields is recorded.
    var includesIndexExtra = false
}
