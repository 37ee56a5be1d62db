import JSON

extension KeyValuePair: MetadataObject {
    enum Key: String, CaseIterable { case key, value }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .key: self.key = try reader.readString()
        case .value: value = try reader.readString()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("key", key)
        try writer.memberIfSet("value", value)
    }
}

extension CollectionSchema: MetadataObject {
    enum Key: String, CaseIterable {
        case name, description, autoID, fields, properties, functions
        case enableDynamicField = "enable_dynamic_field"
        case structArrayFields = "struct_array_fields"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .name: name = try reader.readString()
        case .description: description = try reader.readString()
        case .autoID: autoID = try reader.readBool()
        case .fields: fields = try reader.readObjects()
        case .enableDynamicField: enableDynamicField = try reader.readBool()
        case .properties: properties = try reader.readObjects()
        case .functions: functions = try reader.readObjects()
        case .structArrayFields: structArrayFields = try reader.readObjects()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("name", name)
        try writer.memberIfSet("description", description)
        try writer.memberIfSet("autoID", autoID)
        try writer.memberIfSet("fields", fields)
        try writer.memberIfSet("enable_dynamic_field", enableDynamicField)
        try writer.memberIfSet("properties", properties)
        try writer.memberIfSet("functions", functions)
        try writer.memberIfSet("struct_array_fields", structArrayFields)
    }
}

extension FieldSchema: MetadataObject {
    // `default_value` is missing on purpose: Go's decoder cannot take a value of it, so nobody can have written one.
    enum Key: String, CaseIterable {
        case fieldID, name, description, autoID, nullable
        case isPrimaryKey = "is_primary_key"
        case dataType = "data_type"
        case typeParameters = "type_params"
        case indexParameters = "index_params"
        case elementType = "element_type"
        case isDynamic = "is_dynamic"
        case isPartitionKey = "is_partition_key"
        case defaultValueProto = "default_value_proto"
        case isFunctionOutput = "is_function_output"
        case defaultValueBase64 = "default_value_base64"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .fieldID: fieldID = try reader.readInt64()
        case .name: name = try reader.readString()
        case .isPrimaryKey: isPrimaryKey = try reader.readBool()
        case .description: description = try reader.readString()
        case .dataType: dataType = try reader.readInt32()
        case .typeParameters: typeParameters = try reader.readObjects()
        case .indexParameters: indexParameters = try reader.readObjects()
        case .autoID: autoID = try reader.readBool()
        case .elementType: elementType = try reader.readInt32()
        case .isDynamic: isDynamic = try reader.readBool()
        case .isPartitionKey: isPartitionKey = try reader.readBool()
        case .nullable: isNullable = try reader.readBool()
        case .defaultValueProto: defaultValueProto = try reader.readString()
        case .isFunctionOutput: isFunctionOutput = try reader.readBool()
        case .defaultValueBase64: defaultValueBase64 = try reader.readString()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("fieldID", fieldID)
        try writer.memberIfSet("name", name)
        try writer.memberIfSet("is_primary_key", isPrimaryKey)
        try writer.memberIfSet("description", description)
        try writer.memberIfSet("data_type", dataType)
        try writer.memberIfSet("type_params", typeParameters)
        try writer.memberIfSet("index_params", indexParameters)
        try writer.memberIfSet("autoID", autoID)
        try writer.memberIfSet("element_type", elementType)
        try writer.memberIfSet("is_dynamic", isDynamic)
        try writer.memberIfSet("is_partition_key", isPartitionKey)
        try writer.memberIfSet("nullable", isNullable)
        try writer.memberIfSet("default_value_proto", defaultValueProto)
        try writer.memberIfSet("is_function_output", isFunctionOutput)
        try writer.memberIfSet("default_value_base64", defaultValueBase64)
    }
}

extension FunctionSchema: MetadataObject {
    enum Key: String, CaseIterable {
        case name, id, description, type
        case inputFieldNames = "input_field_names"
        case inputFieldIDs = "input_field_ids"
        case outputFieldNames = "output_field_names"
        case outputFieldIDs = "output_field_ids"
        case parameters = "params"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .name: name = try reader.readString()
        case .id: id = try reader.readInt64()
        case .description: description = try reader.readString()
        case .type: type = try reader.readInt32()
        case .inputFieldNames: inputFieldNames = try reader.readStrings()
        case .inputFieldIDs: inputFieldIDs = try reader.readInt64s()
        case .outputFieldNames: outputFieldNames = try reader.readStrings()
        case .outputFieldIDs: outputFieldIDs = try reader.readInt64s()
        case .parameters: parameters = try reader.readObjects()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("name", name)
        try writer.memberIfSet("id", id)
        try writer.memberIfSet("description", description)
        try writer.memberIfSet("type", type)
        try writer.memberIfSet("input_field_names", inputFieldNames)
        try writer.memberIfSet("input_field_ids", inputFieldIDs)
        try writer.memberIfSet("output_field_names", outputFieldNames)
        try writer.memberIfSet("output_field_ids", outputFieldIDs)
        try writer.memberIfSet("params", parameters)
    }
}

extension StructArrayFieldSchema: MetadataObject {
    enum Key: String, CaseIterable { case fieldID, name, description, fields }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .fieldID: fieldID = try reader.readInt64()
        case .name: name = try reader.readString()
        case .description: description = try reader.readString()
        case .fields: fields = try reader.readObjects()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("fieldID", fieldID)
        try writer.memberIfSet("name", name)
        try writer.memberIfSet("description", description)
        try writer.memberIfSet("fields", fields)
    }
}
