import CommandLineInterface
import HTTP
import JSON
import Support
import Synchronization
import Testing

@testable import Coordinator

/// `--server`: what is asked of a server, and what becomes of its answers. The server is scripted.
@Suite(.timeLimit(.minutes(1))) struct RemoteCommandTests {
    private func invocation(_ words: [String]) throws -> Invocation {
        guard case .run(let invocation) = try CommandTree.root.parse(words, width: 80) else {
            throw BackupError(.usage, "not run")
        }
        return invocation
    }

    private func run(_ words: [String], _ http: ScriptedAPI, token: String = "") async throws -> CommandResult {
        let server = try RemoteServer("http://h:8080/", token: Secret(token), http: http)
        return try await RemoteCommand(server: server, pause: .milliseconds(1)).run(invocation(words))
    }

    private func json(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8), name: "test") }

    @Test func aBackupIsBegunAndWaitedFor() async throws {
        let http = ScriptedAPI([
            #"{"requestId":"7","msg":"create backup is executing asynchronously","data":null}"#,
            #"{"data":{"state_code":1,"progress":40}}"#, #"{"data":{"state_code":2,"progress":100,"name":"b"}}"#,
        ])
        let words = ["create", "-n", "b", "--filter", "a.*,c,d.", "--rbac", "-f", "--backup_index_extra"]
        let result = try await run(words, http, token: "secret")
        #expect(result.text.hasPrefix("create backup success\nduration:"))
        #expect(
            http.urls == [
                "POST http://h:8080/api/v1/create", "GET http://h:8080/api/v1/get_backup?backup_id=7",
                "GET http://h:8080/api/v1/get_backup?backup_id=7",
            ])
        #expect(http.requests.allSatisfy { $0.headers.contains { $0 == ("authorization", "Bearer secret") } })
        #expect(
            try http.body(0)
                == json(
                    #"""
                    {"backup_name":"b","async":true,"strategy":"skip_flush","rbac":true,"with_index_extra":true,
                    "filter":{"a":{"colls":["*"]},"default":{"colls":["c"]},"d":{"colls":[]}}}
                    """#))
    }

    @Test func everyOptionOfARestoreIsSent() async throws {
        let http = ScriptedAPI([#"{"data":{"id":"r/1","state_code":0}}"#, #"{"data":{"id":"r/1","state_code":2}}"#])
        let words = [
            "restore", "-n", "b", "-r", "a.*:z.*,c:d", "--filter", "z.*,d", "-a", #"{"a":[],"default":["c"]}"#,
            "--meta_only", "--restore_index", "--use_auto_index", "--drop_exist_collection", "--drop_exist_index",
            "--rbac", "--use_v2_restore", "--skip-aliases", "--load",
        ]
        #expect(try await run(words, http).text.hasPrefix("duration:"))
        #expect(http.urls.last == "GET http://h:8080/api/v1/get_restore?id=r%2F1")
        #expect(
            try http.body(0)
                == json(
                    #"""
                    {"backup_name":"b","async":true,"collection_renames":{"a.*":"z.*","c":"d"},
                    "db_collections":{"a":[],"default":["c"]},"db_collections_after_rename":{"z":[],"default":["d"]},
                    "metaOnly":true,"restoreIndex":true,"useAutoIndex":true,"dropExistCollection":true,
                    "dropExistIndex":true,"rbac":true,"useV2Restore":true,"skipAliases":true,"load":true}
                    """#))
    }

    @Test func aJobThatFailsIsAFailure() async throws {
        let http = ScriptedAPI([
            #"{"requestId":"7"}"#, #"{"data":{"state_code":3,"errorMessage":"cannot reach Milvus"}}"#,
        ])
        let error = await #expect(throws: BackupError.self) { try await run(["create", "-n", "b"], http) }
        #expect(error?.code == .remoteFailure && error?.message == "cannot reach Milvus")
    }

    @Test func storedBackupsAreShown() async throws {
        let list = ScriptedAPI([#"{"data":[{"name":"a","size":0},{"name":"b","size":1}]}"#])
        #expect(try await run(["list", "-c", "x y"], list).text == ">> Backups:\na\nb")
        #expect(list.urls == ["GET http://h:8080/api/v1/list?collection_name=x%20y"])
        let all = ScriptedAPI([
            #"""
            {"data":[{"name":"a","size":0}],"unfinished":[{"name":"b","state":"failed","host":"h","start_time":1,
            "failure":"full"},{"name":"c","state":"unknown"}]}
            """#
        ])
        #expect(
            try await run(["list", "--all"], all).text == ">> Backups:\na\n>> Unfinished:\n"
                + "b: begun at 1970-01-01T00:00:01.000Z on h, failed: full\nc: nothing is known of it")
        #expect(all.urls == ["GET http://h:8080/api/v1/list?all=true"])
        // A server of the original answers as if nothing had been asked.
        await #expect(throws: BackupError.self) { try await run(["list", "--all"], ScriptedAPI([#"{"data":[]}"#])) }
        let get = ScriptedAPI([#"{"data":{"state_code":2,"name":"a"}}"#])
        #expect(try await run(["get", "-n", "a"], get).text == "{\n    \"state_code\": 2,\n    \"name\": \"a\"\n}")
        let delete = ScriptedAPI([#"{"requestId":"1","msg":"success"}"#])
        #expect(try await run(["delete", "-n", "a"], delete).text == "delete backup done")
        #expect(delete.urls == ["DELETE http://h:8080/api/v1/delete?backup_name=a"])
    }

    @Test(arguments: [
        (#"{"code":404,"msg":"backup a not found"}"#, 200, BackupError.Code.notFound),
        (#"{"code":400,"msg":"no"}"#, 200, .invalidArgument), (#"{"code":3,"msg":"no"}"#, 200, .remoteFailure),
        (#"{"error":"a token is required"}"#, 401, .permissionDenied), ("<html>", 200, .protocolViolation),
    ])
    func refusalsAreTold(_ answer: String, _ status: Int, _ code: BackupError.Code) async throws {
        let error = await #expect(throws: BackupError.self) {
            try await run(["delete", "-n", "a"], ScriptedAPI([answer], status: status))
        }
        #expect(error?.code == code)
    }

    @Test(arguments: [
        ["create", "--dry-run"], ["create", "--listen", "h:1"], ["restore", "-n", "b", "--dry-run"],
        ["get", "-n", "b", "-d"], ["check"],
    ])
    func whatAServerCannotDoIsRefused(_ words: [String]) async throws {
        let http = ScriptedAPI([])
        let error = await #expect(throws: BackupError.self) { try await run(words, http) }
        #expect(error?.code == .usage && http.urls.isEmpty)
    }

    @Test func whoStopsWaitingStopsTheJob() async throws {
        let http = ScriptedAPI([#"{"requestId":"7"}"#, #"{"data":{"state_code":1,"progress":1}}"#])
        let working = Task { try await run(["create", "-n", "b"], http) }
        while http.urls.count < 3 { try await Task.sleep(for: .milliseconds(1)) }
        working.cancel()
        await #expect(throws: BackupError.self) { try await working.value }
        #expect(http.urls.last == "POST http://h:8080/api/v1/cancel")
    }

    @Test(arguments: ["", "ftp://h", "http://", "://"]) func addressesThatAreNoneAreRefused(_ address: String) {
        #expect(throws: BackupError.self) { try RemoteServer(address, token: Secret(""), http: ScriptedAPI([])) }
    }
}

/// Answers in turn, the last answer for ever.
private final class ScriptedAPI: HTTPClient {
    private let answers: [String]
    private let status: Int
    private let sent = Mutex<[HTTPRequest]>([])

    init(_ answers: [String], status: Int = 200) {
        self.answers = answers
        self.status = status
    }

    var requests: [HTTPRequest] { sent.withLock { $0 } }
    var urls: [String] { requests.map { "\($0.method) \($0.url)" } }

    func body(_ index: Int) throws -> JSONValue {
        guard case .bytes(let bytes) = requests[index].body else { throw BackupError(.usage, "no body") }
        return try JSONValue(parsing: bytes, name: "body")
    }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let index = sent.withLock { sent in
            sent.append(request)
            return sent.count - 1
        }
        let answer = answers.isEmpty ? "{}" : answers[min(index, answers.count - 1)]
        return HTTPResponse(status: status, body: Array(answer.utf8))
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        throw BackupError(.unsupported, "not scripted")
    }
}
