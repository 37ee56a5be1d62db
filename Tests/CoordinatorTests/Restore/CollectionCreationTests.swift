import BackupFormat
import MilvusClient
import Testing

@testable import Coordinator

@Suite struct CollectionCreationTests {
    private let target = CollectionName(database: "shop", collection: "copy")

    private func creation(
        _ server: ServerInfo = .sample(2, 3, 5), _ change: (inout CollectionBackup) -> Void = { _ in }
    ) -> CollectionCreation {
        var collection = CollectionBackup.sample()
        change(&collection)
        return CollectionCreation(collection, target: target, server: server)
    }

    private func schema(_ creation: CollectionCreation) throws -> Milvus.CollectionSchema {
        try Milvus.CollectionSchema(serialized: creation.request.schema)
    }

    private func pairs(_ pairs: [Milvus.KeyValuePair]) -> [String] { pairs.map { "\($0.key)=\($0.value)" } }

    private func field(_ id: Int64, _ name: String, dynamic: Bool = false) -> BackupFormat.FieldSchema {
        var field = BackupFormat.FieldSchema(fieldID: id, name: name, dataType: 5)
        field.isDynamic = dynamic
        return field
    }

    @Test func theCollectionGetsItsNewNameAndKeepsTheRest() throws {
        let creation = creation {
            $0.shardCount = 3
            $0.consistencyLevel = 2
        }
        #expect(creation.request.collection == "copy")
        #expect(creation.request.shardCount == 3 && creation.request.consistencyLevel == 2)
        let schema = try schema(creation)
        #expect(schema.name == "copy" && schema.fields.map(\.name) == ["pk", "emb"])
        #expect(creation.addedFields.isEmpty && !creation.switchesFunctionCheckOn)
    }

    @Test func bothListsOfPropertiesCount() throws {
        let creation = creation {
            $0.schema.properties = [KeyValuePair("mmap.enabled", "true"), KeyValuePair("ttl", "1")]
            $0.properties = [KeyValuePair("ttl", "2"), KeyValuePair("replica", "3")]
        }
        #expect(pairs(creation.request.properties) == ["mmap.enabled=true", "ttl=1", "replica=3"])
        #expect(pairs(try schema(creation).properties) == ["mmap.enabled=true", "ttl=1", "replica=3"])
    }

    @Test func theDynamicFieldIsTheServersAffair() throws {
        let creation = creation {
            $0.schema.enableDynamicField = true
            $0.schema.fields.append(field(102, "$meta", dynamic: true))
        }
        let schema = try schema(creation)
        #expect(schema.fields.map(\.name) == ["pk", "emb"] && schema.enableDynamicField)
    }

    @Test func fieldsKeepTheirOrder() throws {
        let creation = creation { $0.schema.fields = [102, 100, 103, 101].map { field($0, "f\($0)") } }
        #expect(try schema(creation).fields.map(\.fieldID) == [102, 100, 103, 101])
    }

