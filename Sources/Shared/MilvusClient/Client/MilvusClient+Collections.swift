import Support

extension MilvusClient {
    /// The names and ids of a database's collections.
    ///
    /// - Throws: ``BackupError/Code/notFound`` when there is no such database.
    package func showCollections(database: String) async throws -> Milvus.ShowCollectionsResponse {
        try await call(Milvus.ShowCollectionsRequest(), "ShowCollections of \(database)", database: database)
    }

    /// Whether there is such a collection or alias; false as well when there is no such database.
    package func hasCollection(_ collection: String, database: String) async throws -> Bool {
        var request = Milvus.HasCollectionRequest()
        request.collection = collection
        do {
            let operation = Self.operation(Milvus.HasCollectionRequest.method, database, collection)
            return try await call(request, operation, database: database).value
        } catch let error as BackupError where error.code == .notFound {
            return false
        }
    }

    /// - Throws: ``BackupError/Code/notFound`` when there is no such collection or database.
    package func describeCollection(
        _ collection: String, database: String
    ) async throws -> Milvus.DescribeCollectionResponse {
        var request = Milvus.DescribeCollectionRequest()
        request.collection = collection
        return try await call(request, Self.operation("DescribeCollection", database, collection), database: database)
    }

    /// Creates a collection; ``Milvus/CreateCollectionRequest/schema`` is a serialized schema.
    ///
    /// Servers accept the same request twice, and refuse another one of the same name.
    package func createCollection(_ request: Milvus.CreateCollectionRequest, database: String) async throws {
        let operation = Self.operation("CreateCollection", database, request.collection)
        _ = try await pacedCall(request, operation, database: database, deadline: .seconds(180), tries: 20)
    }

    /// Drops a collection, if there is such a one.
    package func dropCollection(_ collection: String, database: String) async throws {
        var request = Milvus.DropCollectionRequest()
        request.collection = collection
        let operation = Self.operation("DropCollection", database, collection)
        do {
            _ = try await call(request, operation, database: database, deadline: .seconds(180))
        } catch let error as BackupError where error.code == .notFound {}
    }

    /// Sets properties of a collection, and takes others away.
    package func alterCollection(
        _ collection: String, database: String, set properties: [Milvus.KeyValuePair] = [], delete keys: [String] = []
    ) async throws {
        var request = Milvus.AlterCollectionRequest()
        request.collection = collection
        request.properties = properties
        request.deletedKeys = keys
        _ = try await call(request, Self.operation("AlterCollection", database, collection), database: database)
    }

    /// Needs ``ServerFeatures/addCollectionField``.
    package func addCollectionField(
        _ field: Milvus.FieldSchema, collection: String, database: String
    ) async throws {
        var request = Milvus.AddCollectionFieldRequest()
        request.collection = collection
        request.schema = field.serialized()
        let operation = Self.operation("AddCollectionField \(field.name)", database, collection)
        _ = try await call(request, operation, database: database)
    }

    package func createAlias(_ alias: String, collection: String, database: String) async throws {
        var request = Milvus.CreateAliasRequest()
        request.collection = collection
        request.alias = alias
        let operation = Self.operation("CreateAlias \(alias)", database, collection)
        _ = try await call(request, operation, database: database)
    }

    /// Asks the server to load a collection, and does not wait for it.
    ///
    /// - Parameter replicas: 0 for the server's default.
    package func loadCollection(_ collection: String, database: String, replicas: Int32 = 0) async throws {
        var request = Milvus.LoadCollectionRequest()
        request.collection = collection
        request.replicaCount = replicas
        let operation = Self.operation("LoadCollection", database, collection)
        _ = try await call(request, operation, database: database)
    }

    /// How much of a collection, or of some of its partitions, is loaded, in percent: 0 is not loaded, 100 is loaded.
    ///
    /// Servers answer with an error when nothing is loaded, which is an answer and no error here.
    package func loadingProgress(
        of collection: String, partitions: [String] = [], database: String
    ) async throws -> Int {
        var request = Milvus.GetLoadingProgressRequest()
        request.collection = collection
        request.partitions = partitions
        let operation = Self.operation("GetLoadingProgress", database, collection)
        let response = try await answer(request, operation, database: database)
        return Int(response.progress)
    }

    /// `Flush of db1.c1`.
    static func operation(_ method: String, _ database: String, _ collection: String) -> String {
        "\(method) of \(database.isEmpty ? "default" : database).\(collection)"
    }
}
