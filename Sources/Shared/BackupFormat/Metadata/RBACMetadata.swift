/// Users, roles and rights.
package struct RBACMetadata: Sendable, Hashable {
    package struct User: Sendable, Hashable {
        package var name = ""
        /// The hash that Milvus gives out, never the password itself.
        package var passwordHash = ""
        package var roles: [String] = []
        package init() {}
    }

    /// A right of a role.
    package struct Grant: Sendable, Hashable {
        package var role = ""
        /// Kind of the object: `Collection`, `Global`, …
        package var object = ""
        package var objectName = ""
        package var grantor = ""
        package var privilege = ""
        package var databaseName = ""
        package init() {}
    }

    package struct PrivilegeGroup: Sendable, Hashable {
        package var name = ""
        package var privileges: [String] = []
        package init() {}
    }

    package var users: [User] = []
    package var roles: [String] = []
    package var grants: [Grant] = []
    package var privilegeGroups: [PrivilegeGroup] = []

    package init() {}
}
