import HTTP
import Support
import Synchronization

@testable import MilvusClient

/// A small Milvus in memory behind an HTTP client: it remembers collections and what was asked of it, and imports at once.
///
/// What a real server does is shown by the integration tests, never by this.
final class FakeMilvus: HTTPClient {
    struct Collection: Sendable {
        var id: Int64 = 0
        var schema = Milvus.CollectionSchema()
        var partitions: [(name: String, id: Int64)] = []
        var segments: [Milvus.PersistentSegment] = []
        var indexes: [Milvus.IndexDescription] = []
        var loadingProgress: Int64 = 0
    }

    /// One call as it arrived.
    struct Call: Sendable {
        var method: String
        var database: String
        var message: [UInt8]
    }

    enum Trouble: Sendable {
        /// The call itself fails with this status of gRPC.
        case grpc(Int, String)
        /// Milvus answers that it failed.
        case status(code: Int32, String)
        /// The answer is replaced.
        case answer([UInt8])
    }

    struct State: Sendable {
        var version = "v2.3.5"
        var databases: [String: [String: Collection]] = ["default": [:]]
        var calls: [Call] = []
        var tasks: [Milvus.ImportTask] = []
        var nextID: Int64 = 9000
        /// Users, roles and rights.
        var rbac = Milvus.RBACMeta()
        /// What the REST interface answers, by the last words of the path and what was sent; nil for no such route.
        var rest: @Sendable (_ path: String, _ body: String) -> String? = { _, _ in nil }
        /// What the management port answers to a GET of this URL; nil for no such route.
        var management: @Sendable (_ url: String) -> String? = { _ in nil }
        /// What was sent to the REST interface.
        var posts: [(path: String, body: String)] = []
        /// Asked before each call; `index` counts those of the same method from 0.
        var trouble: @Sendable (_ call: Call, _ index: Int) -> Trouble? = { _, _ in nil }
    }

    let state: Mutex<State>

    init(_ change: (inout State) -> Void = { _ in }) {
        var state = State()
        change(&state)
        self.state = Mutex(state)
    }

    func calls(of method: String) -> [Call] { state.withLock { $0.calls.filter { $0.method == method } } }
    var methods: [String] { state.withLock { $0.calls.map(\.method) } }

    /// Requests of one kind, read.
    func requests<Request: MilvusRequest>(_ type: Request.Type) throws -> [Request] {
        try calls(of: Request.method).map { try Request(serialized: $0.message) }
    }

    // MARK: HTTP

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try Task.checkCancellation()
        guard case .bytes(let body) = request.body else {
            let answer = state.withLock { $0.management(request.url) }
            return HTTPResponse(status: answer == nil ? 404 : 200, body: Array((answer ?? "").utf8))
        }
        if let range = request.url.firstRange(of: "/v2/vectordb/") {
            return post(String(request.url[range.upperBound...]), String(decoding: body, as: UTF8.self))
        }
        let call = Call(
            method: String(request.url.split(separator: "/").last ?? ""),
            database: request.headers.first { $0.name == "dbname" }?.value ?? "default",
            message: Array(body.dropFirst(5)))
        let (trouble, answer) = try state.withLock { state in
            let index = state.calls.count { $0.method == call.method }
            state.calls.append(call)
            let trouble = state.trouble(call, index)
            return (trouble, trouble == nil ? try FakeMilvus.answer(call, &state) : nil)
        }
        switch trouble {
        case .grpc(let code, let text):
            return HTTPResponse(status: 200, headers: ["grpc-status": "\(code)", "grpc-message": text])
        case .status(let code, let text): return success(FakeMilvus.failure(code, text))
        case .answer(let message): return success(message)
        case nil:
            guard let answer else { return HTTPResponse(status: 200, headers: ["grpc-status": "12"]) }
            return success(answer)
        }
    }

    private func post(_ path: String, _ body: String) -> HTTPResponse {
        let answer = state.withLock { state in
            state.posts.append((path, body))
            return state.rest(path, body)
        }
        guard let answer else { return HTTPResponse(status: 404) }
        return HTTPResponse(status: 200, headers: ["content-type": "application/json"], body: Array(answer.utf8))
    }

    /// The bodies that were sent to a route of the REST interface.
    func posts(to path: String) -> [String] {
        state.withLock { $0.posts.filter { $0.path == path }.map(\.body) }
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        throw BackupError(.unsupported, "not scripted")
    }

    private func success(_ message: [UInt8]) -> HTTPResponse {
        HTTPResponse(
            status: 200, headers: ["content-type": "application/grpc"], trailers: ["grpc-status": "0"],
            body: GRPCChannel.framed(message))
    }

    /// An answer whose first field is a status, as most are.
    static func failure(_ code: Int32, _ reason: String) -> [UInt8] {
        var response = Milvus.BoolResponse()
        response.status.code = code
        response.status.reason = reason
        return response.serialized()
    }
}

