import BackupFormat
import MilvusClient
import Support

extension MilvusClient {
    /// Everything about a collection but its data: schema, indexes, partitions, load state.
    ///
    /// - Returns: nil for a collection whose data lies outside of Milvus.
    func describeForBackup(_ name: CollectionName) async throws -> CollectionBackup? {
        let (collection, database) = (name.collection, name.database)
        async let description = describeCollection(collection, database: database)
        async let indexes = describeIndexes(of: collection, database: database)
        async let partitions = showPartitions(of: collection, database: database)
        async let progress = loadingProgress(of: collection, database: database)
        guard try await description.schema.externalSource.isEmpty else { return nil }
        var backup = CollectionBackup(try await description, requestedAs: name)
        backup.indexes = try await indexes.map(IndexInfo.init)
        let state = LoadState(progress: try await progress)
        backup.loadState = state.rawValue
        for partition in try await partitions {
            var entry = PartitionBackup(
                partitionID: partition.id, name: partition.name, collectionID: backup.collectionID)
            // Only a collection that is loading has partitions in different states.
            entry.loadState = state.rawValue
            if state == .loading {
                let progress = try await loadingProgress(
                    of: collection, partitions: [partition.name], database: database)
                entry.loadState = LoadState(progress: progress).rawValue
            }
            backup.partitions.append(entry)
        }
        return backup
    }
}

/// Whether a collection is in memory; the raw values are those of the metadata.
enum LoadState: String {
    case notLoaded = "NotLoad"
    case loading = "Loading"
    case loaded = "Loaded"

    /// - Parameter progress: percent, as GetLoadingProgress tells it.
    init(progress: Int) {
        switch progress {
        case ...0: self = .notLoaded
        case 100...: self = .loaded
        default: self = .loading
        }
    }
}

extension CollectionBackup {
    init(_ description: Milvus.DescribeCollectionResponse, requestedAs name: CollectionName) {
        self.init(
            collectionID: description.id,
            databaseName: description.databaseName.isEmpty ? name.database : description.databaseName,
            collectionName: description.name.isEmpty ? name.collection : description.name)
        schema = CollectionSchema(description.schema)
        shardCount = description.shardCount
        consistencyLevel = description.consistencyLevel
        properties = description.properties.map(KeyValuePair.init)
        databaseID = description.databaseID
        createdTimestamp = description.createdTimestamp
        virtualChannelNames = description.virtualChannels
        physicalChannelNames = description.physicalChannels
        aliases = description.aliases
    }
}

extension DatabaseBackup {
    /// Whether Milvus encrypts it, as its properties tell.
    var isEncrypted: Bool {
        ["cipher.ezID", "cipher.key"].allSatisfy { key in properties.contains { $0.key == key && !$0.value.isEmpty } }
    }
}

extension IndexInfo {
    init(_ index: Milvus.IndexDescription) {
        self.init()
        fieldName = index.fieldName
        indexName = index.name
        indexID = index.id
        for parameter in index.parameters { parameters[parameter.key] = parameter.value }
        indexType = parameters["index_type"] ?? ""
    }
}
