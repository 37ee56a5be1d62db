import Glibc
import HTTP
import Support

@testable import MilvusClient

/// The Milvus that live tests run against, named by `MILVUS_BACKUP_TEST_MILVUS` as `host:port`, and by
/// `MILVUS_BACKUP_TEST_MILVUS_MANAGEMENT` as the base URL of its management interface.
struct LiveMilvus: Sendable {
    static let variable = "MILVUS_BACKUP_TEST_MILVUS"
    static var isThere: Bool { value(variable) != nil }
    static var managementEndpoint: String? { value("MILVUS_BACKUP_TEST_MILVUS_MANAGEMENT") }

    let http = CurlHTTPClient()
    let connection: MilvusConnection

    init?() {
        guard let parts = Self.value(Self.variable)?.split(separator: ":"), parts.count == 2, let port = Int(parts[1])
        else { return nil }
        connection = MilvusConnection(
            address: String(parts[0]), port: port, user: Self.value("MILVUS_BACKUP_TEST_MILVUS_USER") ?? "",
            password: Secret(Self.value("MILVUS_BACKUP_TEST_MILVUS_PASSWORD") ?? ""))
    }

    func client() -> MilvusClient { MilvusClient(connection: connection, http: http, logger: .silent) }

    private static func value(_ name: String) -> String? {
        guard let text = getenv(name).map({ String(cString: $0) }), !text.isEmpty else { return nil }
        return text
    }

    /// A collection of ids and vectors of four dimensions.
    static func schema(_ name: String) -> Milvus.CollectionSchema {
        var id = Milvus.FieldSchema()
        id.fieldID = 100
        id.name = "id"
        id.isPrimaryKey = true
        id.dataType = .int64
        var vector = Milvus.FieldSchema()
        vector.fieldID = 101
        vector.name = "vector"
        vector.dataType = .floatVector
        vector.typeParameters = [Milvus.KeyValuePair("dim", "4")]
        var schema = Milvus.CollectionSchema()
        schema.name = name
        schema.description = "made by a test"
        schema.fields = [id, vector]
        return schema
    }
}

/// As much of Milvus' Insert as a test needs.
struct InsertRequest: MilvusRequest {
    typealias Response = MutationResult
    static let method = "Insert"
    var collection = ""
    var partition = ""
    /// Serialized FieldData.
    var fields: [[UInt8]] = []
    var rowCount: Int64 = 0

    static let layout: [ProtobufFieldCoding<Self>] = [
        .one(3, \.collection, .string), .one(4, \.partition, .string), .repeated(5, \.fields, .bytes),
        .one(7, \.rowCount, .int64),
    ]
}

extension InsertRequest {
    /// Rows of ``LiveMilvus/schema(_:)``.
    init(rows ids: Range<Int64>, into collection: String, partition: String) {
        var numbers = ProtobufWriter()
        numbers.write(packed: ids.map { UInt64($0) }, field: 1)
        var scalars = ProtobufWriter()
        scalars.write(bytes: numbers.bytes, field: 3)
        var idField = ProtobufWriter()
        idField.write(varint: 5, field: 1)
        idField.write(bytes: "id".utf8, field: 2)
        idField.write(bytes: scalars.bytes, field: 3)

        var packed: [UInt8] = []
        for id in ids {
            for component: Float in [Float(id), 0.5, 0.25, 1] {
                withUnsafeBytes(of: component.bitPattern.littleEndian) { packed += $0 }
            }
        }
        var floats = ProtobufWriter()
        floats.write(bytes: packed, field: 1)
        var vectors = ProtobufWriter()
        vectors.write(varint: 4, field: 1)
        vectors.write(bytes: floats.bytes, field: 2)
        var vectorField = ProtobufWriter()
        vectorField.write(varint: 101, field: 1)
        vectorField.write(bytes: "vector".utf8, field: 2)
        vectorField.write(bytes: vectors.bytes, field: 4)

        self.init()
        self.collection = collection
        self.partition = partition
        self.fields = [idField.bytes, vectorField.bytes]
        self.rowCount = Int64(ids.count)
    }
}

struct MutationResult: MilvusResponse {
    var status = Milvus.Status()
    static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.status, .message)]
}
