import HTTP
import Support
import Testing

@testable import HTTPServer

/// What goes through the server: requests, answers, connections.
@Suite struct RequestTests {
    @Test func theHandlerGetsTheWholeRequest() async throws {
        try await withServer(handler: { request in
            let query = request.query.map { "\($0.name)=\($0.value)" }.joined(separator: ";")
            let body = String(decoding: request.body, as: UTF8.self)
            return .text(
                [
                    request.method, request.path, query, request.headers["x-MIXED-case"] ?? "", body,
                    request.remoteAddress, request.queryValue("b") ?? "none",
                ].joined(separator: "|"))
        }) { server in
            let client = try await server.connect()
            await client.send(
                "POST /a%20b/%C3%A4?b=1%262&c&b=x+y HTTP/1.1\r\nHost: test\r\nX-Mixed-Case: Yes\r\n"
                    + "Content-Length: 5\r\n\r\nhello")
            let answer = try #require(await client.answer())
            #expect(answer.status == 200)
            #expect(answer.text == "POST|/a b/ä|b=1&2;c=;b=x y|Yes|hello|127.0.0.1|1&2")
            #expect(answer.headers["content-type"] == "text/plain; charset=utf-8")
            #expect(answer.headers["date"] != nil)
        }
    }

    @Test(arguments: ["GET", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "brew", "M-SEARCH"])
    func everyMethodIsPassedOn(method: String) async throws {
        try await withServer(handler: { .text("\($0.method) \($0.body.count)", status: 207) }) { server in
            let client = try await server.connect()
            await client.send("\(method) / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc")
            let answer = try #require(await client.answer())
            #expect(answer.status == 207)
            #expect(answer.text == "\(method) 3")
        }
    }

    @Test func headGetsTheLengthAndNoBody() async throws {
        try await withServer(handler: { _ in .text("twelve bytes") }) { server in
            let client = try await server.connect()
            await client.request("HEAD", "/")
            await client.request("GET", "/")
            #expect(await client.answer(toHead: true)?.headers["Content-Length"] == "12")
            #expect(await client.answer()?.text == "twelve bytes")
        }
    }

