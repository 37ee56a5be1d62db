extension Milvus {
    package struct ListDatabasesRequest: MilvusRequest {
        package typealias Response = ListDatabasesResponse
        package static let method = "ListDatabases"

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = []
    }

    package struct ListDatabasesResponse: MilvusResponse {
        package var status = Status()
        package var names: [String] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.names, .string),
        ]
    }

    package struct DescribeDatabaseRequest: MilvusRequest {
        package typealias Response = DescribeDatabaseResponse
        package static let method = "DescribeDatabase"
        package var name = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(2, \.name, .string)]
    }

    package struct DescribeDatabaseResponse: MilvusResponse {
        package var status = Status()
        package var name = ""
        package var id: Int64 = 0
        package var createdTimestamp: UInt64 = 0
        package var properties: [KeyValuePair] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.name, .string), .one(3, \.id, .int64),
            .one(4, \.createdTimestamp, .uint64), .repeated(5, \.properties, .message),
        ]
    }

    package struct CreateDatabaseRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "CreateDatabase"
        package var name = ""
        package var properties: [KeyValuePair] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(2, \.name, .string), .repeated(3, \.properties, .message),
        ]
    }
}
