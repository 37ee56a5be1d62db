import HTTP
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import WireHTTP

/// Single requests through the same client.
@Suite(.timeLimit(.minutes(2))) struct RequestTests {
    private let bench = RelayBench()

    @Test func methodsAndBodies() async throws {
        let server = ScriptedServer(answering: { request, connection in
            let text = "\(request.method) \(request["content-length"] ?? "-") \(request.body.count)"
            try connection.respond(
                201, ["X-Method: \(request.method)"], body: Array(text.utf8), sendBody: request.method != "HEAD")
        })
        func answer(_ method: String, _ body: HTTPRequest.Body = .none) async throws -> String {
            let response = try await bench.client.send(HTTPRequest(method, server.url + "/x", body: body))
            #expect(response.status == 201 && response.headers["x-method"] == method)
            return String(decoding: response.body, as: UTF8.self)
        }
        #expect(try await answer("GET") == "GET - 0")
        #expect(try await answer("HEAD") == "")
        #expect(try await answer("PUT") == "PUT 0 0")
        #expect(try await answer("DELETE") == "DELETE - 0")
        #expect(try await answer("POST", .bytes(pattern(3))) == "POST 3 3")
        #expect(try await answer("PUT", .bytes(pattern(3_000_000))) == "PUT 3000000 3000000")
        #expect(server.connectionCount == 1)
        #expect(bench.fallback.count == 0)
    }

    @Test func answersThatAreTooLarge() async throws {
        let server = ScriptedServer(answering: { request, connection in
            try connection.respond(request.target == "/bad" ? 500 : 200, body: pattern(1000))
        })
        var request = HTTPRequest("GET", server.url)
        request.maximumResponseSize = 1000
        #expect(try await bench.client.send(request).body == pattern(1000))
        request.maximumResponseSize = 999
        #expect(await failure { _ = try await bench.client.send(request) }?.code == .corrupted)
        request.url += "/bad"
        let refusal = try await bench.client.send(request)
        #expect(refusal.status == 500 && refusal.body == pattern(999))
    }

    @Test func aClosedConnectionIsReplacedButNotForPOST() async throws {
        let server = ScriptedServer { connection in
            var requests = 0
            while try connection.readRequest() != nil {
                requests += 1
                if requests > 1 { return }
                try connection.respond()
            }
        }
        for _ in 0..<3 {
            #expect(try await bench.client.send(HTTPRequest("PUT", server.url, body: .bytes([1]))).status == 200)
        }
        let error = await failure { _ = try await bench.client.send(HTTPRequest("POST", server.url)) }
        #expect(error?.isRetryable == true)
    }

    @Test func anEarlyRefusalOfALargeBodyIsTheAnswer() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            _ = try connection.read(100_000)
            try connection.respond(507, body: Array("full".utf8))
            connection.waitForClose()
        }
        let response = try await bench.client.send(HTTPRequest("PUT", server.url, body: .bytes(pattern(20 << 20))))
        #expect(response.status == 507 && response.body == Array("full".utf8))
    }

    @Test func timeLimits() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            connection.waitForClose()
        }
        var request = HTTPRequest("GET", server.url)
        request.stallTimeout = .milliseconds(200)
        #expect(await failure { _ = try await bench.client.send(request) }?.code == .timedOut)
        request.stallTimeout = .seconds(60)
        request.totalTimeout = .milliseconds(200)
        #expect(await failure { _ = try await bench.client.send(request) }?.code == .timedOut)
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test func whatIsNotForThisClientGoesToTheOther() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        var requests = [HTTPRequest("GET", server.url), HTTPRequest("GET", server.url), HTTPRequest("GET", server.url)]
        requests[0].version = .http2
        requests[1].tls.clientCertPath = "/somewhere"
        requests[2].headers = [("Expect", "100-continue")]
        for request in requests { #expect(try await bench.client.send(request).status == 299) }
        let pipe = BytePipe()
        #expect(try await bench.client.download(HTTPRequest("GET", server.url), into: pipe).status == 299)
        #expect(server.connectionCount == 0)
    }

    @Test func manyWaitForFewConnections() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        let client = WireHTTPClient(
            fallback: CountingClient(), loops: 2, maximumConnectionsPerHost: 4, environment: { _ in nil })
        try await forEachInParallel(0..<500, limit: 100) { _ in
            let response = try await client.send(HTTPRequest("GET", server.url))
            #expect(response.status == 200)
        }
        #expect(server.connectionCount <= 4)
    }

    @Test func whatCannotBeSentIsRefused() async throws {
        let request = HTTPRequest("GET", "http://127.0.0.1:1/", headers: [("a", "b\r\nc: d")])
        #expect(await failure { _ = try await bench.client.send(request) }?.code == .invalidArgument)
    }
}
