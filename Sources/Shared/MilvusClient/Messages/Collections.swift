extension Milvus {
    package struct ShowCollectionsRequest: MilvusRequest {
        package typealias Response = ShowCollectionsResponse
        package static let method = "ShowCollections"

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = []
    }

    package struct ShowCollectionsResponse: MilvusResponse {
        package var status = Status()
        package var names: [String] = []
        package var ids: [Int64] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.names, .string), .repeated(3, \.ids, .int64),
        ]
    }

    package struct HasCollectionRequest: MilvusRequest {
        package typealias Response = BoolResponse
        package static let method = "HasCollection"
        package var collection = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.collection, .string)]
    }

    package struct DescribeCollectionRequest: MilvusRequest {
        package typealias Response = DescribeCollectionResponse
        package static let method = "DescribeCollection"
        package var collection = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.collection, .string)]
    }

    package struct DescribeCollectionResponse: MilvusResponse {
        package var status = Status()
        package var schema = CollectionSchema()
        package var id: Int64 = 0
        package var virtualChannels: [String] = []
        package var physicalChannels: [String] = []
        package var createdTimestamp: UInt64 = 0
        package var shardCount: Int32 = 0
        package var aliases: [String] = []
        /// 0 strong, 1 session, 2 bounded, 3 eventually, 4 customized.
        package var consistencyLevel: Int32 = 0
        /// The name that was asked for: an alias when the question named one. The collection's own is in ``schema``.
        package var name = ""
        /// Servers before 2.4 report properties here and not in ``schema``.
        package var properties: [KeyValuePair] = []
        package var databaseName = ""
        package var partitionCount: Int64 = 0
        package var databaseID: Int64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.schema, .message), .one(3, \.id, .int64),
            .repeated(4, \.virtualChannels, .string), .repeated(5, \.physicalChannels, .string),
            .one(6, \.createdTimestamp, .uint64), .one(8, \.shardCount, .int32), .repeated(9, \.aliases, .string),
            .one(11, \.consistencyLevel, .int32), .one(12, \.name, .string), .repeated(13, \.properties, .message),
            .one(14, \.databaseName, .string), .one(15, \.partitionCount, .int64), .one(16, \.databaseID, .int64),
        ]
    }

    package struct CreateCollectionRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "CreateCollection"
        package var collection = ""
        /// A serialized ``CollectionSchema``.
        package var schema: [UInt8] = []
        package var shardCount: Int32 = 0
        package var consistencyLevel: Int32 = 0
        package var properties: [KeyValuePair] = []
        /// For collections with a partition key; else 0.
        package var partitionCount: Int64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(4, \.schema, .bytes), .one(5, \.shardCount, .int32),
            .one(6, \.consistencyLevel, .int32), .repeated(7, \.properties, .message),
            .one(8, \.partitionCount, .int64),
        ]
    }

    package struct DropCollectionRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "DropCollection"
        package var collection = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.collection, .string)]
    }

    package struct AlterCollectionRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "AlterCollection"
        package var collection = ""
        package var properties: [KeyValuePair] = []
        package var deletedKeys: [String] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .repeated(5, \.properties, .message), .repeated(6, \.deletedKeys, .string),
        ]
    }

    package struct AddCollectionFieldRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "AddCollectionField"
        package var collection = ""
        /// A serialized ``FieldSchema``.
        package var schema: [UInt8] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(5, \.schema, .bytes),
        ]
    }

    package struct LoadCollectionRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "LoadCollection"
        package var collection = ""
        package var replicaCount: Int32 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(4, \.replicaCount, .int32),
        ]
    }

    package struct GetLoadingProgressRequest: MilvusRequest {
        package typealias Response = GetLoadingProgressResponse
        package static let method = "GetLoadingProgress"
        package var collection = ""
        /// None for the collection as a whole.
        package var partitions: [String] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(2, \.collection, .string), .repeated(3, \.partitions, .string),
        ]
    }

    package struct GetLoadingProgressResponse: MilvusResponse {
        package var status = Status()
        /// Percent.
        package var progress: Int64 = 0

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.progress, .int64),
        ]
    }

    package struct CreateAliasRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "CreateAlias"
        package var collection = ""
        package var alias = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(4, \.alias, .string),
        ]
    }
}