    @Test(arguments: [("OPTIONS", "*", "*"), ("GET", "http://example.test:1/a?b", "/a"), ("GET", "http://e", "/")])
    func otherTargets(method: String, target: String, path: String) async throws {
        try await withServer(handler: { .text($0.path) }) { server in
            let client = try await server.connect()
            await client.request(method, target)
            #expect(await client.answer()?.text == path)
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        try await withServer(handler: { request in
            try? await Task.sleep(for: .milliseconds(request.path == "/1" ? 100 : 1))
            return .text(request.path + String(decoding: request.body, as: UTF8.self))
        }) { server in
            let client = try await server.connect()
            let chunked = "POST /2 HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
            await client.send(
                "POST /1 HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\none" + chunked
                    + "2\r\ntw\r\n1;x=y\r\no\r\n0\r\nTrailer: x\r\n\r\n" + "GET /3 HTTP/1.1\r\nHost: t\r\n\r\n")
            #expect(await client.answer()?.text == "/1one")
            #expect(await client.answer()?.text == "/2two")
            #expect(await client.answer()?.text == "/3")
        }
    }

    @Test func aConnectionServesManyRequests() async throws {
        try await withServer { server in
            let client = try await server.connect()
            for number in 0..<300 {
                await client.request("GET", "/\(number)")
                #expect(await client.answer()?.text == "hello /\(number)")
            }
        }
    }

    @Test func aClientMayAskForTheEndOfTheConnection() async throws {
        try await withServer { server in
            let client = try await server.connect()
            await client.request("GET", "/", "Connection: close")
            #expect(await client.answer()?.headers["Connection"]?.lowercased() == "close")
            #expect(await client.isClosed())
            let old = try await server.connect()
            await old.send("GET /old HTTP/1.0\r\n\r\n")
            #expect(await old.answer()?.text == "hello /old")
            #expect(await old.isClosed())
        }
    }

    @Test func aClientThatWaitsIsToldToContinue() async throws {
        try await withServer(handler: { .text("\($0.body.count)") }) { server in
            let client = try await server.connect()
            await client.request("PUT", "/", "Content-Length: 4", "Expect: 100-continue")
            #expect(await client.answer()?.status == 100)
            await client.send("body")
            #expect(await client.answer()?.text == "4")
            // Who would be refused is told instead of asked to send.
            await client.request("PUT", "/", "Content-Length: 2000000", "Expect: 100-continue")
            #expect(await client.answer()?.status == 413)
        }
    }

    @Test func largeBodiesPassInBothDirections() async throws {
        let upload = pattern(9 << 20)
        try await withServer({ $0.maximumBodySize = 16 << 20 }, handler: { .json($0.body + $0.body) }) { server in
            let client = CurlHTTPClient(loops: 1)
            let request = HTTPRequest("POST", "http://\(server.localAddress)/large", body: .bytes(upload))
            let response = try await client.send(request)
            #expect(response.status == 200)
            #expect(response.body == upload + upload)
        }
    }

    @Test func manyRequestsAtOnceTakeNoThreadsAndDoNotBlock() async throws {
        let count = 200
        let gate = Gate()
        try await withServer(handler: { request in
            await gate.pass()
            return .text(request.path)
        }) { server in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                let client = CurlHTTPClient(loops: 1, maximumConnectionsPerHost: count)
                for number in 0..<count {
                    group.addTask {
                        let request = HTTPRequest("GET", "http://\(server.localAddress)/\(number)")
                        return try await String(decoding: client.send(request).body, as: UTF8.self) == "/\(number)"
                    }
                }
                // All of them are with the handler at the same time, and the pool goes on working.
                #expect(await eventually { gate.arrivals == count })
                gate.open()
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test(
        arguments: [
            ("X-Name", "a\r\nSet-Cookie: forged"), ("X-Name", "a\nb"), ("X-Name", "a\u{0}b"), ("X-Name", "\u{7f}"),
            ("X-Name\r\nForged", "a"), ("X Name", "a"), ("X-Name:", "a"), ("", "a"),
            ("X-Name", String(repeating: "x", count: 20_000)),
        ])
    func aHeaderFieldThatCannotBeSentIsNotSent(name: String, value: String) async throws {
        let log = LineCollector()
        try await withServer(
            logger: log.logger,
            handler: { _ in HTTPServerResponse(status: 200, headers: [(name, value)], body: [1, 2, 3]) }
        ) { server in
            let client = try await server.connect()
            await client.request("GET", "/forged", "Connection: close")
            let text = String(decoding: await client.everything(), as: UTF8.self)
            #expect(text.hasPrefix("HTTP/1.1 500 "))
            #expect(!text.lowercased().contains("forged"))
        }
        #expect(log.lines.contains { $0.contains("ERROR") && $0.contains("an answer cannot be sent") })
    }

    @Test(arguments: [0, 99, 100, 101, 199, 1000, -1])
    func anImpossibleStatusIsNotSent(status: Int) async throws {
        try await withServer(handler: { _ in HTTPServerResponse(status: status) }) { server in
            let client = try await server.connect()
            await client.request("GET", "/")
            #expect(await client.answer()?.status == 500)
        }
    }

    @Test func largeHeaderFieldsPassInBothDirections() async throws {
        let value = String(repeating: "v", count: 15_000)
        let small = (0..<500).map { "a\($0): b" }
        try await withServer(
            { $0.maximumHeaderSize = 16 << 10 },
            handler: { request in
                HTTPServerResponse(
                    status: 200,
                    headers: [("X-Value", value), ("X-Count", "\(request.headers.fields.count)")])
            }
        ) { server in
            let client = try await server.connect()
            for _ in 0..<2 {
                await client.send("GET / HTTP/1.1\r\nHost: t\r\nX: \(value)\r\n\r\n")
                #expect(await client.answer()?.headers["X-Value"] == value)
                await client.send("GET / HTTP/1.1\r\nHost: t\r\n\(small.map { $0 + "\r\n" }.joined())\r\n")
                #expect(await client.answer()?.headers["X-Count"] == "501")
            }
        }
    }

    @Test func theServerItselfFramesItsAnswers() async throws {
        try await withServer(handler: { _ in
            HTTPServerResponse(
                status: 200,
                headers: [
                    ("content-length", "1"), ("Transfer-Encoding", "chunked"), ("Connection", "upgrade"),
                    ("X-Twice", "1"), ("X-Twice", "2"), ("X-Empty", ""),
                ], body: Array("whole".utf8))
        }) { server in
            let client = try await server.connect()
            await client.request("GET", "/")
            let answer = try #require(await client.answer())
            #expect(answer.text == "whole")
            #expect(answer.headers.values("Content-Length") == ["5"])
            #expect(answer.headers["Transfer-Encoding"] == nil)
            #expect(answer.headers.values("X-Twice") == ["1", "2"])
            await client.request("GET", "/")
            #expect(await client.answer()?.text == "whole")
        }
    }

    @Test(arguments: [204, 304])
    func someAnswersHaveNoBody(status: Int) async throws {
        try await withServer(handler: { _ in HTTPServerResponse(status: status, body: [1, 2, 3]) }) { server in
            let client = try await server.connect()
            await client.request("GET", "/")
            await client.request("GET", "/")
            #expect(await client.answer(toHead: true)?.status == status)
            #expect(await client.answer(toHead: true)?.status == status)
        }
    }

    @Test func theLogHasRequestsAndNoSecrets() async throws {
        let log = LineCollector()
        try await withServer(logger: log.logger, handler: { _ in .text("no", status: 404) }) { server in
            let client = try await server.connect()
            await client.send(
                "POST /path?token=secret1 HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer secret2\r\n"
                    + "Content-Length: 7\r\n\r\nsecret3")
            _ = await client.answer()
            await client.send("GARBAGE secret4 secret4 secret4\r\n\r\n")
            #expect(await client.isClosed())
        }
        let line = log.lines.first { $0.contains("request method=POST") }
        #expect(line?.contains("path=/path status=404 from=127.0.0.1 duration=") == true)
        #expect(line?.contains("DEBUG") == true)
        #expect(!log.lines.contains { $0.contains("secret") })
    }
}