    @Test func onlyAPartitionKeyTellsTheNumberOfPartitions() {
        let segments: [Int64: [SegmentBackup]] = [10: [], 11: [], 12: []]
        let plain = CollectionCreation(.sample(segments: segments), target: target, server: .sample(2, 3, 5))
        #expect(plain.request.partitionCount == 0)
        var keyed = CollectionBackup.sample(segments: segments)
        keyed.schema.fields[1].isPartitionKey = true
        #expect(
            CollectionCreation(keyed, target: target, server: .sample(2, 3, 5)).request.partitionCount == 3)
    }

    // MARK: Fields that were added later

    /// 100 and 101 at the beginning, 102 the dynamic one, 103 and 104 later.
    private func withAddedFields(_ collection: inout CollectionBackup, showsDynamic: Bool) {
        collection.schema.enableDynamicField = true
        if showsDynamic { collection.schema.fields.append(field(102, "$meta", dynamic: true)) }
        collection.schema.fields += [field(103, "later"), field(104, "last")]
    }

    @Test(arguments: [true, false]) func fieldsBehindTheDynamicOneAreAddedAgain(_ showsDynamic: Bool) throws {
        let creation = creation(.sample(2, 6, 0)) { withAddedFields(&$0, showsDynamic: showsDynamic) }
        #expect(try schema(creation).fields.map(\.name) == ["pk", "emb"])
        #expect(creation.addedFields.map(\.name) == ["later", "last"])
    }

    @Test func anOlderServerGetsThemAllAtOnce() throws {
        let creation = creation(.sample(2, 5, 0)) { withAddedFields(&$0, showsDynamic: true) }
        #expect(try schema(creation).fields.map(\.name) == ["pk", "emb", "later", "last"])
        #expect(creation.addedFields.isEmpty)
    }

    @Test func structsTakeIdsToo() throws {
        let creation = creation(.sample(2, 6, 4)) { collection in
            collection.schema.enableDynamicField = true
            var structure = BackupFormat.StructArrayFieldSchema()
            structure.fieldID = 102
            structure.name = "s"
            structure.fields = [field(103, "s.a")]
            collection.schema.structArrayFields = [structure]
            collection.schema.fields.append(field(105, "later"))
        }
        #expect(creation.addedFields.map(\.name) == ["later"])
        #expect(try schema(creation).structArrayFields.map(\.name) == ["s"])
    }

    @Test func withoutADynamicFieldAllComeAtOnce() throws {
        let creation = creation(.sample(2, 6, 0)) { $0.schema.fields.append(field(110, "later")) }
        #expect(try schema(creation).fields.count == 3 && creation.addedFields.isEmpty)
    }

    // MARK: Functions

    private func withFunction(_ collection: inout CollectionBackup, properties: [KeyValuePair] = []) {
        var function = BackupFormat.FunctionSchema()
        function.name = "bm25"
        collection.schema.functions = [function]
        collection.schema.properties = properties
    }

    @Test func theCheckOfFunctionsIsOffDuringTheRestore() throws {
        let creation = creation(.sample(2, 6, 8)) { withFunction(&$0, properties: [KeyValuePair("ttl", "1")]) }
        #expect(pairs(creation.request.properties) == ["ttl=1", "disable_func_runtime_check=true"])
        #expect(creation.switchesFunctionCheckOn)
        #expect(pairs([CollectionCreation.functionCheckOn]) == ["disable_func_runtime_check=false"])
        #expect(try schema(creation).functions.map(\.name) == ["bm25"])
    }

    @Test func aCheckThatWasOffStaysOff() {
        let off = creation(.sample(2, 6, 8)) {
            withFunction(&$0, properties: [KeyValuePair("disable_func_runtime_check", "true")])
        }
        #expect(pairs(off.request.properties) == ["disable_func_runtime_check=true"] && !off.switchesFunctionCheckOn)
        let on = creation(.sample(2, 6, 8)) {
            withFunction(&$0, properties: [KeyValuePair("disable_func_runtime_check", "false")])
        }
        #expect(pairs(on.request.properties) == ["disable_func_runtime_check=true"] && on.switchesFunctionCheckOn)
    }

    @Test func serversThatDoNotKnowTheCheckAreNotAsked() {
        let creation = creation(.sample(2, 6, 7)) { withFunction(&$0) }
        #expect(creation.request.properties.isEmpty && !creation.switchesFunctionCheckOn)
        #expect(self.creation(.sample(2, 6, 8)).request.properties.isEmpty)
    }
}

@Suite struct IndexCreationTests {
    private let target = CollectionName(database: "shop", collection: "copy")

    private func index(_ field: String, _ name: String, _ parameters: [String: String]) -> IndexInfo {
        var index = IndexInfo()
        index.fieldName = field
        index.indexName = name
        index.parameters = parameters
        return index
    }

    private func requests(_ indexes: [IndexInfo], auto: Bool = false) -> [Milvus.CreateIndexRequest] {
        var collection = CollectionBackup.sample()
        collection.indexes = indexes
        return IndexCreation(collection, target: target, usesAutoIndex: auto).requests
    }

    private func parameters(_ request: Milvus.CreateIndexRequest) -> [String] {
        request.parameters.map { "\($0.key)=\($0.value)" }
    }

    private let hnsw = ["index_type": "HNSW", "metric_type": "L2", "params": "{\"M\":16}"]

    @Test func vectorsComeFirstWithAllTheirParameters() {
        let requests = requests([index("pk", "by_key", ["index_type": "STL_SORT"]), index("emb", "by emb", hnsw)])
        #expect(requests.map(\.fieldName) == ["emb", "pk"])
        #expect(requests.map(\.indexName) == ["by emb", "by_key"])
        #expect(requests.map(\.collection) == ["copy", "copy"])
        #expect(parameters(requests[0]) == ["index_type=HNSW", "metric_type=L2", "params={\"M\":16}"])
        #expect(parameters(requests[1]) == ["index_type=STL_SORT"])
    }

    @Test func autoIndexIsForVectors() {
        let requests = requests(
            [index("emb", "v", hnsw), index("pk", "k", ["index_type": "STL_SORT"])], auto: true)
        #expect(parameters(requests[0]) == ["index_type=AUTOINDEX", "metric_type=L2"])
        #expect(parameters(requests[1]) == ["index_type=STL_SORT"])
        #expect(parameters(self.requests([index("emb", "v", [:])], auto: true)[0]) == ["index_type=AUTOINDEX"])
    }

    @Test func triesGetTheNameThatServersTake() {
        #expect(parameters(requests([index("pk", "k", ["index_type": "marisa-trie"])])[0]) == ["index_type=Trie"])
    }

    @Test(arguments: [
        ("by_key", "by_key"), ("_x", "_x"), ("a9", "a9"), ("9a", ""), ("meta/color", ""), ("é", ""), ("", ""),
        ("json[\"a\"]", ""),
    ])
    func namesThatServersMakeThemselvesAreLeftToThem(_ name: String, _ sent: String) {
        #expect(requests([index("pk", name, [:])])[0].indexName == sent)
    }
}
