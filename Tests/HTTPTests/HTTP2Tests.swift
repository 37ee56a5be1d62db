import HTTPTesting
import Support
import Synchronization
import Testing

@testable import HTTP

/// HTTP/2 as gRPC uses it.
@Suite struct HTTP2Tests {
    private let client = CurlHTTPClient.forTests(loops: 2)

    private func post(_ body: [UInt8], _ server: ScriptedServer) -> HTTPRequest {
        var request = HTTPRequest(
            "POST", "\(server.url)/milvus.proto.milvus.MilvusService/GetVersion",
            headers: [("content-type", "application/grpc"), ("te", "trailers")], body: .bytes(body))
        request.version = .http2
        return request
    }

    @Test(arguments: [0, 5, 100_000, 300_000])
    func trailersComeAfterTheBody(size: Int) async throws {
        let server = ScriptedServer.echoingGRPC()
        // One loop: each has connections of its own.
        let client = CurlHTTPClient(loops: 1)
        defer { client.shutdown() }
        for _ in 0..<3 {
            let response = try await client.send(post(pattern(size), server))
            #expect(response.status == 200)
            #expect(response.headers["content-type"] == "application/grpc")
            #expect(response.headers["grpc-status"] == nil)
            #expect(response.body == pattern(size))
            #expect(response.trailers["grpc-status"] == "0")
            #expect(response.trailers["grpc-message"] == "fine")
        }
        #expect(server.connectionCount == 1)
    }

