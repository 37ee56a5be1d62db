import Support
import Testing

@testable import MilvusClient

/// What a real Milvus answers. The expectations hold for 2.3.5, which is what can run beside the tests; where a newer one
/// answers differently, the test says so.
@Suite(
    .enabled(if: LiveMilvus.isThere, "needs a Milvus: set \(LiveMilvus.variable) to its host:port"),
    .serialized, .timeLimit(.minutes(5)))
struct LiveMilvusTests {
    private let live: LiveMilvus
    private let client: MilvusClient
    private let suffix = String(UInt32.random(in: 0...UInt32.max), radix: 36)

    init() throws {
        live = try #require(LiveMilvus())
        client = live.client()
    }

    private func code(_ body: () async throws -> Void) async -> BackupError.Code? {
        do {
            try await body()
            return nil
        } catch {
            return BackupError(wrapping: error).code
        }
    }

    /// A collection with two shards and a partition `p1`, gone again when the test ends.
    private func withCollection(
        rows: Bool = true, _ body: (_ collection: String, _ database: String) async throws -> Void
    ) async throws {
        let name = "client_\(suffix)"
        let database = "default"
        var request = Milvus.CreateCollectionRequest()
        request.collection = name
        request.schema = LiveMilvus.schema(name).serialized()
        request.shardCount = 2
        request.consistencyLevel = 3
        request.properties = [Milvus.KeyValuePair("collection.ttl.seconds", "86400")]
        try await client.createCollection(request, database: database)
        do {
            try await client.createPartition("p1", of: name, database: database)
            if rows {
                for partition in ["_default", "p1"] {
                    let insert = InsertRequest(rows: 0..<200, into: name, partition: partition)
                    _ = try await client.call(insert, "Insert", database: database)
                }
            }
            try await body(name, database)
        } catch {
            try? await client.dropCollection(name, database: database)
            throw error
        }
        try await client.dropCollection(name, database: database)
        #expect(try await !client.hasCollection(name, database: database))
    }

    @Test func connects() async throws {
        let info = try await client.connect()
        #expect(info.features.contains(.multiDatabase))
        #expect(info.resolvedVersion > ServerVersion(2, 2, 0))
        #expect(info.resolvedVersion < .unknown)
        #expect(ServerVersion.resolve([info.version]) == info.resolvedVersion)
        #expect(try await client.listDatabases().contains("default"))
    }

    @Test func createsDatabases() async throws {
        let name = "database_of_a_client_test"
        if try await !client.listDatabases().contains(name) { try await client.createDatabase(name) }
        #expect(try await client.listDatabases().contains(name))
        #expect(await code { try await client.createDatabase(name) } == .alreadyExists)
        // The database goes along with each call.
        let collection = "c_\(suffix)"
        var request = Milvus.CreateCollectionRequest()
        request.collection = collection
        request.schema = LiveMilvus.schema(collection).serialized()
        request.shardCount = 1
        try await client.createCollection(request, database: name)
        #expect(try await client.showCollections(database: name).names.contains(collection))
        #expect(try await !client.hasCollection(collection, database: "default"))
        try await client.dropCollection(collection, database: name)
    }

    @Test func describesWhatItHasCreated() async throws {
        try await withCollection(rows: false) { collection, database in
            let described = try await client.describeCollection(collection, database: database)
            #expect(described.schema.fields == LiveMilvus.schema(collection).fields)
            #expect(described.schema.name == collection)
            #expect(described.schema.description == "made by a test")
            #expect(described.shardCount == 2)
            #expect(described.virtualChannels.count == 2)
            #expect(described.consistencyLevel == 3)
            #expect(described.properties == [Milvus.KeyValuePair("collection.ttl.seconds", "86400")])
            let listed = try await client.showCollections(database: database)
            let position = try #require(listed.names.firstIndex(of: collection))
            #expect(listed.ids[position] == described.id)

            let partitions = try await client.showPartitions(of: collection, database: database)
            #expect(Set(partitions.map(\.name)) == ["_default", "p1"])
            #expect(Set(partitions.map(\.id)).count == 2)
            #expect(try await client.hasPartition("p1", of: collection, database: database))
            #expect(try await !client.hasPartition("p2", of: collection, database: database))
            try await client.createPartition("p1", of: collection, database: database)

            try await client.createAlias("alias_\(suffix)", collection: collection, database: database)
            let byAlias = try await client.describeCollection("alias_\(suffix)", database: database)
            #expect(byAlias.schema.name == collection)
            #expect(byAlias.aliases == ["alias_\(suffix)"])

            try await client.alterCollection(
                collection, database: database, set: [Milvus.KeyValuePair("collection.ttl.seconds", "60")])
            let altered = try await client.describeCollection(collection, database: database)
            #expect(altered.properties == [Milvus.KeyValuePair("collection.ttl.seconds", "60")])
            let request = Milvus.DropCollectionRequest()
            #expect(await code { _ = try await client.call(request, "DropCollection of nothing") } != nil)
        }
    }

