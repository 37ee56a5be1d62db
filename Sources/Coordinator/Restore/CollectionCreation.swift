import BackupFormat
import MilvusClient

/// How a collection is made anew out of its backup: a pure decision.
struct CollectionCreation: Sendable {
    var request: Milvus.CreateCollectionRequest
    /// Fields that are added one by one afterwards, so that they get the ids they had.
    var addedFields: [Milvus.FieldSchema]
    /// Set where the check of functions is switched off during the restore, and must be switched on again.
    var switchesFunctionCheckOn = false

    private static let functionCheckProperty = "disable_func_runtime_check"

    init(
        _ collection: CollectionBackup, target: CollectionName, server: ServerInfo,
        changes: SchemaChanges = SchemaChanges()
    ) {
        var schema = Milvus.CollectionSchema(collection.schema)
        schema.name = target.collection
        schema.description = changes.description(of: collection, target: target)
        var properties = CollectionCreation.mergedProperties(of: collection).map(Milvus.KeyValuePair.init)
            .filter { !changes.skippedCollectionProperties.contains($0.key) }
        schema.properties = properties
        let userFields = collection.schema.fields.filter { !$0.isDynamic }
        let boundary = CollectionCreation.firstAddedFieldID(of: collection.schema, server)
        schema.fields = userFields.filter { $0.fieldID < boundary }.map { changes.field($0) }
        addedFields = userFields.filter { $0.fieldID >= boundary }.map { changes.field($0) }
        if !collection.schema.functions.isEmpty, server.features.contains(.functionRuntimeCheck) {
            let wasOff = properties.contains { $0.key == Self.functionCheckProperty && $0.value == "true" }
            properties.removeAll { $0.key == Self.functionCheckProperty }
            properties.append(Milvus.KeyValuePair(Self.functionCheckProperty, "true"))
            switchesFunctionCheckOn = !wasOff
        }
        request = Milvus.CreateCollectionRequest()
        request.collection = target.collection
        request.schema = schema.serialized()
        request.shardCount = changes.shardCount(of: collection, target: target)
        request.consistencyLevel = collection.consistencyLevel
        request.properties = properties
        let hasPartitionKey = userFields.contains(where: \.isPartitionKey)
        request.partitionCount = hasPartitionKey ? Int64(collection.partitions.count) : 0
    }

    /// What ends the switching off of the check of functions.
    static let functionCheckOn = Milvus.KeyValuePair(functionCheckProperty, "false")

    /// Servers before 2.4 tell properties beside the schema, later ones in it. Nobody tells one twice with different values;
    /// the schema's would count.
    static func mergedProperties(of collection: CollectionBackup) -> [KeyValuePair] {
        var seen: Set<String> = []
        return (collection.schema.properties + collection.properties).filter { seen.insert($0.key).inserted }
    }

    /// A field that was added later, and so has a higher id than the dynamic one, must be added later again.
    private static func firstAddedFieldID(of schema: BackupFormat.CollectionSchema, _ server: ServerInfo) -> Int64 {
        guard server.features.contains(.addCollectionField) else { return .max }
        return schema.dynamicFieldID ?? .max
    }
}

extension SchemaChanges {
    fileprivate func field(_ field: FieldSchema) -> Milvus.FieldSchema {
        var result = Milvus.FieldSchema(field)
        result.typeParameters.removeAll { skippedFieldTypeParameters.contains($0.key) }
        result.indexParameters.removeAll { skippedFieldIndexParameters.contains($0.key) }
        return result
    }
}

/// How the recorded indexes are made: a pure decision.
struct IndexCreation: Sendable {
    /// Vector fields first.
    var requests: [Milvus.CreateIndexRequest]

    init(
        _ collection: CollectionBackup, target: CollectionName, usesAutoIndex: Bool,
        changes: SchemaChanges = SchemaChanges()
    ) {
        let vectorFields = Set(
            collection.schema.fields.filter { Milvus.DataType(rawValue: $0.dataType).isVector }.map(\.name))
        let vectors = collection.indexes.filter { vectorFields.contains($0.fieldName) }
        let scalars = collection.indexes.filter { !vectorFields.contains($0.fieldName) }
        requests = vectors.map { index in
            let parameters = usesAutoIndex ? index.autoIndexParameters : index.creationParameters
            return Self.request(index, name: index.indexName, parameters, target)
        }
        requests += scalars.map { index in
            // Milvus names indexes on JSON paths itself, in a way that it does not take from outside.
            let isName = index.indexName.allSatisfy(\.isWordCharacter) && index.indexName.first?.isNumber == false
            return Self.request(index, name: isName ? index.indexName : "", index.creationParameters, target)
        }
        for index in requests.indices {
            requests[index].parameters.removeAll { changes.skippedIndexParameters.contains($0.key) }
        }
    }

    private static func request(
        _ index: IndexInfo, name: String, _ parameters: [String: String], _ target: CollectionName
    ) -> Milvus.CreateIndexRequest {
        var request = Milvus.CreateIndexRequest()
        request.collection = target.collection
        request.fieldName = index.fieldName
        request.indexName = name
        request.parameters = parameters.sorted { $0.key < $1.key }.map { Milvus.KeyValuePair($0.key, $0.value) }
        return request
    }
}

extension Character {
    /// `[A-Za-z0-9_]`.
    fileprivate var isWordCharacter: Bool { isASCII && (isLetter || isNumber || self == "_") }
}

extension IndexInfo {
    /// Servers report tries under a name that they do not take.
    fileprivate var creationParameters: [String: String] {
        var parameters = self.parameters
        if parameters["index_type"] == "marisa-trie" { parameters["index_type"] = "Trie" }
        return parameters
    }

    fileprivate var autoIndexParameters: [String: String] {
        var parameters = ["index_type": "AUTOINDEX"]
        parameters["metric_type"] = self.parameters["metric_type"]
        return parameters
    }
}