// MARK: What it does

extension FakeMilvus {
    /// Nil for a call that it does not know.
    private static func answer(_ call: Call, _ state: inout State) throws -> [UInt8]? {
        if let answer = try answerAboutServer(call, &state) { return answer }
        if let answer = try answerAboutImports(call, &state) { return answer }
        return try answerAboutCollection(call, &state)
    }

    private static func answerAboutServer(_ call: Call, _ state: inout State) throws -> [UInt8]? {
        switch call.method {
        case "Connect":
            var response = Milvus.ConnectResponse()
            response.serverInfo.buildTags = state.version
            return response.serialized()
        case "ListDatabases":
            var response = Milvus.ListDatabasesResponse()
            response.names = state.databases.keys.sorted()
            return response.serialized()
        case "DescribeDatabase":
            var response = Milvus.DescribeDatabaseResponse()
            response.name = try Milvus.DescribeDatabaseRequest(serialized: call.message).name
            return response.serialized()
        case "BackupRBAC":
            var response = Milvus.BackupRBACResponse()
            response.meta = state.rbac
            return response.serialized()
        case "RestoreRBAC": return []
        case "CreateDatabase":
            state.databases[try Milvus.CreateDatabaseRequest(serialized: call.message).name] = [:]
            return []
        case "ShowCollections":
            var response = Milvus.ShowCollectionsResponse()
            response.names = state.databases[call.database]?.keys.sorted() ?? []
            return response.serialized()
        default: return nil
        }
    }

    private static func answerAboutImports(_ call: Call, _ state: inout State) throws -> [UInt8]? {
        switch call.method {
        case "Import":
            let request = try Milvus.ImportRequest(serialized: call.message)
            var task = Milvus.ImportTask()
            state.nextID += 1
            task.id = state.nextID
            task.state = .completed
            task.infos = [Milvus.KeyValuePair("files", request.files.joined(separator: ","))]
            state.tasks.append(task)
            var response = Milvus.ImportResponse()
            response.tasks = [task.id]
            return response.serialized()
        case "GetImportState":
            let id = try Milvus.GetImportStateRequest(serialized: call.message).task
            return state.tasks.first { $0.id == id }?.serialized() ?? failure(1000, "no such task")
        case "ListImportTasks":
            var response = Milvus.ListImportTasksResponse()
            response.tasks = state.tasks
            return response.serialized()
        default: return nil
        }
    }

    private static func answerAboutCollection(_ call: Call, _ state: inout State) throws -> [UInt8]? {
        // Requests of this kind have the name in one of these two fields.
        let asked = try Milvus.DescribeCollectionRequest(serialized: call.message).collection
        let name = asked.isEmpty ? try Milvus.GetLoadingProgressRequest(serialized: call.message).collection : asked
        if call.method == "HasCollection" {
            var response = Milvus.BoolResponse()
            response.value = state.databases[call.database]?[name] != nil
            return response.serialized()
        }
        if call.method == "CreateCollection" {
            let request = try Milvus.CreateCollectionRequest(serialized: call.message)
            state.nextID += 2
            var collection = Collection(id: state.nextID)
            collection.schema = try Milvus.CollectionSchema(serialized: request.schema)
            collection.partitions = [("_default", state.nextID + 1)]
            state.databases[call.database]?[request.collection] = collection
            return []
        }
        if call.method == "Flush" { return Milvus.FlushResponse().serialized() }
        guard let collection = state.databases[call.database]?[name] else {
            return failure(100, "collection \(name) not found")
        }
        switch call.method {
        case "DropCollection":
            state.databases[call.database]?[name] = nil
            return []
        case "CreateIndex", "DropIndex": return []
        case "CreatePartition":
            let partition = try Milvus.CreatePartitionRequest(serialized: call.message).partition
            state.nextID += 1
            state.databases[call.database]?[name]?.partitions.append((partition, state.nextID))
            return []
        default: return description(of: collection, call.method)
        }
    }

    private static func description(of collection: Collection, _ method: String) -> [UInt8]? {
        switch method {
        case "DescribeCollection":
            var response = Milvus.DescribeCollectionResponse()
            response.schema = collection.schema
            response.id = collection.id
            response.shardCount = 1
            return response.serialized()
        case "DescribeIndex":
            var response = Milvus.DescribeIndexResponse()
            response.indexes = collection.indexes
            return response.serialized()
        case "ShowPartitions":
            var response = Milvus.ShowPartitionsResponse()
            response.names = collection.partitions.map(\.name)
            response.ids = collection.partitions.map(\.id)
            return response.serialized()
        case "GetLoadingProgress":
            var response = Milvus.GetLoadingProgressResponse()
            response.progress = collection.loadingProgress
            return response.serialized()
        case "GetPersistentSegmentInfo":
            var response = Milvus.GetPersistentSegmentInfoResponse()
            response.segments = collection.segments
            return response.serialized()
        default: return nil
        }
    }
}
