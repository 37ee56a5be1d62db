extension Milvus {
    package struct DescribeIndexRequest: MilvusRequest {
        package typealias Response = DescribeIndexResponse
        package static let method = "DescribeIndex"
        package var collection = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.collection, .string)]
    }

    package struct DescribeIndexResponse: MilvusResponse {
        package var status = Status()
        package var indexes: [IndexDescription] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.indexes, .message),
        ]
    }

    package struct IndexDescription: ProtobufMessage {
        package var name = ""
        package var id: Int64 = 0
        package var parameters: [KeyValuePair] = []
        package var fieldName = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.name, .string), .one(2, \.id, .int64), .repeated(3, \.parameters, .message),
            .one(4, \.fieldName, .string),
        ]
    }

    package struct CreateIndexRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "CreateIndex"
        package var collection = ""
        package var fieldName = ""
        package var parameters: [KeyValuePair] = []
        package var indexName = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(4, \.fieldName, .string), .repeated(5, \.parameters, .message),
            .one(6, \.indexName, .string),
        ]
    }

    package struct DropIndexRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "DropIndex"
        package var collection = ""
        package var indexName = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(5, \.indexName, .string),
        ]
    }
}
