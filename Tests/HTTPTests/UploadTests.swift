import HTTPTesting
import Support
import Synchronization
import Testing

@testable import HTTP

/// Streamed and large bodies, and servers that answer before they have read them.
@Suite struct UploadTests {
    private let client = CurlHTTPClient.forTests()

    @Test(arguments: [1, 65536, 65537, 1 << 20, (1 << 20) + 1, 3_000_001])
    func exactlyTheGivenLengthIsTakenFromThePipe(length: Int) async throws {
        let received = Mutex<[UInt8]>([])
        let server = ScriptedServer(answering: { request, connection in
            received.withLock { $0 += request.body }
            try connection.respond()
        })
        // Two parts of one stream: the pipe must stay usable after the first.
        let pipe = BytePipe(capacity: 50_000)
        async let producer: Void = {
            try await pipe.write(pattern(2 * length))
            pipe.finish()
        }()
        for _ in 0..<2 {
            let request = HTTPRequest("PUT", server.url + "/part", body: .pipe(pipe, length: Int64(length)))
            #expect(try await client.send(request).status == 200)
        }
        try await producer
        #expect(received.withLock { $0 == pattern(2 * length) })
        #expect(server.connectionCount == 1)
    }

    /// Gathered, streamed, and with the server asked first.
    @Test(arguments: [1000, 100_000, 2 << 20])
    func aFailedPipeFailsTheRequest(length: Int) async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        let pipe = BytePipe()
        try await pipe.write(pattern(500))
        let request = HTTPRequest("PUT", server.url, body: .pipe(pipe, length: Int64(length)))
        async let error = failure { _ = try await client.send(request) }
        if length > 65536 { #expect(await eventually { server.openConnections == 1 }) }
        pipe.fail(BackupError(.notFound, "the source is gone"))
        #expect(await error?.message == "the source is gone")
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test(arguments: [1000, 100_000])
    func cancellationCancelsThePipe(length: Int) async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        let pipe = BytePipe()
        try await pipe.write(pattern(500))
        let request = HTTPRequest("PUT", server.url, body: .pipe(pipe, length: Int64(length)))
        let task = Task { try await client.send(request) }
        #expect(await eventually { pipe.bytesRead == 500 })
        task.cancel()
        #expect(await failure { _ = try await task.value }?.code == .canceled)
        #expect(pipe.isCanceled)
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test func aPipeThatEndsEarlyFailsTheRequest() async throws {
        let server = ScriptedServer(answering: { _, connection in try connection.respond() })
        for size in [500, 500_000] {
            let body = HTTPRequest.Body.pipe(try .holding(pattern(size)), length: Int64(size + 1))
            let error = await failure { _ = try await client.send(HTTPRequest("PUT", server.url, body: body)) }
            #expect(error?.message == "the data to send ended after \(size) of \(size + 1) bytes")
            #expect(await eventually { server.openConnections == 0 })
        }
    }

    /// Below and above the size from which on the server is asked first.
    @Test(arguments: [500_000, 100 << 20], [false, true])
    func anEarlyRefusalIsTheAnswer(length: Int, closesAtOnce: Bool) async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.respond(403, closesAtOnce ? ["Connection: close"] : [], body: Array("denied".utf8))
            if closesAtOnce { connection.resetOnClose() } else { connection.waitForClose() }
        }
        let pipe = BytePipe()
        try await pipe.write(pattern(length < 1 << 20 ? 100 : 65536))
        let response = try await client.send(
            HTTPRequest("PUT", server.url, body: .pipe(pipe, length: Int64(length))))
        #expect(response.status == 403)
        #expect(response.body == Array("denied".utf8) || closesAtOnce)
        #expect(pipe.isCanceled)
    }

    @Test func aRefusalOfBytesUnderwayIsTheAnswer() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            _ = try connection.read(100_000)
            try connection.respond(507, body: Array("full".utf8))
            connection.waitForClose()
        }
        let response = try await client.send(HTTPRequest("PUT", server.url, body: .bytes(pattern(20 << 20))))
        #expect(response.status == 507)
        #expect(response.body == Array("full".utf8))
    }

    @Test func aServerThatDoesNotKnowExpectIsAskedOnce() async throws {
        let expectations = Mutex<[String?]>([])
        let server = ScriptedServer { connection in
            while let head = try connection.readHead() {
                expectations.withLock { $0.append(head["Expect"]) }
                _ = try connection.read(1_048_577)
                try connection.respond()
            }
        }
        for _ in 0..<3 {
            let pipe = try BytePipe.holding(pattern(1_048_577))
            #expect(
                try await client.send(HTTPRequest("PUT", server.url, body: .pipe(pipe, length: 1_048_577))).status
                    == 200)
        }
        #expect(expectations.withLock { $0 } == ["100-continue", nil, nil])
    }

    @Test func aServerThatRefusesExpectGetsTheBodyAllTheSame() async throws {
        let server = ScriptedServer { connection in
            while let head = try connection.readHead() {
                if head["Expect"] != nil {
                    try connection.respond(417)
                } else {
                    let body = try connection.read(1_048_577)
                    try connection.respond(200, body: Array("\(body == pattern(1_048_577))".utf8))
                }
            }
        }
        let pipe = try BytePipe.holding(pattern(1_048_577))
        let response = try await client.send(HTTPRequest("PUT", server.url, body: .pipe(pipe, length: 1_048_577)))
        #expect(response.status == 200)
        #expect(response.body == Array("true".utf8))
    }

    @Test func aFailureCancelsThePipe() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            connection.resetOnClose()
        }
        let pipe = BytePipe()
        try await pipe.write(pattern(500))
        let error = await failure {
            _ = try await client.send(HTTPRequest("PUT", server.url, body: .pipe(pipe, length: 100_000)))
        }
        #expect(error?.isRetryable == true)
        #expect(pipe.isCanceled)
    }
}
