extension Milvus {
    package struct GetPersistentSegmentInfoRequest: MilvusRequest {
        package typealias Response = GetPersistentSegmentInfoResponse
        package static let method = "GetPersistentSegmentInfo"
        package var collection = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.collection, .string)]
    }

    package struct GetPersistentSegmentInfoResponse: MilvusResponse {
        package var status = Status()
        package var segments: [PersistentSegment] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.segments, .message),
        ]
    }

    package struct PersistentSegment: ProtobufMessage {
        package var id: Int64 = 0
        package var collectionID: Int64 = 0
        /// -1 for a segment of deletions that belongs to all partitions.
        package var partitionID: Int64 = 0
        package var rowCount: Int64 = 0
        package var state: SegmentState = .none
        /// ``SegmentLevel/legacy`` also when the server does not say (before 2.4.7).
        package var level: SegmentLevel = .legacy
        package var isSorted = false
        package var storageVersion: Int64 = 0
        /// The virtual channel; empty when the server does not say (before 2.6).
        package var insertChannel = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.id, .int64), .one(2, \.collectionID, .int64), .one(3, \.partitionID, .int64),
            .one(4, \.rowCount, .int64), .one(5, \.state, .enumeration), .one(6, \.level, .enumeration),
            .one(7, \.isSorted, .bool), .one(8, \.storageVersion, .int64),
            .one(9, \.insertChannel, .string),
        ]
    }

    package struct SegmentState: ProtobufEnumeration {
        package var rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let none = SegmentState(rawValue: 0)
        package static let notExist = SegmentState(rawValue: 1)
        package static let growing = SegmentState(rawValue: 2)
        package static let sealed = SegmentState(rawValue: 3)
        package static let flushed = SegmentState(rawValue: 4)
        package static let flushing = SegmentState(rawValue: 5)
        package static let dropped = SegmentState(rawValue: 6)
        package static let importing = SegmentState(rawValue: 7)
    }

    package struct SegmentLevel: ProtobufEnumeration {
        package var rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let legacy = SegmentLevel(rawValue: 0)
        /// Deletions only.
        package static let l0 = SegmentLevel(rawValue: 1)
        package static let l1 = SegmentLevel(rawValue: 2)
        package static let l2 = SegmentLevel(rawValue: 3)
    }
}
