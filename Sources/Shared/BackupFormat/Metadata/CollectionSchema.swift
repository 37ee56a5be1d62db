/// A setting: a type parameter, an index parameter, a property.
package struct KeyValuePair: Sendable, Hashable {
    package var key = ""
    package var value = ""

    package init() {}

    package init(_ key: String, _ value: String) {
        self.key = key
        self.value = value
    }
}

/// What a collection is made of.
package struct CollectionSchema: Sendable, Hashable {
    package var name = ""
    package var description = ""
    /// An old flag of the schema; fields have one of their own.
    package var autoID = false
    /// The user's fields in the server's order, which restore must keep.
    package var fields: [FieldSchema] = []
    package var enableDynamicField = false
    package var properties: [KeyValuePair] = []
    package var functions: [FunctionSchema] = []
    package var structArrayFields: [StructArrayFieldSchema] = []

    package init() {}

    /// The id of the dynamic field, which servers do not tell; nil when there is none.
    ///
    /// Servers number fields in the order in which they come, from 100 on, and the dynamic field after those of the creation.
    package var dynamicFieldID: Int64? {
        guard enableDynamicField else { return nil }
        if let dynamic = fields.first(where: \.isDynamic) { return dynamic.fieldID }
        let ids = Set(
            fields.map(\.fieldID) + structArrayFields.map(\.fieldID)
                + structArrayFields.flatMap { $0.fields.map(\.fieldID) })
        let firstUserField: Int64 = 100
        return (firstUserField...).first { !ids.contains($0) }
    }
}

/// A field of a collection. Numbers of enumerations pass through as they are, known or not.
package struct FieldSchema: Sendable, Hashable {
    package var fieldID: Int64 = 0
    package var name = ""
    package var isPrimaryKey = false
    package var description = ""
    /// Milvus' `DataType`.
    package var dataType: Int32 = 0
    package var typeParameters: [KeyValuePair] = []
    package var indexParameters: [KeyValuePair] = []
    package var autoID = false
    /// The `DataType` of the elements of an array.
    package var elementType: Int32 = 0
    package var isDynamic = false
    package var isPartitionKey = false
    package var isNullable = false
    /// Raw bytes of a `schema.ValueField` in a string, damaged where they were no UTF-8. Only v0.4.25 to v0.5.4 wrote
    /// it; ``defaultValueBase64`` wins.
    package var defaultValueProto = ""
    package var isFunctionOutput = false
    /// Base64 of a `schema.ValueField`; empty when there is no default.
    package var defaultValueBase64 = ""

    package init() {}

    package init(fieldID: Int64, name: String, dataType: Int32) {
        self.fieldID = fieldID
        self.name = name
        self.dataType = dataType
    }
}

/// A function that makes a field out of others: BM25, embeddings, …
package struct FunctionSchema: Sendable, Hashable {
    package var name = ""
    package var id: Int64 = 0
    package var description = ""
    /// Milvus' `FunctionType`.
    package var type: Int32 = 0
    package var inputFieldNames: [String] = []
    package var inputFieldIDs: [Int64] = []
    package var outputFieldNames: [String] = []
    package var outputFieldIDs: [Int64] = []
    package var parameters: [KeyValuePair] = []

    package init() {}
}

/// A field that is an array of structs.
package struct StructArrayFieldSchema: Sendable, Hashable {
    package var fieldID: Int64 = 0
    package var name = ""
    package var description = ""
    package var fields: [FieldSchema] = []

    package init() {}
}
