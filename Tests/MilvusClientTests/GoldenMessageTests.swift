import MilvusClient
import Testing

/// The messages against bytes made by the protobuf library of Milvus' own Python client: the older ones with pymilvus 2.3.7,
/// whose protocol is that of the oldest servers in use, those at the end with pymilvus 3.0.2.
@Suite struct GoldenMessageTests {
    /// What we write is what the library writes, and what we read of it is the same again.
    private func expectSame<Message: ProtobufMessage>(
        _ message: Message, _ hexadecimal: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        #expect(message.serialized() == bytes(hexadecimal), sourceLocation: sourceLocation)
        try expectRead(message, hexadecimal, sourceLocation: sourceLocation)
    }

    /// What the library writes is read as `message`, fields unknown to us being passed over.
    private func expectRead<Message: ProtobufMessage>(
        _ message: Message, _ hexadecimal: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let read = try Message(serialized: bytes(hexadecimal))
        #expect(read == message, sourceLocation: sourceLocation)
        #expect(try Message(serialized: read.serialized()) == read, sourceLocation: sourceLocation)
    }

    @Test func status() throws {
        var message = Milvus.Status()
        message.errorCode = 1
        message.reason = "rate limit exceeded"
        message.code = -8
        message.isRetriable = true
        message.detail = "d"
        try expectSame(
            message,
            "0801121372617465206c696d697420657863656564656418f8ffffffffffffffff0120012a0164")
    }

    @Test func statusWithExtraInfo() throws {
        var message = Milvus.Status()
        message.code = 100
        message.reason = "r"
        try expectRead(
            message,
            "120172186432060a0161120162")
    }

    @Test func connect() throws {
        var message = Milvus.ConnectRequest()
        message.clientInfo.sdkType = "BackupToolCustomSDK"
        message.clientInfo.sdkVersion = "1.0"
        message.clientInfo.localTime = "now"
        message.clientInfo.user = "root"
        message.clientInfo.host = "h"
        try expectSame(
            message,
            "12280a134261636b7570546f6f6c437573746f6d53444b1203312e301a036e6f772204726f6f742a0168")
    }

    @Test func connectResponse() throws {
        var message = Milvus.ConnectResponse()
        message.serverInfo.buildTags = "v2.3.5-lite"
        message.identifier = 470_609_097_166_946_307
        try expectRead(
            message,
            "0a00121c0a0b76322e332e352d6c6974651201782a0a5354414e44414c4f4e45188380d085b08ffcc306")
    }

    @Test func listDatabases() throws {
        var message = Milvus.ListDatabasesResponse()
        message.names = ["default", "db1"]
        try expectRead(
            message,
            "0a00120764656661756c7412036462311a020102")
    }

    @Test func createDatabase() throws {
        var message = Milvus.CreateDatabaseRequest()
        message.name = "db1"
        try expectSame(
            message,
            "1203646231")
    }

    @Test func showCollections() throws {
        var message = Milvus.ShowCollectionsResponse()
        message.names = ["a", "b"]
        message.ids = [470_609_060_386_046_674, 7]
        try expectRead(
            message,
            "0a001201611201621a0ad2859083a78efcc3060732026400")
    }

    @Test func collectionSchema() throws {
        var key = Milvus.FieldSchema()
        key.fieldID = 100
        key.name = "id"
        key.isPrimaryKey = true
        key.description = "pk"
        key.dataType = .int64
        key.autoID = true
        var vector = Milvus.FieldSchema()
        vector.fieldID = 101
        vector.name = "v"
        vector.dataType = .floatVector
        vector.typeParameters = [Milvus.KeyValuePair("dim", "8")]
        vector.indexParameters = [Milvus.KeyValuePair("metric_type", "L2")]
        var text = Milvus.FieldSchema()
        text.fieldID = 102
        text.name = "n"
        text.dataType = .varChar
        text.state = 2
        text.defaultValue = bytes("320178")
        text.isPartitionKey = true
        var dynamic = Milvus.FieldSchema()
        dynamic.fieldID = 103
        dynamic.name = "$meta"
        dynamic.dataType = .json
        dynamic.isDynamic = true
        var array = Milvus.FieldSchema()
        array.fieldID = 104
        array.name = "a"
        array.dataType = .array
        array.elementType = .int8
        array.defaultValue = []
        var message = Milvus.CollectionSchema()
        message.name = "c1"
        message.description = "desc"
        message.autoID = true
        message.fields = [key, vector, text, dynamic, array]
        message.enableDynamicField = true
        try expectSame(
            message,
            "0a0263311204646573631801221008641202696418012202706b2805400122240865120176286532080a0364696d1201383a110a"
                + "0b6d65747269635f7479706512024c322210086612016e281548025a033201786801220d08671205246d65746128176001220b08"
                + "68120161281650025a002801")
    }

