import JSON

extension RBACMetadata: MetadataObject {
    enum Key: String, CaseIterable {
        case users, roles, grants
        case privilegeGroups = "privilege_groups"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .users: users = try reader.readObjects()
        case .roles: roles = try reader.readNames()
        case .grants: grants = try reader.readObjects()
        case .privilegeGroups: privilegeGroups = try reader.readObjects()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("users", users)
        try writer.membersIfSet("roles", named: roles)
        try writer.memberIfSet("grants", grants)
        try writer.memberIfSet("privilege_groups", privilegeGroups)
    }
}

extension RBACMetadata.User: MetadataObject {
    enum Key: String, CaseIterable { case user, password, roles }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .user: name = try reader.readString()
        case .password: passwordHash = try reader.readString()
        case .roles: roles = try reader.readNames()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("user", name)
        try writer.memberIfSet("password", passwordHash)
        try writer.membersIfSet("roles", named: roles)
    }
}

extension RBACMetadata.Grant: MetadataObject {
    enum Key: String, CaseIterable {
        case role, object, grantor
        case objectName = "object_name"
        case databaseName = "db_name"
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .role: role = try NamedObject(from: &reader).name
        case .object: object = try NamedObject(from: &reader).name
        case .objectName: objectName = try reader.readString()
        case .grantor:
            let grantor = try GrantorObject(from: &reader)
            self.grantor = grantor.user
            privilege = grantor.privilege
        case .databaseName: databaseName = try reader.readString()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        // The objects are written even when they are empty, as `{}`.
        try writer.memberIfSet("role", NamedObject(role))
        try writer.memberIfSet("object", NamedObject(object))
        try writer.memberIfSet("object_name", objectName)
        try writer.memberIfSet("grantor", GrantorObject(user: grantor, privilege: privilege))
        try writer.memberIfSet("db_name", databaseName)
    }
}

extension RBACMetadata.PrivilegeGroup: MetadataObject {
    enum Key: String, CaseIterable {
        case name = "group_name"
        case privileges
    }
    static let keys = JSONKeys<Key>()

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .name: name = try reader.readString()
        case .privileges: privileges = try reader.readNames()
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("group_name", name)
        try writer.membersIfSet("privileges", named: privileges)
    }
}

/// `{"name":"…"}`: a role, an object's kind, a user or a privilege.
private struct NamedObject: MetadataObject {
    enum Key: String, CaseIterable { case name }
    static let keys = JSONKeys<Key>()

    var name = ""

    init() {}
    init(_ name: String) { self.name = name }

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        name = try reader.readString()
    }

    func writeMembers(to writer: inout JSONWriter) throws { try writer.memberIfSet("name", name) }
}

private struct GrantorObject: MetadataObject {
    enum Key: String, CaseIterable { case user, privilege }
    static let keys = JSONKeys<Key>()

    var user = ""
    var privilege = ""

    init() {}

    init(user: String, privilege: String) {
        self.user = user
        self.privilege = privilege
    }

    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws {
        switch key {
        case .user: user = try NamedObject(from: &reader).name
        case .privilege: privilege = try NamedObject(from: &reader).name
        }
    }

    func writeMembers(to writer: inout JSONWriter) throws {
        try writer.memberIfSet("user", NamedObject(user))
        try writer.memberIfSet("privilege", NamedObject(privilege))
    }
}

extension JSONReader {
    /// `[{"name":"a"},{"name":"b"}]`.
    fileprivate mutating func readNames() throws -> [String] {
        let objects: [NamedObject] = try readObjects()
        return objects.map(\.name)
    }
}

extension JSONWriter {
    fileprivate mutating func membersIfSet(_ key: String, named names: [String]) throws {
        try memberIfSet(key, names.map { NamedObject($0) })
    }
}
