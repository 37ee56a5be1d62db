extension Milvus {
    package struct FlushRequest: MilvusRequest {
        package typealias Response = FlushResponse
        package static let method = "Flush"
        package var collections: [String] = []

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.repeated(3, \.collections, .string)]
    }

    /// The maps are keyed by collection name, the checkpoints by virtual channel.
    package struct FlushResponse: MilvusResponse {
        package var status = Status()
        package var sealedSegments: [String: SegmentIDs] = [:]
        package var flushedSegments: [String: SegmentIDs] = [:]
        /// Unix seconds.
        package var sealTimes: [String: Int64] = [:]
        /// Hybrid timestamps; absent before 2.3.1.
        package var flushTimestamps: [String: UInt64] = [:]
        /// Serialized ``MessagePosition``s; absent before 2.4.2.
        package var channelCheckpoints: [String: [UInt8]] = [:]

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .map(3, \.sealedSegments, .message), .map(4, \.flushedSegments, .message),
            .map(5, \.sealTimes, .int64), .map(6, \.flushTimestamps, .uint64), .map(7, \.channelCheckpoints, .bytes),
        ]
    }

    package struct SegmentIDs: ProtobufMessage {
        package var ids: [Int64] = []

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.repeated(1, \.ids, .int64)]
    }

    /// A place in a channel's log.
    package struct MessagePosition: ProtobufMessage {
        package var channel = ""
        package var messageID: [UInt8] = []
        package var group = ""
        package var timestamp: UInt64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.channel, .string), .one(2, \.messageID, .bytes), .one(3, \.group, .string),
            .one(4, \.timestamp, .uint64),
        ]
    }

    package struct GetFlushStateRequest: MilvusRequest {
        package typealias Response = FlushStateResponse
        package static let method = "GetFlushState"
        package var segmentIDs: [Int64] = []
        package var flushTimestamp: UInt64 = 0
        package var collection = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .repeated(1, \.segmentIDs, .int64), .one(2, \.flushTimestamp, .uint64), .one(4, \.collection, .string),
        ]
    }

    package struct FlushStateResponse: MilvusResponse {
        package var status = Status()
        package var isFlushed = false

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.isFlushed, .bool),
        ]
    }

    package struct FlushAllRequest: MilvusRequest {
        package typealias Response = FlushAllResponse
        package static let method = "FlushAll"

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = []
    }

    package struct FlushAllResponse: MilvusResponse {
        package var status = Status()
        /// Hybrid timestamp, on servers before 2.6.9.
        package var timestamp: UInt64 = 0
        /// Serialized ``ImmutableMessage``s by physical channel, from 2.6.9 on.
        package var messages: [String: [UInt8]] = [:]
        package var cluster = ClusterInfo()

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.timestamp, .uint64), .map(4, \.messages, .bytes),
            .one(5, \.cluster, .message),
        ]
    }

    package struct ClusterInfo: ProtobufMessage {
        package var id = ""
        package var controlChannel = ""
        package var physicalChannels: [String] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.id, .string), .one(2, \.controlChannel, .string), .repeated(3, \.physicalChannels, .string),
        ]
    }

    /// A message of the streaming log, of which only the properties are looked at.
    package struct ImmutableMessage: ProtobufMessage {
        package var properties: [String: String] = [:]

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.map(3, \.properties, .string)]
    }

    package struct GetFlushAllStateRequest: MilvusRequest {
        package typealias Response = FlushStateResponse
        package static let method = "GetFlushAllState"
        /// For servers before 2.6.9.
        package var timestamp: UInt64 = 0
        /// By physical channel.
        package var timestamps: [String: UInt64] = [:]

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(2, \.timestamp, .uint64), .map(5, \.timestamps, .uint64),
        ]
    }
}
