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
    /// Schema, indexes and partitions, no data.
    var metaOnly = false
}
