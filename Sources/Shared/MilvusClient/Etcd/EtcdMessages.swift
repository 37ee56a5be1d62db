import Support

/// The few messages of etcd's version 3 interface that are used here: `api/etcdserverpb/rpc.proto` and
/// `api/mvccpb/kv.proto` of github.com/etcd-io/etcd.
enum Etcd {
    struct RangeRequest: ProtobufMessage {
        var key: [UInt8] = []
        /// The first key that does not belong to it.
        var end: [UInt8] = []
        /// Of keys in the answer.
        var limit: Int64 = 0
        /// What was there at this revision; 0 for now.
        var revision: Int64 = 0

        static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.key, .bytes), .one(2, \.end, .bytes), .one(3, \.limit, .int64), .one(4, \.revision, .int64),
        ]
    }

    struct RangeResponse: ProtobufMessage {
        var header = Header()
        var entries: [KeyValue] = []
        var hasMore = false

        static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.header, .message), .repeated(2, \.entries, .message), .one(3, \.hasMore, .bool),
        ]
    }

    struct Header: ProtobufMessage {
        var revision: Int64 = 0

        static let layout: [ProtobufFieldCoding<Self>] = [.one(3, \.revision, .int64)]
    }

    struct KeyValue: ProtobufMessage {
        var key: [UInt8] = []
        var value: [UInt8] = []

        static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.key, .bytes), .one(5, \.value, .bytes)]
    }
}

extension Milvus {
    /// What Milvus keeps of an index, below `meta/field-index/`: `index_coord.proto`.
    package struct StoredIndex: ProtobufMessage {
        package var info = StoredIndexInfo()
        package var isDeleted = false
        /// Hybrid timestamp.
        package var createTime: UInt64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.info, .message), .one(2, \.isDeleted, .bool), .one(3, \.createTime, .uint64),
        ]
    }

    package struct StoredIndexInfo: ProtobufMessage {
        package var collectionID: Int64 = 0
        package var fieldID: Int64 = 0
        package var indexName = ""
        package var indexID: Int64 = 0
        package var typeParameters: [KeyValuePair] = []
        package var indexParameters: [KeyValuePair] = []
        package var isAutoIndex = false
        /// As the user wrote them.
        package var userIndexParameters: [KeyValuePair] = []
        package var minimumIndexVersion: Int32 = 0
        package var maximumIndexVersion: Int32 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.collectionID, .int64), .one(2, \.fieldID, .int64), .one(3, \.indexName, .string),
            .one(4, \.indexID, .int64), .repeated(5, \.typeParameters, .message),
            .repeated(6, \.indexParameters, .message), .one(11, \.isAutoIndex, .bool),
            .repeated(12, \.userIndexParameters, .message), .one(14, \.minimumIndexVersion, .int32),
            .one(15, \.maximumIndexVersion, .int32),
        ]
    }
}
