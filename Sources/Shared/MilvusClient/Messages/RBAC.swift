extension Milvus {
    /// Users, roles and what they may do.
    package struct RBACMeta: ProtobufMessage {
        package var users: [User] = []
        package var roles: [NamedEntity] = []
        package var grants: [Grant] = []
        package var privilegeGroups: [PrivilegeGroup] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .repeated(1, \.users, .message), .repeated(2, \.roles, .message), .repeated(3, \.grants, .message),
            .repeated(4, \.privilegeGroups, .message),
        ]
    }

    package struct User: ProtobufMessage {
        package var name = ""
        /// Its hash, never the password itself.
        package var password = ""
        package var roles: [NamedEntity] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.name, .string), .one(2, \.password, .string), .repeated(3, \.roles, .message),
        ]
    }

    /// A role, a kind of object, a user or a privilege, which are messages of the same shape.
    package struct NamedEntity: ProtobufMessage {
        package var name = ""

        package init() {}
        package init(_ name: String) { self.name = name }

        package static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.name, .string)]
    }

    /// A right of a role. Its parts are always sent, also when they are empty: servers look into them.
    package struct Grant: ProtobufMessage {
        package var role: NamedEntity?
        /// Kind of the object.
        package var object: NamedEntity?
        package var objectName = ""
        package var grantor: Grantor?
        package var database = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .optional(1, \.role, .message), .optional(2, \.object, .message), .one(3, \.objectName, .string),
            .optional(4, \.grantor, .message), .one(5, \.database, .string),
        ]
    }

    package struct Grantor: ProtobufMessage {
        package var user: NamedEntity?
        package var privilege: NamedEntity?

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .optional(1, \.user, .message), .optional(2, \.privilege, .message),
        ]
    }

    package struct PrivilegeGroup: ProtobufMessage {
        package var name = ""
        package var privileges: [NamedEntity] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.name, .string), .repeated(2, \.privileges, .message),
        ]
    }

    package struct BackupRBACRequest: MilvusRequest {
        package typealias Response = BackupRBACResponse
        package static let method = "BackupRBAC"

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = []
    }

    package struct BackupRBACResponse: MilvusResponse {
        package var status = Status()
        package var meta = RBACMeta()

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.meta, .message),
        ]
    }

    package struct RestoreRBACRequest: MilvusRequest {
        package typealias Response = Status
        package static let method = "RestoreRBAC"
        package var meta = RBACMeta()

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(2, \.meta, .message)]
    }
}
