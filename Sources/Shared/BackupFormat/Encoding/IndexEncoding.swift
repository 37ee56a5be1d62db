import JSON

extension IndexInfo: MetadataObject {
    enum Key: String, CaseIterable {
        case fieldName = "field_name"
        case indexName = "index_name"
        case indexType = "index_type"
        case parameters = "params"
        case indexID = "index_id"
        case fieldID = "field_id"
        case createTime = "create_time"
        case typeParameters = "type_params"
        case indexParameters = "index_params"
        case userIndexParameters = "user_index_params"
        case isAutoIndex = "is_auto_index"
        case minimumIndexVersion = "min_index_version"
        case maximumIndexVersion = "max_index_version"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .fieldName: fieldName = try reader.readString()
        case .indexName: indexName = try reader.readString()
        case .indexType: indexType = try reader.readString()
        case .parameters: parameters = try reader.readStringMap()
        case .indexID: indexID = try reader.readInt64()
        case .fieldID: fieldID = try reader.readInt64()
        case .createTime: createTime = try reader.readUInt64()
        case .typeParameters: typeParameters = try reader.readObjects()
        case .indexParameters: indexParameters = try reader.readObjects()
        case .userIndexParameters: userIndexParameters = try reader.readObjects()
        case .isAutoIndex: isAutoIndex = try reader.readBool()
        case .minimumIndexVersion: minimumIndexVersion = try reader.readInt32()
        case .maximumIndexVersion: maximumIndexVersion = try reader.readInt32()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("field_name", fieldName)
        try writer.memberIfSet("index_name", indexName)
        try writer.memberIfSet("index_type", indexType)
        try writer.memberIfSet("params", parameters)
        try writer.memberIfSet("index_id", indexID)
        try writer.memberIfSet("field_id", fieldID)
        try writer.memberIfSet("create_time", createTime)
        try writer.memberIfSet("type_params", typeParameters)
        try writer.memberIfSet("index_params", indexParameters)
        try writer.memberIfSet("user_index_params", userIndexParameters)
        try writer.memberIfSet("is_auto_index", isAutoIndex)
        try writer.memberIfSet("min_index_version", minimumIndexVersion)
        try writer.memberIfSet("max_index_version", maximumIndexVersion)
    }
}
