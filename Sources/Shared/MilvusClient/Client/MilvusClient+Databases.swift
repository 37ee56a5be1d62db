import Support

extension MilvusClient {
    /// The names of all databases.
    package func listDatabases() async throws -> [String] {
        try await call(Milvus.ListDatabasesRequest(), "ListDatabases").names
    }

    /// Needs ``ServerFeatures/describeDatabase``.
    package func describeDatabase(_ name: String) async throws -> Milvus.DescribeDatabaseResponse {
        var request = Milvus.DescribeDatabaseRequest()
        request.name = name
        return try await call(request, "DescribeDatabase of \(name)", database: name)
    }

    /// - Throws: ``BackupError/Code/alreadyExists`` when there is one of this name.
    package func createDatabase(_ name: String, properties: [Milvus.KeyValuePair] = []) async throws {
        var request = Milvus.CreateDatabaseRequest()
        request.name = name
        request.properties = properties
        _ = try await pacedCall(request, "CreateDatabase of \(name)")
    }

    /// The position of a channel of replication; needs ``ServerFeatures/replicateMessage``.
    package func replicationPosition(channel: String) async throws -> String {
        var request = Milvus.ReplicateMessageRequest()
        request.channel = channel
        return try await call(request, "ReplicateMessage of \(channel)").position
    }
}
