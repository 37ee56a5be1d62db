import BackupFormat
import MilvusClient
import Support

extension RBACMetadata {
    init(_ meta: Milvus.RBACMeta) {
        self.init()
        users = meta.users.map { user in
            var entry = User()
            entry.name = user.name
            entry.passwordHash = user.password
            entry.roles = user.roles.map(\.name)
            return entry
        }
        roles = meta.roles.map(\.name)
        grants = meta.grants.map { grant in
            var entry = Grant()
            entry.role = grant.role?.name ?? ""
            entry.object = grant.object?.name ?? ""
            entry.objectName = grant.objectName
            entry.grantor = grant.grantor?.user?.name ?? ""
            entry.privilege = grant.grantor?.privilege?.name ?? ""
            entry.databaseName = grant.database
            return entry
        }
        privilegeGroups = meta.privilegeGroups.map { group in
            var entry = PrivilegeGroup()
            entry.name = group.name
            entry.privileges = group.privileges.map(\.name)
            return entry
        }
    }

    /// What of this is not there yet: users, roles and privilege groups by their names, grants by all of their parts.
    /// Servers refuse to make anything that is there.
    func missing(in present: RBACMetadata) -> RBACMetadata {
        let users = Set(present.users.map(\.name))
        let (roles, grants) = (Set(present.roles), Set(present.grants))
        let groups = Set(present.privilegeGroups.map(\.name))
        var missing = RBACMetadata()
        missing.users = self.users.filter { !users.contains($0.name) }
        missing.roles = self.roles.filter { !roles.contains($0) }
        missing.grants = self.grants.filter { !grants.contains($0) }
        missing.privilegeGroups = privilegeGroups.filter { !groups.contains($0.name) }
        return missing
    }
}

extension Milvus.RBACMeta {
    init(_ metadata: RBACMetadata) {
        self.init()
        users = metadata.users.map { user in
            var entry = Milvus.User()
            entry.name = user.name
            entry.password = user.passwordHash
            entry.roles = user.roles.map { Milvus.NamedEntity($0) }
            return entry
        }
        roles = metadata.roles.map { Milvus.NamedEntity($0) }
        grants = metadata.grants.map { grant in
            var grantor = Milvus.Grantor()
            grantor.user = Milvus.NamedEntity(grant.grantor)
            grantor.privilege = Milvus.NamedEntity(grant.privilege)
            var entry = Milvus.Grant()
            entry.role = Milvus.NamedEntity(grant.role)
            entry.object = Milvus.NamedEntity(grant.object)
            entry.objectName = grant.objectName
            entry.grantor = grantor
            entry.database = grant.databaseName
            return entry
        }
        privilegeGroups = metadata.privilegeGroups.map { group in
            var entry = Milvus.PrivilegeGroup()
            entry.name = group.name
            entry.privileges = group.privileges.map { Milvus.NamedEntity($0) }
            return entry
        }
    }
}

extension ServerInfo {
    /// - Throws: `unsupported` when users, roles and rights cannot be read and made as a whole.
    func checkRBAC() throws(BackupError) {
        guard !features.contains(.rbacBackup) else { return }
        throw BackupError(
            .unsupported, "Milvus \(version) does not give out users and roles: that needs 2.4.10 or later",
            hint: "leave out --rbac")
    }
}
