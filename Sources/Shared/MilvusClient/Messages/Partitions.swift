extension Milvus {
    package struct ShowPartitionsRequest: MilvusRequest {
        package typealias Response = ShowPartitionsResponse
        package static let method = "ShowPartitions"
        package var collection = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.collection, .string)]
    }

    package struct ShowPartitionsResponse: MilvusResponse {
        package var status = Status()
        package var names: [String] = []
        package var ids: [Int64] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.names, .string), .repeated(3, \.ids, .int64),
        ]
    }

    package struct HasPartitionRequest: MilvusRequest {
        package typealias Response = BoolResponse
        package static let method = "HasPartition"
        package var collection = ""
        package var partition = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(4, \.partition, .string),
        ]
    }

    package struct CreatePartitionRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "CreatePartition"
        package var collection = ""
        package var partition = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(3, \.collection, .string), .one(4, \.partition, .string),
        ]
    }
}
