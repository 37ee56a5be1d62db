extension Milvus {
    /// Asked with a channel alone, 2.5 answers the channel's position.
    package struct ReplicateMessageRequest: MilvusRequest {
        package typealias Response = ReplicateMessageResponse
        package static let method = "ReplicateMessage"
        package var channel = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(2, \.channel, .string)]
    }

    package struct ReplicateMessageResponse: MilvusResponse {
        package var status = Status()
        package var position = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.position, .string),
        ]
    }
}
