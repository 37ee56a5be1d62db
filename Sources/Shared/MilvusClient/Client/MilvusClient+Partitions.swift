import Support

extension MilvusClient {
    /// The partitions of a collection, names and ids in the same order.
    ///
    /// - Throws: ``BackupError/Code/protocolViolation`` when there are more of one than of the other.
    package func showPartitions(
        of collection: String, database: String
    ) async throws -> [(name: String, id: Int64)] {
        var request = Milvus.ShowPartitionsRequest()
        request.collection = collection
        let operation = Self.operation("ShowPartitions", database, collection)
        let response = try await call(request, operation, database: database)
        guard response.names.count == response.ids.count else {
            throw BackupError(
                .protocolViolation,
                "\(operation): Milvus names \(response.names.count) partitions and gives \(response.ids.count) ids")
        }
        return Array(zip(response.names, response.ids)).map { (name: $0, id: $1) }
    }

    package func hasPartition(_ partition: String, of collection: String, database: String) async throws -> Bool {
        var request = Milvus.HasPartitionRequest()
        request.collection = collection
        request.partition = partition
        let operation = Self.operation("HasPartition \(partition)", database, collection)
        return try await call(request, operation, database: database).value
    }

    /// Creates a partition. Servers accept the same request twice.
    package func createPartition(_ partition: String, of collection: String, database: String) async throws {
        var request = Milvus.CreatePartitionRequest()
        request.collection = collection
        request.partition = partition
        let operation = Self.operation("CreatePartition \(partition)", database, collection)
        _ = try await pacedCall(request, operation, database: database)
    }
}
