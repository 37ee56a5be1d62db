import BackupFormat

/// What a user wants to have restored.
struct RestoreRequest: Sendable {
    var backupName: String
    /// Which of the backup's collections, by the names they have there.
    var sourceFilter = CollectionFilter.everything
    /// Which of them, by the names they will have.
    var targetFilter = CollectionFilter.everything
    var mapper = NameMapper.identity
    /// Whether the recorded indexes are made.
    var restoresIndexes = false
    /// Vector indexes become Milvus' AUTOINDEX.
    var usesAutoIndex = false
    /// A collection that is in the way is dropped.
    var dropsExistingCollections = false
    var dropsExistingIndexes = false
    /// The collections are there already, and only get the data.
    var skipsCreation = false
    /// What is there of a damaged backup is restored.
    var skipsVerification = false
    /// Schema, indexes and partitions, no data.
    var metaOnly = false
    var changes = SchemaChanges()
    /// Whether collections get their aliases back.
    var restoresAliases = true
    /// Whether collections that were loaded are loaded again.
    var loads = false
    /// Whether users, roles and rights that are not there are made.
    var restoresRBAC = false
    /// Go on with a restore whose process has died.
    var resumes = false
    /// Whether Milvus is to import many directories in one job, where it can.
    var usesImportJobs = false
    /// Whether rows that were written after the checkpoints of the backup are left out.
    var truncatesAtCheckpoints = false
    /// Of encrypted databases: the key in the backup, and the one to import with.
    var encryptionZoneKeys: [String: String] = [:]
}

/// What of a schema is not restored as it was.
struct SchemaChanges: Sendable, Hashable {
    /// Shards of a collection, at most; 0 for as many as there were.
    var maximumShardCount: Int32 = 0
    // Keys of settings that are left out.
    var skippedCollectionProperties: Set<String> = []
    var skippedFieldTypeParameters: Set<String> = []
    var skippedFieldIndexParameters: Set<String> = []
    var skippedIndexParameters: Set<String> = []
    /// By target name.
    var overrides: [CollectionName: RestorePlan.Override] = [:]

    /// How many shards a collection gets.
    func shardCount(of collection: CollectionBackup, target: CollectionName) -> Int32 {
        if let count = overrides[target]?.shardCount, count > 0 { return count }
        return maximumShardCount > 0 ? min(maximumShardCount, collection.shardCount) : collection.shardCount
    }

    func description(of collection: CollectionBackup, target: CollectionName) -> String {
        let override = overrides[target]?.description ?? ""
        return override.isEmpty ? collection.schema.description : override
    }
}
