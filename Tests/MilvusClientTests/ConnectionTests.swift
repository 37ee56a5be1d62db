import HTTP
import Support
import Testing

@testable import MilvusClient

@Suite struct ConnectionTests {
    /// A Milvus that answers with `buildTags` and `version`, and knows none of `unknown`.
    private func fake(buildTags: String, version: String = "", unknown: Set<String> = []) -> FakeMilvus {
        FakeMilvus { call, _ in
            if unknown.contains(call.method) { return .status(12, "unknown method \(call.method)") }
            switch call.method {
            case "Connect":
                var response = Milvus.ConnectResponse()
                response.serverInfo.buildTags = buildTags
                response.identifier = 42
                return .answer(response)
            case "GetVersion":
                var response = Milvus.GetVersionResponse()
                response.version = version
                return .answer(response)
            default: return .answer(Milvus.ListDatabasesResponse())
            }
        }
    }

    struct Server: Sendable {
        var buildTags: String
        var version = ""
        var unknown: Set<String> = []
        var expected: ServerInfo
    }

    @Test(arguments: [
        Server(
            buildTags: "v2.3.5-lite",
            expected: ServerInfo(
                version: "v2.3.5-lite", resolvedVersion: ServerVersion(2, 3, 5), features: .multiDatabase)),
        Server(
            buildTags: "", version: "2.2.6", unknown: ["Connect", "ListDatabases"],
            expected: ServerInfo(version: "2.2.6", resolvedVersion: ServerVersion(2, 2, 6), features: [])),
        Server(
            buildTags: "Vector Database (Compatible with Milvus 2.5)", version: "unknown-20260608-7ea6e3526",
            expected: ServerInfo(
                version: "unknown-20260608-7ea6e3526", resolvedVersion: ServerVersion(2, 5, 9999),
                features: ServerFeatures(of: ServerVersion(2, 5, 9999)).union(.multiDatabase))),
        Server(
            buildTags: "2.6-20260404-31fb3fc",
            expected: ServerInfo(
                version: "2.6-20260404-31fb3fc", resolvedVersion: ServerVersion(2, 6, 9999),
                features: ServerFeatures(of: ServerVersion(2, 6, 9999)).union(.multiDatabase))),
    ])
    func findsOutWhatTheServerCanDo(server: Server) async throws {
        let fake = fake(buildTags: server.buildTags, version: server.version, unknown: server.unknown)
        #expect(try await fake.client().client.connect() == server.expected)
    }

    @Test func introducesItselfAndIsKnownFromThenOn() async throws {
        let fake = fake(buildTags: "v2.3.5")
        let (client, _) = fake.client(user: "root", password: "Milvus")
        _ = try await client.connect()
        _ = try await client.hasCollection("c", database: "db1")
        #expect(fake.calls.map(\.method) == ["Connect", "ListDatabases", "HasCollection"])
        #expect(fake.calls.map { $0.header("authorization") } == Array(repeating: "cm9vdDpNaWx2dXM=", count: 3))
        #expect(fake.calls.map { $0.header("identifier") } == [nil, "42", "42"])
        #expect(fake.calls.map { $0.header("dbname") } == [nil, nil, "db1"])
        let introduction = try Milvus.ConnectRequest(serialized: fake.calls[0].message).clientInfo
        #expect(introduction.sdkType == "BackupToolCustomSDK")
        #expect(introduction.sdkVersion == "1.2")
        #expect(introduction.user == "root")
        #expect(!introduction.host.isEmpty)
    }

    @Test func withoutUserAndPasswordThereIsNoAuthorization() async throws {
        let fake = fake(buildTags: "v2.3.5")
        _ = try await fake.client().client.connect()
        #expect(fake.calls.allSatisfy { $0.header("authorization") == nil })
    }

    struct Failure: Sendable {
        var reply: FakeMilvus.Reply
        var code: BackupError.Code
        var text: String
    }

