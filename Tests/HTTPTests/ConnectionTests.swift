import Glibc
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import HTTP

/// Reuse, limits and the loss of connections; cancellation; the end of the client.
@Suite struct ConnectionTests {
    private let client = CurlHTTPClient.forTests()

    @Test func twoHundredRequestsRunAtOnce() async throws {
        let arrived = Atomic<Int>(0)
        let server = ScriptedServer(answering: { request, connection in
            arrived.add(1, ordering: .relaxed)
            // Nobody is answered before all are there.
            while arrived.load(ordering: .relaxed) < 200 { sleepBriefly() }
            try connection.respond(body: Array(request.target.utf8))
        })
        let client = CurlHTTPClient.forTests(loops: 2)
        try await withThrowingTaskGroup { group in
            for index in 0..<200 {
                group.addTask {
                    let response = try await client.send(HTTPRequest("GET", "\(server.url)/\(index)"))
                    #expect(response.body == Array("/\(index)".utf8))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func theLimitOfConnectionsHolds() async throws {
        let running = Atomic<Int>(0)
        let most = Mutex(0)
        let server = ScriptedServer(answering: { _, connection in
            let now = running.add(1, ordering: .relaxed).newValue
            most.withLock { $0 = max($0, now) }
            sleepBriefly()
            running.subtract(1, ordering: .relaxed)
            try connection.respond()
        })
        let client = CurlHTTPClient.forTests(loops: 2, maximumConnectionsPerHost: 4)
        try await withThrowingTaskGroup { group in
            for _ in 0..<100 { group.addTask { _ = try await client.send(HTTPRequest("GET", server.url)) } }
            try await group.waitForAll()
        }
        #expect(most.withLock { $0 } <= 4)
        #expect(server.connectionCount <= 4)
    }

    @Test func uploadsDoNotWaitForTheDownloadsThatFeedThem() async throws {
        let body = pattern(1 << 20)
        let server = ScriptedServer(answering: { request, connection in
            try connection.respond(body: request.method == "GET" ? body : [])
        })
        let client = CurlHTTPClient.forTests(maximumConnectionsPerHost: 2)
        try await withThrowingTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let pipe = BytePipe(capacity: 65536)
                    _ = try await client.download(HTTPRequest("GET", server.url), into: pipe)
                    let put = HTTPRequest("PUT", server.url, body: .pipe(pipe, length: Int64(body.count)))
                    #expect(try await client.send(put).status == 200)
                }
            }
            try await group.waitForAll()
        }
    }

    // MARK: Connections that the server has closed