    @Test func createCollection() throws {
        var message = Milvus.CreateCollectionRequest()
        message.collection = "c1"
        message.schema = bytes("0a026331")
        message.shardCount = 2
        message.consistencyLevel = 2
        message.properties = [Milvus.KeyValuePair("collection.ttl.seconds", "60")]
        message.partitionCount = 64
        try expectSame(
            message,
            "1a02633122040a026331280230023a1c0a16636f6c6c656374696f6e2e74746c2e7365636f6e6473120236304040")
    }

    @Test func describeCollection() throws {
        var message = Milvus.DescribeCollectionResponse()
        message.schema.name = "c1"
        message.id = 5
        message.virtualChannels = ["v0", "v1"]
        message.physicalChannels = ["p0"]
        message.createdTimestamp = 470_609_097_166_946_336
        message.shardCount = 2
        message.aliases = ["al"]
        message.consistencyLevel = 3
        message.name = "al"
        message.properties = [Milvus.KeyValuePair("a", "b")]
        message.databaseName = "db1"
        message.partitionCount = 2
        try expectRead(
            message,
            "0a0012040a026331180522027630220276312a02703030a080d085b08ffcc306380940024a02616c52060a016b12017858036202"
                + "616c6a060a016112016272036462317802")
    }

    @Test func describeIndex() throws {
        var index = Milvus.IndexDescription()
        index.name = "vi"
        index.id = 470_609_060_386_446_727
        index.parameters = [Milvus.KeyValuePair("index_type", "FLAT"), Milvus.KeyValuePair("params", "{}")]
        index.fieldName = "v"
        var message = Milvus.DescribeIndexResponse()
        message.indexes = [index]
        try expectRead(
            message,
            "0a0012370a0276691087bba883a78efcc3061a120a0a696e6465785f747970651204464c41541a0c0a06706172616d7312027b7d"
                + "220176283b3802")
    }

    @Test func createIndex() throws {
        var message = Milvus.CreateIndexRequest()
        message.collection = "c1"
        message.fieldName = "v"
        message.indexName = "vi"
        message.parameters = [Milvus.KeyValuePair("index_type", "FLAT")]
        try expectSame(
            message,
            "1a0263312201762a120a0a696e6465785f747970651204464c415432027669")
    }

    @Test func dropIndex() throws {
        var message = Milvus.DropIndexRequest()
        message.collection = "c1"
        message.indexName = "vi"
        try expectSame(
            message,
            "1a0263312a027669")
    }

    @Test func showPartitions() throws {
        var message = Milvus.ShowPartitionsResponse()
        message.names = ["_default", "p1"]
        message.ids = [470_609_060_386_046_675, -1]
        try expectRead(
            message,
            "0a0012085f64656661756c74120270311a13d3859083a78efcc306ffffffffffffffffff01")
    }

    @Test func createPartition() throws {
        var message = Milvus.CreatePartitionRequest()
        message.collection = "c1"
        message.partition = "p1"
        try expectSame(
            message,
            "1a02633122027031")
    }

    @Test func loadingProgress() throws {
        var message = Milvus.GetLoadingProgressRequest()
        message.collection = "c1"
        message.partitions = ["p1", "p2"]
        try expectSame(
            message,
            "120263311a0270311a027032")
    }

    @Test func importRequest() throws {
        var message = Milvus.ImportRequest()
        message.collection = "c1"
        message.partition = "p1"
        message.files = ["a/", ""]
        message.options = [Milvus.KeyValuePair("backup", "true")]
        try expectSame(
            message,
            "0a026331120270312a02612f2a00320e0a066261636b7570120474727565")
    }

    @Test func importState() throws {
        var message = Milvus.ImportTask()
        message.state = .completed
        message.rowCount = 100
        message.infos = [Milvus.KeyValuePair("failed_reason", ""), Milvus.KeyValuePair("progress_percent", "100")]
        message.id = 470_609_060_386_446_759
        message.collectionID = 5
        message.segmentIDs = [1, 300]
        message.createdAt = 1_795_231_242
        try expectRead(
            message,
            "0a0010061864220201022a0f0a0d6661696c65645f726561736f6e2a170a1070726f67726573735f70657263656e741203313030"
                + "30a7bba883a78efcc3063805420301ac02488a9c84d806")
    }

    @Test func getFlushState() throws {
        var message = Milvus.GetFlushStateRequest()
        message.segmentIDs = [470_609_060_386_246_697, 3]
        message.flushTimestamp = 470_609_097_337_339_917
        message.collection = "c1"
        try expectSame(
            message,
            "0a0aa9a09c83a78efcc30603108d80f0d6b08ffcc30622026331")
    }