    @Test(arguments: [
        Failure(
            reply: .failure(
                BackupError(
                    .unavailable, "cannot connect to http://milvus:19530: Connection refused", isRetryable: true)),
            code: .unavailable,
            text:
                "cannot reach Milvus at milvus:19530: connection refused; check milvus.grpc.address and milvus.grpc.port"
        ),
        Failure(
            reply: .failure(
                BackupError(.unavailable, "http://milvus:19530: the connection was closed without an answer")),
            code: .unavailable,
            text: "cannot reach Milvus at milvus:19530: the connection was closed without an answer; "
                + "check milvus.grpc.address and milvus.grpc.port; if this Milvus uses TLS, set milvus.grpc.tlsMode"),
        Failure(
            reply: .failure(.noConnection("cannot connect to http://milvus:19530 within 10 s")),
            code: .timedOut,
            text: "cannot reach Milvus at milvus:19530 within 10 s; check milvus.grpc.address and milvus.grpc.port"),
        Failure(
            reply: .status(16, "auth check failure, please check username and password are correct"),
            code: .permissionDenied,
            text: "Milvus at milvus:19530 refuses the user \"root\": auth check failure, please check username and "
                + "password are correct; check milvus.user and milvus.password"),
        Failure(
            reply: .milvusError(code: 65535, reason: "auth check failure"), code: .permissionDenied,
            text: "Milvus at milvus:19530 refuses the user \"root\": auth check failure; "
                + "check milvus.user and milvus.password"),
        Failure(
            reply: .http(HTTPResponse(status: 404, body: Array("404 page not found".utf8))), code: .protocolViolation,
            text: "what answers at milvus:19530 is not Milvus' gRPC interface: HTTP 404; "
                + "check milvus.grpc.address and milvus.grpc.port"),
        Failure(
            reply: .http(HTTPResponse(status: 200, body: Array("<html>".utf8))), code: .protocolViolation,
            text: "what answers at milvus:19530 is not Milvus' gRPC interface: the answer has no grpc-status; "
                + "check milvus.grpc.address and milvus.grpc.port"),
        Failure(
            reply: .message([0xff]), code: .corrupted,
            text: "the connection failed: the protobuf message ConnectResponse is damaged: it is cut off (at byte 1)"),
    ])
    func saysWhyItCannotConnect(failure: Failure) async {
        let sink = MemorySink()
        let fake = FakeMilvus { _, _ in failure.reply }
        let logger = Logger(label: "milvus", level: .debug, sinks: [sink])
        let (client, time) = fake.client(user: "root", password: "very secret", logger: logger)
        do {
            _ = try await client.connect()
            Issue.record("connected")
        } catch {
            let error = BackupError(wrapping: error)
            #expect(error.code == failure.code)
            #expect(error.description == failure.text)
        }
        // A wrong address shall be told within a second.
        #expect(time.total < .seconds(1))
        let base64 = base64Encoded(Array("root:very secret".utf8))
        #expect(sink.lines.allSatisfy { !$0.contains("very secret") && !$0.contains(base64) })
    }

    @Test func hintsThatTheServerHasNoTLS() async {
        let fake = FakeMilvus { _, _ in
            .failure(BackupError(.unavailable, "TLS: handshake with https://m:1 failed: wrong version number"))
        }
        let connection = MilvusConnection(address: "m", port: 1, tlsMode: .server)
        let client = MilvusClient(connection: connection, http: fake, logger: .silent)
        let error = await #expect(throws: BackupError.self) { try await client.connect() }
        #expect(error?.hint == "this Milvus seems to use no TLS: check milvus.grpc.tlsMode")
        #expect(fake.calls.first?.url.hasPrefix("https://m:1/") == true)
    }

    @Test(arguments: [("", 1), ("http://m", 1), ("m/x", 1), ("a b", 1), ("m", 0), ("m", 65536)])
    func refusesAddressesThatAreNone(address: String, port: Int) async {
        let fake = FakeMilvus { _, _ in .status(12, "") }
        let connection = MilvusConnection(address: address, port: port)
        let client = MilvusClient(connection: connection, http: fake, logger: .silent)
        let error = await #expect(throws: BackupError.self) { try await client.connect() }
        #expect(error?.code == .configuration)
        #expect(fake.calls.isEmpty)
    }

    @Test func onlyMutualTLSShowsACertificate() {
        var tls = TLSSettings()
        tls.caCertPath = "ca"
        tls.clientCertPath = "cert"
        tls.clientKeyPath = "key"
        tls.serverName = "name"
        let server = MilvusConnection(address: "m", port: 1, tlsMode: .server, tls: tls)
        #expect(server.effectiveTLS.clientCertPath.isEmpty && server.effectiveTLS.clientKeyPath.isEmpty)
        #expect(server.effectiveTLS.caCertPath == "ca" && server.effectiveTLS.serverName == "name")
        let mutual = MilvusConnection(address: "m", port: 1, tlsMode: .mutual, tls: tls)
        #expect(mutual.effectiveTLS == tls)
        #expect(MilvusConnection(address: "::1", port: 1).baseURL == "http://[::1]:1")
    }
}
