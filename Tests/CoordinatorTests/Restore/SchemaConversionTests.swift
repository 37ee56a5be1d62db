import BackupFormat
import MilvusClient
import Support
import Testing

@testable import Coordinator

@Suite struct SchemaConversionTests {
    /// Every member that a backup keeps, with a value of its own.
    private static func field(_ seed: Int64) -> Milvus.FieldSchema {
        var field = Milvus.FieldSchema()
        field.fieldID = seed
        field.name = "field\(seed)"
        field.isPrimaryKey = true
        field.description = "description \(seed)"
        field.dataType = Milvus.DataType(rawValue: 22)
        field.typeParameters = [Milvus.KeyValuePair("dim", "\(seed)"), Milvus.KeyValuePair("max_length", "7")]
        field.indexParameters = [Milvus.KeyValuePair("metric_type", "L2")]
        field.autoID = true
        field.elementType = Milvus.DataType(rawValue: 4711)
        field.defaultValue = [0x32, 0x02, 0xff, 0x00]
        field.isDynamic = true
        field.isPartitionKey = true
        field.isNullable = true
        field.isFunctionOutput = true
        return field
    }

    private static let schema: Milvus.CollectionSchema = {
        var function = Milvus.FunctionSchema()
        function.name = "bm25"
        function.id = 9
        function.description = "text to vector"
        function.type = 1
        function.inputFieldNames = ["a", "b"]
        function.inputFieldIDs = [101, 102]
        function.outputFieldNames = ["c"]
        function.outputFieldIDs = [103]
        function.parameters = [Milvus.KeyValuePair("k1", "1.2")]
        var structure = Milvus.StructArrayFieldSchema()
        structure.fieldID = 120
        structure.name = "structure"
        structure.description = "of things"
        structure.subfields = [field(121), field(122)]
        var schema = Milvus.CollectionSchema()
        schema.name = "items"
        schema.description = "things"
        schema.autoID = true
        schema.fields = [field(100), field(101)]
        schema.enableDynamicField = true
        schema.properties = [Milvus.KeyValuePair("ttl", "5")]
        schema.functions = [function]
        schema.structArrayFields = [structure]
        return schema
    }()

    @Test func everythingThatABackupKeepsComesBack() {
        let back = Milvus.CollectionSchema(BackupFormat.CollectionSchema(Self.schema))
        #expect(back.serialized() == Self.schema.serialized())
    }

    @Test func nothingStaysNothing() {
        let empty = Milvus.CollectionSchema()
        #expect(Milvus.CollectionSchema(BackupFormat.CollectionSchema(empty)).serialized() == empty.serialized())
    }

    @Test func defaultValuesOfOldBackupsAreRead() {
        var old = BackupFormat.FieldSchema(fieldID: 100, name: "note", dataType: 21)
        old.defaultValueProto = "2\u{2}hi"
        #expect(Milvus.FieldSchema(old).defaultValue == [0x32, 0x02, 0x68, 0x69])
        old.defaultValueBase64 = "MgJobw=="
        #expect(Milvus.FieldSchema(old).defaultValue == [0x32, 0x02, 0x68, 0x6f])
        old.defaultValueBase64 = ""
        old.defaultValueProto = ""
        #expect(Milvus.FieldSchema(old).defaultValue == nil)
    }

    @Test func aDescriptionBecomesACollection() {
        var description = Milvus.DescribeCollectionResponse()
        description.id = 7
        description.schema = Self.schema
        description.shardCount = 3
        description.consistencyLevel = 2
        description.properties = [Milvus.KeyValuePair("ttl", "9")]
        description.databaseID = 4
        description.createdTimestamp = 99
        description.virtualChannels = ["v0"]
        description.physicalChannels = ["p0"]
        description.aliases = ["other"]
        let collection = CollectionBackup(
            description, requestedAs: CollectionName(database: "shop", collection: "items"))
        #expect(collection.qualifiedName.description == "shop.items")
        #expect(collection.collectionID == 7 && collection.shardCount == 3 && collection.consistencyLevel == 2)
        #expect(collection.properties == [KeyValuePair("ttl", "9")] && collection.databaseID == 4)
        #expect(collection.createdTimestamp == 99 && collection.aliases == ["other"])
        #expect(collection.virtualChannelNames == ["v0"] && collection.physicalChannelNames == ["p0"])
        #expect(collection.schema == BackupFormat.CollectionSchema(Self.schema))
    }

    @Test func anIndexKeepsItsParameters() {
        var description = Milvus.IndexDescription()
        description.name = "by_emb"
        description.id = 12
        description.fieldName = "emb"
        description.parameters = [Milvus.KeyValuePair("index_type", "HNSW"), Milvus.KeyValuePair("M", "16")]
        let index = IndexInfo(description)
        #expect(index.indexName == "by_emb" && index.indexID == 12 && index.fieldName == "emb")
        #expect(index.indexType == "HNSW" && index.parameters == ["index_type": "HNSW", "M": "16"])
    }

    @Test(arguments: [
        (0, "NotLoad"), (-1, "NotLoad"), (1, "Loading"), (99, "Loading"), (100, "Loaded"), (101, "Loaded"),
    ])
    func loadStatesFollowTheProgress(_ progress: Int, _ state: String) {
        #expect(LoadState(progress: progress).rawValue == state)
    }
}
