import BackupFormat
import MilvusClient

/// Milvus' description of a collection in the shape of a backup's metadata.
extension BackupFormat.CollectionSchema {
    init(_ schema: Milvus.CollectionSchema) {
        self.init()
        name = schema.name
        description = schema.description
        autoID = schema.autoID
        fields = schema.fields.map(BackupFormat.FieldSchema.init)
        enableDynamicField = schema.enableDynamicField
        properties = schema.properties.map(BackupFormat.KeyValuePair.init)
        functions = schema.functions.map(BackupFormat.FunctionSchema.init)
        structArrayFields = schema.structArrayFields.map(BackupFormat.StructArrayFieldSchema.init)
    }
}

extension BackupFormat.KeyValuePair {
    init(_ pair: Milvus.KeyValuePair) { self.init(pair.key, pair.value) }
}

extension BackupFormat.FieldSchema {
    init(_ field: Milvus.FieldSchema) {
        self.init(fieldID: field.fieldID, name: field.name, dataType: field.dataType.rawValue)
        isPrimaryKey = field.isPrimaryKey
        description = field.description
        typeParameters = field.typeParameters.map(BackupFormat.KeyValuePair.init)
        indexParameters = field.indexParameters.map(BackupFormat.KeyValuePair.init)
        autoID = field.autoID
        elementType = field.elementType.rawValue
        isDynamic = field.isDynamic
        isPartitionKey = field.isPartitionKey
        isNullable = field.isNullable
        isFunctionOutput = field.isFunctionOutput
        defaultValueBase64 = field.defaultValue.map { base64Encoded($0) } ?? ""
    }
}

extension BackupFormat.FunctionSchema {
    init(_ function: Milvus.FunctionSchema) {
        self.init()
        name = function.name
        id = function.id
        description = function.description
        type = function.type
        inputFieldNames = function.inputFieldNames
        inputFieldIDs = function.inputFieldIDs
        outputFieldNames = function.outputFieldNames
        outputFieldIDs = function.outputFieldIDs
        parameters = function.parameters.map(BackupFormat.KeyValuePair.init)
    }
}

extension BackupFormat.StructArrayFieldSchema {
    init(_ field: Milvus.StructArrayFieldSchema) {
        self.init()
        fieldID = field.fieldID
        name = field.name
        description = field.description
        fields = field.subfields.map(BackupFormat.FieldSchema.init)
    }
}

// MARK: The way back

extension Milvus.CollectionSchema {
    init(_ schema: BackupFormat.CollectionSchema) {
        self.init()
        name = schema.name
        description = schema.description
        autoID = schema.autoID
        fields = schema.fields.map(Milvus.FieldSchema.init)
        enableDynamicField = schema.enableDynamicField
        properties = schema.properties.map(Milvus.KeyValuePair.init)
        functions = schema.functions.map(Milvus.FunctionSchema.init)
        structArrayFields = schema.structArrayFields.map(Milvus.StructArrayFieldSchema.init)
    }
}

extension Milvus.KeyValuePair {
    init(_ pair: BackupFormat.KeyValuePair) { self.init(pair.key, pair.value) }
}

extension Milvus.FieldSchema {
    init(_ field: BackupFormat.FieldSchema) {
        self.init()
        fieldID = field.fieldID
        name = field.name
        isPrimaryKey = field.isPrimaryKey
        description = field.description
        dataType = Milvus.DataType(rawValue: field.dataType)
        typeParameters = field.typeParameters.map(Milvus.KeyValuePair.init)
        indexParameters = field.indexParameters.map(Milvus.KeyValuePair.init)
        autoID = field.autoID
        elementType = Milvus.DataType(rawValue: field.elementType)
        defaultValue = field.serializedDefaultValue
        isDynamic = field.isDynamic
        isPartitionKey = field.isPartitionKey
        isNullable = field.isNullable
        isFunctionOutput = field.isFunctionOutput
    }
}

extension BackupFormat.FieldSchema {
    /// The bytes of the default value's `ValueField`; nil when there is none.
    fileprivate var serializedDefaultValue: [UInt8]? {
        if !defaultValueBase64.isEmpty { return base64Decoded(defaultValueBase64) }
        return defaultValueProto.isEmpty || hasDamagedDefaultValue ? nil : Array(defaultValueProto.utf8)
    }

    /// Whether the default value was written as raw bytes by an old version and is not what it was: bytes that are no UTF-8
    /// have become U+FFFD. A text may have that character by itself.
    var hasDamagedDefaultValue: Bool {
        guard defaultValueBase64.isEmpty, defaultValueProto.unicodeScalars.contains("\u{fffd}") else { return false }
        let bytes = Array(defaultValueProto.utf8)
        let stringField: UInt8 = 6 << 3 | 2
        return bytes.count < 2 || bytes[0] != stringField || Int(bytes[1]) != bytes.count - 2
    }
}

extension Milvus.FunctionSchema {
    init(_ function: BackupFormat.FunctionSchema) {
        self.init()
        name = function.name
        id = function.id
        description = function.description
        type = function.type
        inputFieldNames = function.inputFieldNames
        inputFieldIDs = function.inputFieldIDs
        outputFieldNames = function.outputFieldNames
        outputFieldIDs = function.outputFieldIDs
        parameters = function.parameters.map(Milvus.KeyValuePair.init)
    }
}

extension Milvus.StructArrayFieldSchema {
    init(_ field: BackupFormat.StructArrayFieldSchema) {
        self.init()
        fieldID = field.fieldID
        name = field.name
        description = field.description
        subfields = field.fields.map(Milvus.FieldSchema.init)
    }
}
