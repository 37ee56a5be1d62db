import HTTPTesting
import Support
import Synchronization
import Testing

@testable import HTTP

/// `download`: head, body, backpressure and what goes wrong on the way.
@Suite struct DownloadTests {
    private let client = CurlHTTPClient.forTests()

    private func get(_ server: ScriptedServer, _ change: (inout HTTPRequest) -> Void = { _ in }) -> HTTPRequest {
        var request = HTTPRequest("GET", server.url + "/object")
        change(&request)
        return request
    }

    @Test(arguments: [1, 100, 16 << 10, 20_000, 64 << 10, 256 << 10], [false, true])
    func theBodyPassesPipesOfAnySize(capacity: Int, chunked: Bool) async throws {
        let body = pattern(300_000)
        let server = ScriptedServer(answering: { _, connection in
            guard chunked else { return try connection.respond(body: body) }
            try connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for start in stride(from: 0, to: body.count, by: 7001) {
                let piece = Array(body[start..<min(start + 7001, body.count)])
                try connection.write(Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Array("\r\n".utf8))
            }
            try connection.write("0\r\n\r\n")
        })
        let pipe = BytePipe(capacity: capacity)
        for _ in 0..<2 where capacity > 1 || !chunked {
            let pipe = BytePipe(capacity: capacity)
            #expect(try await client.download(get(server), into: pipe).status == 200)
            #expect(try await pipe.collect(limit: body.count) == body)
        }
        #expect(try await client.download(get(server), into: pipe).status == 200)
        #expect(try await pipe.collect(limit: body.count) == body)
        #expect(server.connectionCount == 1)
    }

    @Test func theHeadComesBeforeTheBody() async throws {
        let goOn = Mutex(false)
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            try connection.write("HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\nETag: t\r\n\r\n")
            while !goOn.withLock({ $0 }) { sleepBriefly() }
            try connection.write("body")
        }
        let pipe = BytePipe()
        let response = try await client.download(get(server), into: pipe)
        #expect(response.status == 206)
        #expect(response.headers["ETag"] == "t")
        #expect(response.headers["Link"] == nil)
        goOn.withLock { $0 = true }
        #expect(try await pipe.collect(limit: 4) == Array("body".utf8))
    }

    @Test func anErrorAnswerLeavesThePipeUntouched() async throws {
        let server = ScriptedServer(answering: { request, connection in
            try connection.respond(request.target == "/object" ? 404 : 200, body: Array("text".utf8))
        })
        let pipe = BytePipe()
        let response = try await client.download(get(server), into: pipe)
        #expect(response.status == 404)
        #expect(response.body == Array("text".utf8))
        let second = try await client.download(get(server) { $0.url = server.url + "/other" }, into: pipe)
        #expect(second.status == 200)
        #expect(try await pipe.collect(limit: 100) == Array("text".utf8))
    }

    @Test func aLargeErrorAnswerIsCutOff() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond(500, body: pattern(1 << 20)) })
        let response = try await client.download(get(server) { $0.maximumResponseSize = 1000 }, into: BytePipe())
        #expect(response.status == 500)
        #expect(response.body == pattern(1000))
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ])
    func aBodyThatEndsEarlyFailsThePipe(answer: String) async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write(answer)
        }
        let pipe = BytePipe()
        #expect(try await client.download(get(server), into: pipe).status == 200)
        let error = await failure { _ = try await pipe.collect(limit: 10) }
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
        #expect(error?.message == "\(server.url): the connection ended before the answer was complete")
    }

    @Test func aResetFailsThePipe() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            connection.resetOnClose()
        }
        let pipe = BytePipe()
        // The reset may overtake the head.
        let error = await failure {
            _ = try await client.download(get(server), into: pipe)
            _ = try await pipe.collect(limit: 10)
        }
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
    }

    @Test func aBodyIsNeverDecoded() async throws {
        let server = ScriptedServer(answering: { _, connection in
            try connection.respond(200, ["Content-Encoding: gzip"], body: Array("not gzip".utf8))
        })
        let pipe = BytePipe()
        #expect(try await client.download(get(server), into: pipe).headers["content-encoding"] == "gzip")
        #expect(try await pipe.collect(limit: 100) == Array("not gzip".utf8))
    }

    @Test(arguments: [false, true])
    func theTransferEndsWhenTheConsumerLeaves(serverIsSilent: Bool) async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nbegin")
            if serverIsSilent { return connection.waitForClose() }
            while true { try connection.write(pattern(65536)) }
        }
        let pipe = BytePipe()
        _ = try await client.download(get(server), into: pipe)
        _ = try await pipe.read()
        pipe.cancel()
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test func aBodyWithoutContentIsAnEmptyPipe() async throws {
        let server = ScriptedServer(answering: { request, connection in
            if request.method == "HEAD" {
                try connection.respond(body: pattern(10), sendBody: false)
            } else {
                try connection.write("HTTP/1.1 204 No Content\r\n\r\n")
            }
        })
        for method in ["GET", "HEAD"] {
            let pipe = BytePipe()
            _ = try await client.download(HTTPRequest(method, server.url), into: pipe)
            #expect(try await pipe.collect(limit: 10).isEmpty)
        }
    }
}