    @Test func anAnswerWithoutBodyHasItsStatusInTheHead() async throws {
        let server = ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            while true {
                guard case .request(let stream, _) = try http.nextEvent() else { continue }
                try http.sendHead(stream, [("grpc-status", "12")], ends: true)
            }
        }
        #expect(try await client.send(post([1], server)).headers["grpc-status"] == "12")
    }

    @Test func fiftyRequestsRunAtOnce() async throws {
        let arrived = Atomic<Int>(0)
        let server = ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            while true {
                guard case .request(let stream, let body) = try http.nextEvent() else { continue }
                arrived.add(1, ordering: .relaxed)
                // Nobody is answered before all are there.
                while arrived.load(ordering: .relaxed) < 50 { sleepBriefly() }
                try http.sendHead(stream)
                try http.sendData(stream, body)
                try http.sendTrailers(stream, [("grpc-status", "0")])
            }
        }
        try await withThrowingTaskGroup { group in
            for index in 0..<50 {
                group.addTask {
                    let body = pattern(index * 1000 + 1)
                    let response = try await client.send(post(body, server))
                    #expect(response.body == body)
                    #expect(response.trailers["grpc-status"] == "0")
                }
            }
            try await group.waitForAll()
        }
        #expect(server.connectionCount == 50)
    }

    @Test func manyRequestsInTurnAndAtOnce() async throws {
        let server = ScriptedServer.echoingGRPC()
        try await withThrowingTaskGroup { group in
            for task in 0..<16 {
                group.addTask {
                    for index in 0..<30 {
                        let body = pattern((task * 30 + index) * 97 % 40_000)
                        let response = try await client.send(post(body, server))
                        #expect(response.body == body)
                        #expect(response.trailers["grpc-status"] == "0")
                    }
                }
            }
            try await group.waitForAll()
        }
        // A wrong guess may cost a connection now and then.
        #expect(server.connectionCount <= 32)
    }

    @Test func aClosedConnectionIsReplaced() async throws {
        let answered = Atomic<Int>(0)
        let asked = Atomic<Int>(0)
        let server = ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            guard case .request(let stream, let body) = try http.nextEvent() else { return }
            let number = asked.add(1, ordering: .relaxed).newValue
            try http.sendHead(stream)
            try http.sendData(stream, body)
            try http.sendTrailers(stream, [("grpc-status", "0")])
            while answered.load(ordering: .relaxed) < number { sleepBriefly() }
            if number % 2 == 0 { try http.sendGoAway(last: stream) }
        }
        for index in 0..<6 {
            #expect(try await client.send(post([UInt8(index)], server)).body == [UInt8(index)])
            answered.add(1, ordering: .relaxed)
            #expect(await eventually { server.openConnections == 0 })
        }
    }

    @Test func aResetStreamIsARetryableFailure() async throws {
        let server = ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            while true {
                guard case .request(let stream, let body) = try http.nextEvent() else { continue }
                guard body == [1] else {
                    try http.sendHead(stream)
                    try http.sendTrailers(stream, [("grpc-status", "0")])
                    continue
                }
                // INTERNAL_ERROR
                try http.sendReset(stream, code: 2)
            }
        }
        let error = await failure { _ = try await client.send(post([1], server)) }
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
        #expect(try await client.send(post([2], server)).trailers["grpc-status"] == "0")
    }

    @Test func cancellationResetsTheStreamOnly() async throws {
        // Another loop would have a connection of its own.
        let client = CurlHTTPClient.forTests(loops: 1)
        let isReset = Mutex(false)
        let hasArrived = Mutex(false)
        let server = ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            while true {
                switch try http.nextEvent() {
                case .reset: isReset.withLock { $0 = true }
                case .request(let stream, let body):
                    guard body != [1] else {
                        hasArrived.withLock { $0 = true }
                        continue
                    }
                    try http.sendHead(stream)
                    try http.sendTrailers(stream, [("grpc-status", "0")])
                }
            }
        }
        _ = try await client.send(post([0], server))
        let silent = Task { try await client.send(post([1], server)) }
        #expect(await eventually { hasArrived.withLock { $0 } })
        silent.cancel()
        #expect(await failure { _ = try await silent.value }?.code == .canceled)
        #expect(try await client.send(post([2], server)).trailers["grpc-status"] == "0")
        #expect(server.connectionCount == 1)
        #expect(await eventually { isReset.withLock { $0 } })
    }

    @Test func aSilentServerIsGivenUpAndNotAskedAgain() async throws {
        let server = ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            while true {
                guard case .request(let stream, _) = try http.nextEvent(), connection.number > 1 else { continue }
                try http.sendHead(stream)
                try http.sendTrailers(stream, [("grpc-status", "0")])
            }
        }
        var request = post([1], server)
        request.stallTimeout = .milliseconds(600)
        #expect(await failure { _ = try await client.send(request) }?.code == .timedOut)
        #expect(try await client.send(request).trailers["grpc-status"] == "0")
    }

    @Test func aServerOfTheOldVersionIsAFailure() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond(400) })
        let error = await failure { _ = try await client.send(post([1], server)) }
        #expect(error != nil)
    }
}

/// HTTP/2 agreed on by ALPN, against nghttpd, which speaks nothing else.
@Suite(.enabled(if: ["nghttpd", "openssl"].allSatisfy { ChildProcess.isInstalled($0) })) struct HTTP2OverTLSTests {
    @Test func theVersionIsAgreedOnByALPN() async throws {
        let certificates = try await onDedicatedThread { try #require(Certificates.shared) }
        // nghttpd cannot choose a port by itself.
        let unused = ScriptedServer { _ in }
        unused.stop()
        let process = try #require(
            ChildProcess([
                "nghttpd", "-a", "127.0.0.1", "--echo-upload", "\(unused.port)", certificates.serverKey,
                certificates.serverCertificate,
            ]))
        let client = CurlHTTPClient.forTests()
        var request = HTTPRequest(
            "POST", "https://127.0.0.1:\(unused.port)/a", headers: [("te", "trailers")], body: .bytes(pattern(50_000)))
        request.version = .http2
        request.tls.caCertPath = certificates.authority
        request.tls.serverName = certificates.serverName
        // Until it listens.
        #expect(await eventually { (try? await client.send(request)) != nil })
        for _ in 0..<3 {
            let response = try await client.send(request)
            #expect(response.status == 200)
            #expect(response.headers["nghttpd-response"] == "echo")
            #expect(response.body == pattern(50_000))
        }
        withExtendedLifetime(process) {}
    }
}