    @Test func flushesAndListsSegments() async throws {
        try await withCollection { collection, database in
            let flushed = try await client.flushAndWait(collection, database: database)
            #expect(flushed.sealedSegmentIDs.count >= 2)
            #expect(flushed.sealTime > 1_600_000_000)
            // From 2.3.1 on, and 2.4.2 for the checkpoints.
            #expect(flushed.flushTimestamp >> 18 > 1_600_000_000_000)
            for checkpoint in flushed.channelCheckpoints.values { #expect(checkpoint.timestamp > 0) }

            let segments = try await client.persistentSegments(of: collection, database: database)
            #expect(segments.reduce(0) { $0 + $1.rowCount } == 400)
            #expect(segments.allSatisfy { $0.state == .flushed })
            #expect(Set(segments.map(\.id)).isSuperset(of: flushed.sealedSegmentIDs))
            let partitions = try await client.showPartitions(of: collection, database: database)
            #expect(Set(segments.map(\.partitionID)) == Set(partitions.map(\.id)))

            let again = try await client.flushAndWait(collection, database: database)
            #expect(again.sealedSegmentIDs.isEmpty)
        }
    }

    @Test func buildsIndexesAndLoads() async throws {
        try await withCollection { collection, database in
            #expect(try await client.describeIndexes(of: collection, database: database).isEmpty)
            #expect(try await client.loadingProgress(of: collection, database: database) == 0)
            var request = Milvus.CreateIndexRequest()
            request.collection = collection
            request.fieldName = "vector"
            request.indexName = "by_vector"
            request.parameters = [
                Milvus.KeyValuePair("index_type", "FLAT"), Milvus.KeyValuePair("metric_type", "L2"),
                Milvus.KeyValuePair("params", "{}"),
            ]
            try await client.createIndex(request, database: database)
            let indexes = try await client.describeIndexes(of: collection, database: database)
            #expect(indexes.map(\.name) == ["by_vector"])
            #expect(indexes.first?.fieldName == "vector")
            let parameters = Set(indexes.first?.parameters ?? [])
            #expect(parameters.isSuperset(of: request.parameters.prefix(2)))

            try await client.loadCollection(collection, database: database)
            while try await client.loadingProgress(of: collection, database: database) < 100 {
                try await Task.sleep(for: .milliseconds(100))
            }
            let part = try await client.loadingProgress(of: collection, partitions: ["p1"], database: database)
            #expect(part == 100)
            let error = await #expect(throws: BackupError.self) {
                try await client.dropIndex("by_vector", of: collection, database: database)
            }
            #expect(error?.message.contains("release it first") == true)
        }
    }

    @Test func whatIsNotThereIsNotFound() async throws {
        let nothing = "nothing_\(suffix)"
        let database = "default"
        #expect(try await !client.hasCollection(nothing, database: database))
        #expect(try await !client.hasCollection(nothing, database: nothing))
        #expect(await code { _ = try await client.describeCollection(nothing, database: database) } == .notFound)
        #expect(await code { _ = try await client.describeCollection("a", database: nothing) } == .notFound)
        #expect(await code { _ = try await client.showCollections(database: nothing) } == .notFound)
        #expect(await code { _ = try await client.describeIndexes(of: nothing, database: database) } == .notFound)
        #expect(await code { _ = try await client.showPartitions(of: nothing, database: database) } == .notFound)
        #expect(await code { _ = try await client.flushAndWait(nothing, database: database) } == .notFound)
        #expect(await code { _ = try await client.persistentSegments(of: nothing, database: database) } == .notFound)
        #expect(await code { _ = try await client.importState(of: 1) } == .notFound)
        // It is not there, as asked for.
        try await client.dropCollection(nothing, database: database)
    }

    @Test func importsTellWhatIsWrong() async throws {
        try await withCollection(rows: false) { collection, database in
            var request = Milvus.ImportRequest()
            request.collection = collection
            request.partition = "p1"
            request.files = ["no-such-directory/"]
            request.options = [Milvus.KeyValuePair("backup", "true")]
            // One path alone is accepted by 2.3, taken for a file and failed later.
            let task = try await client.startImport(request, database: database)
            var state = try await client.importState(of: task)
            while !state.state.isFinal {
                try await Task.sleep(for: .milliseconds(200))
                state = try await client.importState(of: task)
            }
            #expect(state.state.isFailure)
            #expect(state.failedReason.contains("no-such-directory"))
            let listed = try await client.listImportTasks(of: collection, database: database)
            #expect(listed.contains { $0.id == task && $0.info("partition") == "p1" })
        }
    }

    @Test func createdCollectionsMustMakeSense() async throws {
        var request = Milvus.CreateCollectionRequest()
        request.collection = "bad_\(suffix)"
        request.schema = [0xff, 0xff]
        let error = await #expect(throws: BackupError.self) {
            try await client.createCollection(request, database: "default")
        }
        #expect(error?.message.hasPrefix("CreateCollection of default.bad_\(suffix) failed: ") == true)
        #expect(error?.message.contains("\n") == false)
    }

    @Test func unknownCallsAreUnsupported() async throws {
        let info = try await client.connect()
        guard info.resolvedVersion < ServerVersion(2, 4, 0) else { return }
        #expect(await code { _ = try await client.describeDatabase("default") } == .unsupported)
        let field = Milvus.FieldSchema()
        #expect(
            await code { try await client.addCollectionField(field, collection: "a", database: "default") }
                == .unsupported)
        let rest = MilvusREST(connection: live.connection, http: live.http)
        #expect(
            await code { _ = try await rest.describeSegments([1], collectionID: 1, database: "default") }
                == .unsupported)
    }

    @Test(.enabled(if: LiveMilvus.managementEndpoint != nil, "needs MILVUS_BACKUP_TEST_MILVUS_MANAGEMENT"))
    func garbageCollectionIsPausedOrNotOffered() async throws {
        let info = try await client.connect()
        let management = MilvusManagement(endpoint: LiveMilvus.managementEndpoint ?? "", http: live.http)
        let control = GarbageCollectionControl(mode: .cluster, management: management, logger: .silent)
        let answer = await control.start()
        let end = await control.finish()
        if info.resolvedVersion < ServerVersion(2, 4, 0) {
            #expect(answer.warning?.hasPrefix("GC pause is not offered by this Milvus (HTTP 404 ") == true)
            #expect(end.warning == nil)
        } else {
            #expect(answer.warning == nil)
        }
    }
}
