import Support

@testable import BackupFormat

/// JSON written over several lines: line feeds and the blanks at the beginning of lines are taken out.
func compact(_ text: String) -> String {
    text.split(separator: "\n").map { $0.drop { $0 == " " } }.joined()
}

/// A source that gives `bytes` in pieces.
func source(_ bytes: [UInt8], pieceSize: Int = 4096) -> () throws -> [UInt8]? {
    var rest = bytes[...]
    return {
        let piece = rest.prefix(pieceSize)
        rest = rest.dropFirst(pieceSize)
        return piece.isEmpty ? nil : Array(piece)
    }
}

func source(_ text: String) -> () throws -> [UInt8]? { source(Array(text.utf8)) }

/// The message of the error that `body` throws.
func message(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return BackupError(wrapping: error).message
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

enum Sample {
    /// A backup with everything the format can hold: two collections of which one is empty, a data segment, a level-0
    /// segment of a partition, another of the whole collection, RBAC, databases, channels.
    static var backup: BackupInfo {
        var backup = BackupInfo(id: "5b0c", name: "nightly")
        backup.collections = [items, empty]
        backup.size = 4196
        backup.milvusVersion = "v2.6.11"
        backup.rbac = rbac
        backup.rpcChannel = RPCChannelInfo(name: "by-dev-replicate-msg", position: "CAEQ")
        var encrypted = DatabaseBackup(name: "db2", id: 2)
        encrypted.properties = [KeyValuePair("cipher.key", "k<1>")]
        encrypted.encryptionZoneKey = "ezk=="
        backup.databases = [DatabaseBackup(name: "default", id: 1), encrypted]
        backup.flushAllMessages = ["by-dev-rootcoord-dml_1": "Qg==", "by-dev-rootcoord-dml_0": "QQ=="]
        backup.controlChannelName = "by-dev-rootcoord-dml_0_vcchan"
        backup.physicalChannelNames = ["by-dev-rootcoord-dml_0", "by-dev-rootcoord-dml_1"]
        return backup
    }

    /// One of each kind of object, for tests that read it thousands of times.
    static var small: BackupInfo {
        var backup = backup
        backup.collections.removeLast()
        backup.collections[0].schema.fields = [backup.collections[0].schema.fields[2]]
        backup.collections[0].schema.structArrayFields = []
        backup.collections[0].partitions[0].segments.removeLast()
        backup.rbac?.grants.removeLast()
        backup.databases.removeLast()
        return backup
    }

    private static var empty: CollectionBackup {
        var collection = CollectionBackup(collectionID: 449_577_900, databaseName: "db2", collectionName: "empty")
        collection.loadState = "NotLoad"
        return collection
    }

    private static var items: CollectionBackup {
        var collection = CollectionBackup(collectionID: 449_577_001, databaseName: "default", collectionName: "items")
        collection.id = "5b0c"
        collection.schema = schema
        collection.shardCount = 1
        collection.consistencyLevel = 2
        collection.partitions = partitions
        collection.backupTimestamp = 452_984_832_000_000_001
        collection.size = 4196
        collection.indexes = [index]
        collection.loadState = "Loaded"
        collection.backupPhysicalTimestamp = 1_728_000_000
        collection.channelCheckpoints = ["by-dev-rootcoord-dml_0_449577001v0": "Ch5ieS1k"]
        var l0 = SegmentBackup(
            segmentID: 449_577_101, collectionID: 449_577_001, partitionID: SegmentBackup.allPartitions)
        l0.deltaLogs = FieldBinlogs([Binlog(logID: 7, size: 512)])
        l0.size = 512
        l0.isL0 = true
        collection.l0Segments = [l0]
        collection.properties = [KeyValuePair("collection.ttl.seconds", "60")]
        collection.databaseID = 1
        collection.createdTimestamp = 452_984_000_000_000_000
        collection.virtualChannelNames = ["by-dev-rootcoord-dml_0_449577001v0"]
        collection.physicalChannelNames = ["by-dev-rootcoord-dml_0"]
        collection.aliases = ["things"]
        return collection
    }

    private static var partitions: [PartitionBackup] {
        var data = SegmentBackup(segmentID: 449_577_100, collectionID: 449_577_001, partitionID: 449_577_002)
        data.rowCount = 10
        data.insertLogs = FieldBinlogs([
            Binlog(fieldID: 0, logID: 1, size: 512), Binlog(fieldID: 0, logID: 2, size: 0),
            Binlog(fieldID: 1, logID: 3, size: 512), Binlog(fieldID: 100, logID: 9_223_372_036_854_775_807, size: 2560),
        ])
        data.deltaLogs = .emptyField
        data.size = 3584
        data.groupID = 449_577_100
        data.virtualChannel = "by-dev-rootcoord-dml_0_449577001v0"
        data.storageVersion = 2
        var l0 = SegmentBackup(segmentID: 449_577_102, collectionID: 449_577_001, partitionID: 449_577_002)
        l0.deltaLogs = FieldBinlogs([Binlog(logID: 8, size: 100)])
        l0.size = 100
        l0.groupID = 449_577_102
        l0.isL0 = true
        var owning = PartitionBackup(partitionID: 449_577_002, name: "_default", collectionID: 449_577_001)
        owning.segments = [data, l0]
        owning.size = 3684
        owning.loadState = "Loaded"
        return [owning, PartitionBackup(partitionID: 449_577_003, name: "novel", collectionID: 449_577_001)]
    }

    private static var schema: CollectionSchema {
        var key = FieldSchema(fieldID: 100, name: "pk", dataType: 5)
        key.isPrimaryKey = true
        key.autoID = true
        var vector = FieldSchema(fieldID: 101, name: "emb", dataType: 101)
        vector.typeParameters = [KeyValuePair("dim", "128")]
        vector.indexParameters = [KeyValuePair("metric_type", "L2")]
        var note = FieldSchema(fieldID: 102, name: "note", dataType: 21)
        note.description = "a \"note\""
        note.typeParameters = [KeyValuePair("max_length", "64"), KeyValuePair("", "")]
        note.isPartitionKey = true
        note.isNullable = true
        note.defaultValueBase64 = "MgJoaQ=="
        var tags = FieldSchema(fieldID: 103, name: "tags", dataType: 22)
        tags.elementType = 21
        var sparse = FieldSchema(fieldID: 104, name: "sparse", dataType: 104)
        sparse.isFunctionOutput = true
        var meta = FieldSchema(fieldID: 105, name: "$meta", dataType: 23)
        meta.isDynamic = true
        var schema = CollectionSchema()
        schema.name = "items"
        schema.description = "1 < 2"
        schema.fields = [key, vector, note, tags, sparse, meta]
        schema.enableDynamicField = true
        schema.properties = [KeyValuePair("mmap.enabled", "true")]
        schema.functions = [function]
        var list = StructArrayFieldSchema()
        list.fieldID = 106
        list.name = "chunks"
        list.description = "parts"
        list.fields = [FieldSchema(fieldID: 107, name: "text", dataType: 22)]
        schema.structArrayFields = [list]
        return schema
    }

    private static var function: FunctionSchema {
        var function = FunctionSchema()
        function.name = "bm25"
        function.id = 1000
        function.description = "words"
        function.type = 1
        function.inputFieldNames = ["note"]
        function.inputFieldIDs = [102]
        function.outputFieldNames = ["sparse"]
        function.outputFieldIDs = [104]
        function.parameters = [KeyValuePair("k", "v")]
        return function
    }

    private static var index: IndexInfo {
        var index = IndexInfo()
        index.fieldName = "emb"
        index.indexName = "emb_index"
        index.indexType = "HNSW"
        index.parameters = ["metric_type": "L2", "M": "16", "index_type": "HNSW", "efConstruction": "200"]
        index.indexID = 449_577_050
        index.fieldID = 101
        index.createTime = 18_446_744_073_709_551_615
        index.typeParameters = [KeyValuePair("dim", "128")]
        index.indexParameters = [KeyValuePair("index_type", "HNSW")]
        index.userIndexParameters = [KeyValuePair("M", "16")]
        index.isAutoIndex = true
        index.minimumIndexVersion = 1
        index.maximumIndexVersion = 6
        return index
    }

    private static var rbac: RBACMetadata {
        var rbac = RBACMetadata()
        var user = RBACMetadata.User()
        user.name = "alice"
        user.passwordHash = "$2a$10$x"
        user.roles = ["reader", "writer"]
        var grant = RBACMetadata.Grant()
        grant.role = "reader"
        grant.object = "Collection"
        grant.objectName = "*"
        grant.grantor = "root"
        grant.privilege = "Search"
        grant.databaseName = "default"
        var group = RBACMetadata.PrivilegeGroup()
        group.name = "ops"
        group.privileges = ["Load", "Release"]
        rbac.users = [user]
        rbac.roles = ["reader", "writer"]
        rbac.grants = [grant, RBACMetadata.Grant()]
        rbac.privilegeGroups = [group]
        return rbac
    }
}