    @Test func flushRequest() throws {
        var message = Milvus.FlushRequest()
        message.collections = ["c1", "c2"]
        try expectSame(
            message,
            "1a0263311a026332")
    }

    // MARK: Newer protocol

    @Test func flushResponse() throws {
        var sealed = Milvus.SegmentIDs()
        sealed.ids = [1, 470_609_060_386_246_697]
        var flushed = Milvus.SegmentIDs()
        flushed.ids = [9]
        var position = Milvus.MessagePosition()
        position.channel = "by-dev-rootcoord-dml_0_1v0"
        position.messageID = [1, 255, 0]
        position.group = "grp"
        position.timestamp = 470_609_097_337_339_917
        var message = Milvus.FlushResponse()
        message.sealedSegments = ["c1": sealed, "c2": Milvus.SegmentIDs()]
        message.flushedSegments = ["c1": flushed]
        message.sealTimes = ["c1": 1_795_231_236]
        message.flushTimestamps = ["c1": 470_609_097_337_339_917]
        // Ends with a field that is unknown to us, and is to be kept.
        message.channelCheckpoints = ["by-dev-rootcoord-dml_0_1v0": position.serialized() + [0x28, 2]]
        try expectRead(
            message,
            "0a0012036462311a120a026331120c0a0a01a9a09c83a78efcc3061a060a026332120022090a02633112030a01092a0a0a026331"
                + "10849c84d806320e0a026331108d80f0d6b08ffcc3063a500a1a62792d6465762d726f6f74636f6f72642d646d6c5f305f317630"
                + "12320a1a62792d6465762d726f6f74636f6f72642d646d6c5f305f317630120301ff001a03677270208d80f0d6b08ffcc3062802"
        )
    }

    @Test func flushAll() throws {
        var message = Milvus.FlushAllResponse()
        message.messages = [
            "p0": bytes("0a030a01781201701a130a035f7474120c336b707a386a3168326f31731a070a025f74120131")
        ]
        message.cluster.id = "cl"
        message.cluster.controlChannel = "cc"
        message.cluster.physicalChannels = ["p0", "p1"]
        try expectRead(
            message,
            "0a00222c0a02703012260a030a01781201701a130a035f7474120c336b707a386a3168326f31731a070a025f741201312a100a02"
                + "636c120263631a0270301a027031")
        let log = try Milvus.ImmutableMessage(serialized: message.messages["p0"] ?? [])
        #expect(log.properties == ["_tt": "3kpz8j1h2o1s", "_t": "1"])
    }

    @Test func segments() throws {
        var segment = Milvus.PersistentSegment()
        segment.id = 1
        segment.collectionID = 5
        segment.partitionID = -1
        segment.state = .flushed
        segment.level = .l0
        segment.isSorted = true
        segment.storageVersion = 2
        segment.insertChannel = "v0"
        var message = Milvus.GetPersistentSegmentInfoResponse()
        message.segments = [segment]
        try expectRead(
            message,
            "0a00121f0801100518ffffffffffffffffff0128043001380140024a02763052020304")
    }

    @Test func newerSchema() throws {
        var function = Milvus.FunctionSchema()
        function.name = "bm25"
        function.id = 100
        function.description = "d"
        function.type = 1
        function.inputFieldNames = ["t"]
        function.inputFieldIDs = [101]
        function.outputFieldNames = ["s"]
        function.outputFieldIDs = [102, 300]
        function.parameters = [Milvus.KeyValuePair("k", "v")]
        var subfield = Milvus.FieldSchema()
        subfield.fieldID = 105
        subfield.name = "sf"
        subfield.dataType = .array
        subfield.elementType = .float
        var structure = Milvus.StructArrayFieldSchema()
        structure.fieldID = 104
        structure.name = "st"
        structure.description = "sd"
        structure.subfields = [subfield]
        structure.typeParameters = [Milvus.KeyValuePair("mmap", "true")]
        structure.isNullable = true
        var field = Milvus.FieldSchema()
        field.fieldID = 100
        field.name = "t"
        field.dataType = .varChar
        field.isClusteringKey = true
        field.isNullable = true
        field.isFunctionOutput = true
        field.externalField = "ef"
        field.defaultValue = bytes("18fbffffffffffffffff01")
        var message = Milvus.CollectionSchema()
        message.name = "c"
        message.fields = [field]
        message.properties = [Milvus.KeyValuePair("p", "q")]
        message.functions = [function]
        message.databaseName = "db"
        message.structArrayFields = [structure]
        message.version = 3
        message.externalSource = "s3://b"
        message.externalSpecification = "{}"
        message.enableNamespace = true
        try expectRead(
            message,
            "0a01632220086412017428155a0b18fbffffffffffffffff01700178018001018a0102656632060a01701201713a230a04626d32"
                + "3510641a016420012a01743201653a0173420366ac024a060a016b120176420264624a260868120273741a027364220a08691202"
                + "73662816500a2a0c0a046d6d6170120474727565300150035a0673333a2f2f6262027b7d720207087801")
    }

