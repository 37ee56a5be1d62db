import Support

extension MilvusClient {
    /// All users, roles, grants and privilege groups; needs ``ServerFeatures/rbacBackup``.
    package func backUpRBAC() async throws -> Milvus.RBACMeta {
        try await call(Milvus.BackupRBACRequest(), "BackupRBAC").meta
    }

    /// Makes users, roles, grants and privilege groups, none of which may be there yet; needs
    /// ``ServerFeatures/rbacBackup``.
    package func restoreRBAC(_ meta: Milvus.RBACMeta) async throws {
        var request = Milvus.RestoreRBACRequest()
        request.meta = meta
        _ = try await call(request, "RestoreRBAC", retry: .once)
    }
}
