/// The messages of Milvus' gRPC interface, with the fields that are read or written here.
///
/// Field numbers are those of milvus-proto (packages milvus, common, schema and msg); they never change, and servers of
/// different age only lack some. `base` (field 1 of most requests) is never set, and the database goes along as metadata.
package enum Milvus {}

/// A request of Milvus' service, and what answers it.
package protocol MilvusRequest: ProtobufMessage {
    associatedtype Response: MilvusResponse
    /// The method's name within `milvus.proto.milvus.MilvusService`.
    static var method: String { get }
}

/// An answer of Milvus' service.
package protocol MilvusResponse: ProtobufMessage {
    var status: Milvus.Status { get }
}

extension Milvus {
    /// How an operation ended: well when ``code`` and ``errorCode`` are both 0. Servers before 2.3 fill only the latter.
    package struct Status: MilvusResponse {
        package var errorCode: Int32 = 0
        package var reason = ""
        package var code: Int32 = 0
        package var isRetriable = false
        package var detail = ""

        package init() {}
        package var isOK: Bool { code == 0 && errorCode == 0 }
        package var status: Status { self }

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.errorCode, .int32), .one(2, \.reason, .repairedString), .one(3, \.code, .int32),
            .one(4, \.isRetriable, .bool), .one(5, \.detail, .repairedString),
        ]
    }

    package struct KeyValuePair: ProtobufMessage {
        package var key = ""
        package var value = ""

        package init() {}

        package init(_ key: String, _ value: String) {
            self.key = key
            self.value = value
        }

        package static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.key, .string), .one(2, \.value, .string)]
    }

    /// A yes or no.
    package struct BoolResponse: MilvusResponse {
        package var status = Status()
        package var value = false

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.status, .message), .one(2, \.value, .bool)]
    }
}
