extension Milvus {
    /// What a collection looks like.
    package struct CollectionSchema: ProtobufMessage {
        package var name = ""
        package var description = ""
        package var autoID = false
        /// In the order in which the server numbers them: it must be kept.
        package var fields: [FieldSchema] = []
        package var enableDynamicField = false
        package var properties: [KeyValuePair] = []
        package var functions: [FunctionSchema] = []
        package var databaseName = ""
        package var structArrayFields: [StructArrayFieldSchema] = []
        package var version: Int32 = 0
        /// Not empty for a collection whose data lies outside of Milvus.
        package var externalSource = ""
        package var externalSpecification = ""
        package var enableNamespace = false

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.name, .string), .one(2, \.description, .string), .one(3, \.autoID, .bool),
            .repeated(4, \.fields, .message), .one(5, \.enableDynamicField, .bool),
            .repeated(6, \.properties, .message), .repeated(7, \.functions, .message),
            .one(8, \.databaseName, .string), .repeated(9, \.structArrayFields, .message),
            .one(10, \.version, .int32), .one(11, \.externalSource, .string),
            .one(12, \.externalSpecification, .string), .one(15, \.enableNamespace, .bool),
        ]
    }

    package struct FieldSchema: ProtobufMessage {
        package var fieldID: Int64 = 0
        package var name = ""
        package var isPrimaryKey = false
        package var description = ""
        package var dataType: DataType = .none
        package var typeParameters: [KeyValuePair] = []
        package var indexParameters: [KeyValuePair] = []
        package var autoID = false
        package var state: Int32 = 0
        package var elementType: DataType = .none
        /// A serialized ValueField (its one-of: bool 1, int32 2, int64 3, float 4, double 5, string 6, bytes 7).
        package var defaultValue: [UInt8]?
        package var isDynamic = false
        package var isPartitionKey = false
        package var isClusteringKey = false
        package var isNullable = false
        package var isFunctionOutput = false
        package var externalField = ""
        /// A serialized TypeSchema.
        package var typeSchema: [UInt8]?
        package var isElementNullable = false

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.fieldID, .int64), .one(2, \.name, .string), .one(3, \.isPrimaryKey, .bool),
            .one(4, \.description, .string), .one(5, \.dataType, .enumeration),
            .repeated(6, \.typeParameters, .message), .repeated(7, \.indexParameters, .message),
            .one(8, \.autoID, .bool), .one(9, \.state, .int32), .one(10, \.elementType, .enumeration),
            .optional(11, \.defaultValue, .bytes), .one(12, \.isDynamic, .bool), .one(13, \.isPartitionKey, .bool),
            .one(14, \.isClusteringKey, .bool), .one(15, \.isNullable, .bool), .one(16, \.isFunctionOutput, .bool),
            .one(17, \.externalField, .string), .optional(18, \.typeSchema, .bytes),
            .one(19, \.isElementNullable, .bool),
        ]
    }

    package struct FunctionSchema: ProtobufMessage {
        package var name = ""
        package var id: Int64 = 0
        package var description = ""
        /// 0 unknown, 1 BM25, 2 text embedding, 3 rerank, 4 MinHash.
        package var type: Int32 = 0
        package var inputFieldNames: [String] = []
        package var inputFieldIDs: [Int64] = []
        package var outputFieldNames: [String] = []
        package var outputFieldIDs: [Int64] = []
        package var parameters: [KeyValuePair] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.name, .string), .one(2, \.id, .int64), .one(3, \.description, .string), .one(4, \.type, .int32),
            .repeated(5, \.inputFieldNames, .string), .repeated(6, \.inputFieldIDs, .int64),
            .repeated(7, \.outputFieldNames, .string), .repeated(8, \.outputFieldIDs, .int64),
            .repeated(9, \.parameters, .message),
        ]
    }

    package struct StructArrayFieldSchema: ProtobufMessage {
        package var fieldID: Int64 = 0
        package var name = ""
        package var description = ""
        package var subfields: [FieldSchema] = []
        package var typeParameters: [KeyValuePair] = []
        package var isNullable = false

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.fieldID, .int64), .one(2, \.name, .string), .one(3, \.description, .string),
            .repeated(4, \.subfields, .message), .repeated(5, \.typeParameters, .message), .one(6, \.isNullable, .bool),
        ]
    }

    /// The type of a field's values; numbers of newer servers are kept.
    package struct DataType: ProtobufEnumeration {
        package var rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let none = DataType(rawValue: 0)
        package static let bool = DataType(rawValue: 1)
        package static let int8 = DataType(rawValue: 2)
        package static let int16 = DataType(rawValue: 3)
        package static let int32 = DataType(rawValue: 4)
        package static let int64 = DataType(rawValue: 5)
        package static let float = DataType(rawValue: 10)
        package static let double = DataType(rawValue: 11)
        package static let string = DataType(rawValue: 20)
        package static let varChar = DataType(rawValue: 21)
        package static let array = DataType(rawValue: 22)
        package static let json = DataType(rawValue: 23)
        package static let binaryVector = DataType(rawValue: 100)
        package static let floatVector = DataType(rawValue: 101)
        package static let float16Vector = DataType(rawValue: 102)
        package static let bfloat16Vector = DataType(rawValue: 103)
        package static let sparseFloatVector = DataType(rawValue: 104)
        package static let int8Vector = DataType(rawValue: 105)
        package static let arrayOfVector = DataType(rawValue: 106)

        /// Whether it is a vector or an array of vectors: those have a range of numbers of their own.
        package var isVector: Bool { (100...199).contains(rawValue) }
    }
}
