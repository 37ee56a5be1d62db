import HTTPTesting
import Support
import Testing

@testable import HTTP

/// What goes on the wire and what comes back from `send`.
@Suite struct RequestTests {
    /// Answers with a text that shows the request as it came.
    private let server = ScriptedServer(answering: { request, connection in
        let fields = request.fields.map { "\($0.name): \($0.value)" }
        let text =
            (["\(request.method) \(request.target)"] + fields + ["", String(decoding: request.body, as: UTF8.self)])
            .joined(separator: "\n")
        try connection.respond(
            200, ["X-One: 1", "x-one: 2"], body: Array(text.utf8), sendBody: request.method != "HEAD")
    })
    private let client = CurlHTTPClient(loops: 1, environment: { _ in nil })

    private func echo(_ request: HTTPRequest) async throws -> String {
        let response = try await client.send(request)
        #expect(response.status == 200)
        return String(decoding: response.body, as: UTF8.self)
    }

    @Test func onlyTheGivenFieldsAreSent() async throws {
        let text = try await echo(
            HTTPRequest("GET", server.url + "/a?b=c", headers: [("X-Amz-Date", "now"), ("Empty", "")]))
        #expect(text == "GET /a?b=c\nHost: 127.0.0.1:\(server.port)\nX-Amz-Date: now\nEmpty: \n\n")
    }

    /// The kinds of bodies, by size: nil for none.
    @Test(
        arguments: [
            ("PUT", nil), ("POST", nil), ("DELETE", 0), ("PUT", 0), ("POST", 2), ("PUT", 65535), ("PUT", 65536),
            ("DELETE", 3), ("PUT", 3 << 20),
        ] as [(String, Int?)])
    func bodiesAreSentWithTheirLength(method: String, size: Int?) async throws {
        let bytes = [UInt8](repeating: UInt8(ascii: "a"), count: size ?? 0)
        let body: HTTPRequest.Body = size == nil ? .none : .bytes(bytes)
        let text = try await echo(HTTPRequest(method, server.url + "/k", body: body))
        let head = "\(method) /k\nHost: 127.0.0.1:\(server.port)\nContent-Length: \(bytes.count)\n\n"
        #expect(text.hasPrefix(head))
        #expect(text.dropFirst(head.count) == String(decoding: bytes, as: UTF8.self))
    }

    @Test func anEmptyPipeIsSentAsAnEmptyBody() async throws {
        let text = try await echo(HTTPRequest("PUT", server.url + "/k", body: .pipe(BytePipe(), length: 0)))
        #expect(text == "PUT /k\nHost: 127.0.0.1:\(server.port)\nContent-Length: 0\n\n")
    }

    @Test func aDeleteWithoutBodyHasNoLength() async throws {
        #expect(
            try await echo(HTTPRequest("DELETE", server.url + "/k")) == "DELETE /k\nHost: 127.0.0.1:\(server.port)\n\n")
    }

    @Test func headDoesNotWaitForABody() async throws {
        let response = try await client.send(HTTPRequest("HEAD", server.url + "/k"))
        #expect(response.status == 200)
        #expect(Int(response.headers["content-length"] ?? "") ?? 0 > 0)
        #expect(response.body.isEmpty)
        #expect(try await echo(HTTPRequest("GET", server.url + "/next")).hasPrefix("GET /next\n"))
        #expect(server.connectionCount == 1)
    }

    @Test(arguments: [
        "/bucket/a/../b", "/bucket/./a//b/", "//bucket", "/bucket/%2e%2E/%2F", "/a%20b?x=%2B&y",
        "/?list-type=2&prefix=a%2F..", "/a;b=c",
    ])
    func pathsAreKept(target: String) async throws {
        #expect(try await echo(HTTPRequest("GET", server.url + target)).hasPrefix("GET \(target)\n"))
    }

    @Test func fieldsOfTheAnswerAreFoundWithoutRegardToCase() async throws {
        let response = try await client.send(HTTPRequest("GET", server.url + "/"))
        #expect(response.headers["x-ONE"] == "1")
        #expect(response.headers["x-two"] == nil)
    }

    @Test func connectionsAreKeptAlive() async throws {
        for index in 0..<20 {
            _ = try await echo(HTTPRequest(index % 2 == 0 ? "GET" : "PUT", server.url + "/\(index)"))
        }
        #expect(server.connectionCount == 1)
    }

    @Test(arguments: [("Bad Name", "x"), ("X", "a\r\nInjected: 1"), ("", "x"), ("X:", "y"), ("X", "a\0b")])
    func fieldsThatWouldBreakTheHeadAreRefused(name: String, value: String) async throws {
        await #expect(throws: BackupError.self) {
            try await client.send(HTTPRequest("GET", server.url + "/", headers: [(name, value)]))
        }
        #expect(server.connectionCount == 0)
    }
}