    @Test func aClosedIdleConnectionIsReplaced() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readRequest()
            try connection.respond()
        }
        for _ in 0..<5 { #expect(try await client.send(HTTPRequest("GET", server.url)).status == 200) }
        #expect(server.connectionCount == 5)
    }

    /// The server closes just when the next request arrives: only what can be sent again is sent again.
    private func serverClosingOnReuse() -> ScriptedServer {
        ScriptedServer { connection in
            _ = try connection.readRequest()
            try connection.respond()
            guard connection.number > 1 else {
                let head = try connection.readHead()
                if head?["Expect"] == nil { _ = try connection.read(Int(head?["Content-Length"] ?? "0") ?? 0) }
                return
            }
            while try connection.readRequest() != nil { try connection.respond() }
        }
    }

    @Test(arguments: ["GET", "HEAD", "PUT small", "PUT large", "PUT pipe", "PUT small pipe"])
    func aRequestOnAClosingConnectionIsSentAgain(kind: String) async throws {
        let server = serverClosingOnReuse()
        #expect(try await client.send(HTTPRequest("GET", server.url)).status == 200)
        let request =
            switch kind {
            case "PUT small": HTTPRequest("PUT", server.url, body: .bytes(pattern(100)))
            case "PUT large": HTTPRequest("PUT", server.url, body: .bytes(pattern(100_000)))
            // Gathered before it is sent.
            case "PUT small pipe":
                HTTPRequest("PUT", server.url, body: .pipe(try .holding(pattern(100)), length: 100))
            // Asked first, so that nothing was taken from the pipe.
            case "PUT pipe":
                HTTPRequest("PUT", server.url, body: .pipe(try .holding(pattern(1_048_577)), length: 1_048_577))
            default: HTTPRequest(kind, server.url)
            }
        #expect(try await client.send(request).status == 200)
        #expect(server.connectionCount == 2)
    }

    /// It may have been carried out.
    @Test(arguments: [HTTPRequest.Version.http1, .http2])
    func aPostIsNotSentTwice(version: HTTPRequest.Version) async throws {
        let posts = Atomic<Int>(0)
        let server = ScriptedServer { connection in
            if version == .http1 {
                while let request = try connection.readRequest() {
                    if request.body == [2], posts.add(1, ordering: .relaxed).newValue == 1 { return }
                    try connection.respond()
                }
                return
            }
            var http = try ScriptedHTTP2(connection)
            while true {
                guard case .request(let stream, let body) = try http.nextEvent() else { continue }
                if body == [2], posts.add(1, ordering: .relaxed).newValue == 1 { return }
                try http.sendHead(stream, ends: true)
            }
        }
        var request = HTTPRequest("POST", server.url, body: .bytes([1]))
        request.version = version
        #expect(try await client.send(request).status == 200)
        request.body = .bytes([2])
        let error = await failure { _ = try await client.send(request) }
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
        #expect(posts.load(ordering: .relaxed) == 1)
        #expect(try await client.send(request).status == 200)
    }

    @Test func aStreamOnAClosingConnectionFailsAsRetryable() async throws {
        let server = serverClosingOnReuse()
        #expect(try await client.send(HTTPRequest("GET", server.url)).status == 200)
        let error = await failure {
            let body = HTTPRequest.Body.pipe(try .holding(pattern(100_000)), length: 100_000)
            _ = try await client.send(HTTPRequest("PUT", server.url, body: body))
        }
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
    }

    // MARK: Cancellation

    @Test func cancellationFreesTheConnection() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            connection.waitForClose()
        }
        let task = Task { try await client.send(HTTPRequest("GET", server.url)) }
        #expect(await eventually { server.openConnections == 1 })
        task.cancel()
        let error = await failure { _ = try await task.value }
        #expect(error?.code == .canceled)
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test func aWaitingRequestCanBeCancelled() async throws {
        let release = Mutex(false)
        let server = ScriptedServer(answering: { request, connection in
            while request.target == "/slow", !release.withLock({ $0 }) { sleepBriefly() }
            try connection.respond(body: Array(request.target.utf8))
        })
        let client = CurlHTTPClient.forTests(maximumConnectionsPerHost: 1)
        let slow = Task { try await client.send(HTTPRequest("GET", server.url + "/slow")) }
        #expect(await eventually { server.connectionCount == 1 })
        let waiting = Task { try await client.send(HTTPRequest("GET", server.url + "/waiting")) }
        let last = Task { try await client.send(HTTPRequest("GET", server.url + "/last")) }
        waiting.cancel()
        #expect(await failure { _ = try await waiting.value }?.code == .canceled)
        release.withLock { $0 = true }
        #expect(try await slow.value.body == Array("/slow".utf8))
        #expect(try await last.value.body == Array("/last".utf8))
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            _ = try await client.send(HTTPRequest("GET", server.url))
        }
        task.cancel()
        #expect(await failure { try await task.value }?.code == .canceled)
        #expect(server.connectionCount == 0)
    }

    // MARK: The end

    @Test func shutdownEndsTransfersAndRefusesMore() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            connection.waitForClose()
        }
        let client = CurlHTTPClient.forTests(loops: 2)
        let task = Task { try await client.send(HTTPRequest("GET", server.url)) }
        #expect(await eventually { server.openConnections == 1 })
        client.shutdown()
        #expect(await failure { _ = try await task.value }?.message == "the HTTP client was shut down")
        #expect(await eventually { server.openConnections == 0 })
        // The loops may need a moment to close their mailboxes, but no request hangs.
        #expect(await failure { _ = try await client.send(HTTPRequest("GET", server.url)) }?.code == .canceled)
    }

    @Test func aClientThatIsGoneClosesItsConnections() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        var client: CurlHTTPClient? = .forTests(loops: 2)
        #expect(try await client?.send(HTTPRequest("GET", server.url)).status == 200)
        #expect(server.openConnections == 1)
        client = nil
        #expect(await eventually { server.openConnections == 0 })
    }
}