    @Test func getFlushAllState() throws {
        var message = Milvus.GetFlushAllStateRequest()
        message.timestamp = 7
        message.timestamps = ["p0": 470_609_097_337_339_917, "p1": 2]
        try expectSame(
            message,
            "10072a0e0a027030108d80f0d6b08ffcc3062a060a0270311002")
    }

    @Test func describeDatabase() throws {
        var message = Milvus.DescribeDatabaseResponse()
        message.name = "db1"
        message.id = 4
        message.createdTimestamp = 470_609_097_337_339_917
        message.properties = [Milvus.KeyValuePair("database.replica.number", "1")]
        try expectRead(
            message,
            "0a0012036462311804208d80f0d6b08ffcc3062a1c0a1764617461626173652e7265706c6963612e6e756d626572120131")
    }

    @Test func alterCollection() throws {
        var message = Milvus.AlterCollectionRequest()
        message.collection = "c1"
        message.properties = [Milvus.KeyValuePair("a", "b")]
        message.deletedKeys = ["x", "y"]
        try expectSame(
            message,
            "1a0263312a060a0161120162320178320179")
    }

    @Test func newerDescribeCollection() throws {
        var message = Milvus.DescribeCollectionResponse()
        message.schema.name = "c"
        message.databaseID = 12
        try expectRead(
            message,
            "12030a016380010c880103")
    }

    @Test func replicateMessage() throws {
        var message = Milvus.ReplicateMessageResponse()
        message.position = "abc"
        try expectSame(
            message,
            "1203616263")
    }

    @Test func addCollectionField() throws {
        var field = Milvus.FieldSchema()
        field.name = "f"
        field.dataType = .int64
        field.isNullable = true
        var message = Milvus.AddCollectionFieldRequest()
        message.collection = "c1"
        message.schema = field.serialized()
        try expectSame(message, "1a0263312a0712016628057801")
    }

    // MARK: Users and roles, with pymilvus 2.5.6

    private static let rbac: Milvus.RBACMeta = {
        var ann = Milvus.User()
        ann.name = "ann"
        ann.password = "$2a$10$hash"
        ann.roles = [Milvus.NamedEntity("admin"), Milvus.NamedEntity("reader")]
        var bob = Milvus.User()
        bob.name = "bob"
        var grantor = Milvus.Grantor()
        grantor.user = Milvus.NamedEntity("root")
        grantor.privilege = Milvus.NamedEntity("Search")
        var grant = Milvus.Grant()
        grant.role = Milvus.NamedEntity("reader")
        grant.object = Milvus.NamedEntity("Collection")
        grant.objectName = "items"
        grant.grantor = grantor
        grant.database = "shop"
        var group = Milvus.PrivilegeGroup()
        group.name = "look"
        group.privileges = [Milvus.NamedEntity("Query"), Milvus.NamedEntity("Search")]
        var meta = Milvus.RBACMeta()
        meta.users = [ann, bob]
        meta.roles = [Milvus.NamedEntity("admin"), Milvus.NamedEntity("reader")]
        meta.grants = [grant]
        meta.privilegeGroups = [group]
        return meta
    }()

    private static let rbacBytes =
        "1297010a250a03616e6e120b24326124313024686173681a070a0561646d696e1a080a067265616465720a050a03626f6212070a0561"
        + "646d696e12080a067265616465721a390a080a06726561646572120c0a0a436f6c6c656374696f6e1a056974656d7322120a060a0472"
        + "6f6f7412080a065365617263682a0473686f7022190a046c6f6f6b12070a05517565727912080a06536561726368"

    @Test func restoreRBAC() throws {
        var message = Milvus.RestoreRBACRequest()
        message.meta = Self.rbac
        try expectSame(message, Self.rbacBytes)
    }

    @Test func backupRBAC() throws {
        #expect(Milvus.BackupRBACRequest().serialized().isEmpty)
        var message = Milvus.BackupRBACResponse()
        message.meta = Self.rbac
        try expectRead(message, "0a00" + Self.rbacBytes)
    }

    /// Servers look into the parts of a grant without asking whether they are there.
    @Test func aGrantHasAllItsPartsAlsoWhenTheyAreEmpty() throws {
        var message = Milvus.Grant()
        message.role = Milvus.NamedEntity()
        message.object = Milvus.NamedEntity()
        var grantor = Milvus.Grantor()
        grantor.user = Milvus.NamedEntity()
        grantor.privilege = Milvus.NamedEntity()
        message.grantor = grantor
        try expectSame(message, "0a00120022040a001200")
    }
}
