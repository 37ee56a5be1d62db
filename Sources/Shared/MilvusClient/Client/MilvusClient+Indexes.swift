import Support

extension MilvusClient {
    /// All indexes of a collection; none when the server says that there is no index.
    package func describeIndexes(of collection: String, database: String) async throws -> [Milvus.IndexDescription] {
        var request = Milvus.DescribeIndexRequest()
        request.collection = collection
        let operation = Self.operation("DescribeIndex", database, collection)
        let response = try await answer(request, operation, database: database)
        if MilvusErrors.isIndexNotFound(response.status) { return [] }
        try check(response.status, operation)
        return response.indexes
    }

    /// Asks the server to build an index, and does not wait for it.
    package func createIndex(_ request: Milvus.CreateIndexRequest, database: String) async throws {
        let operation = Self.operation(
            "CreateIndex \(request.indexName) on \(request.fieldName)", database, request.collection)
        _ = try await pacedCall(request, operation, database: database)
    }

    /// Drops an index. Refused by the server as long as the collection is loaded.
    package func dropIndex(_ index: String, of collection: String, database: String) async throws {
        var request = Milvus.DropIndexRequest()
        request.collection = collection
        request.indexName = index
        _ = try await call(request, Self.operation("DropIndex \(index)", database, collection), database: database)
    }
}
