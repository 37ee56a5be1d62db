import Glibc
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import HTTP

/// What callers are told when a request fails, and when it is given up.
@Suite struct FailureTests {
    private let client = CurlHTTPClient.forTests()

    @Test func aRefusedConnectionIsNamed() async throws {
        let server = ScriptedServer { _ in }
        server.stop()
        // Without a listener the port refuses.
        #expect(await eventually { await failure { _ = try await client.send(HTTPRequest("GET", server.url)) } != nil })
        let error = await failure {
            _ = try await client.send(
                HTTPRequest("GET", "http://user:password@127.0.0.1:\(server.port)/key?X-Amz-Signature=s"))
        }
        #expect(error?.message == "cannot connect to \(server.url): Connection refused")
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
    }

    @Test func anUnknownHostIsNamed() async throws {
        let error = await failure { _ = try await client.send(HTTPRequest("GET", "http://minio.invalid:9000/")) }
        #expect(error?.message == "cannot resolve host minio.invalid")
        #expect(error?.isRetryable == true)
    }

    @Test func aPeerThatDoesNotSpeakHTTPIsNamed() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("SSH-2.0-OpenSSH_9.2\r\n")
        }
        let error = await failure { _ = try await client.send(HTTPRequest("GET", server.url)) }
        #expect(error?.message == "\(server.url) does not speak HTTP")
        #expect(error?.isRetryable == false)
    }

    @Test(arguments: [
        "ftp://host/", "host/path", "http://", "http://h:99999/", "http://h:x/", "http://h/a b", "http://h/ü",
    ])
    func badURLsAreRefused(url: String) async throws {
        #expect(await failure { _ = try await client.send(HTTPRequest("GET", url)) }?.code == .invalidArgument)
    }

    @Test(arguments: [true, false])
    func anAnswerThatIsTooLargeIsRefused(announced: Bool) async throws {
        let server = ScriptedServer(answering: { _, connection in
            if announced { return try connection.respond(body: pattern(1001)) }
            try connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n")
            try connection.write(pattern(1001) + Array("\r\n0\r\n\r\n".utf8))
        })
        var request = HTTPRequest("GET", server.url)
        request.maximumResponseSize = 1000
        let error = await failure { _ = try await client.send(request) }
        #expect(error?.code == .corrupted)
        #expect(error?.isRetryable == false)
        request.maximumResponseSize = 1001
        #expect(try await client.send(request).body == pattern(1001))
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour"])
    func anIncompleteAnswerIsAFailure(answer: String) async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write(answer)
        }
        let error = await failure { _ = try await client.send(HTTPRequest("GET", server.url)) }
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == true)
    }

    @Test func anEndlessHeadIsRefused() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 200 OK\r\n")
            while true { try connection.write("X-Field: \(String(repeating: "x", count: 1000))\r\n") }
        }
        #expect(await failure { _ = try await client.send(HTTPRequest("GET", server.url)) }?.code == .protocolViolation)
    }

    // MARK: Time

    private func impatient(_ method: String, _ server: ScriptedServer, body: HTTPRequest.Body = .none) -> HTTPRequest {
        var request = HTTPRequest(method, server.url, body: body)
        request.stallTimeout = .milliseconds(600)
        return request
    }

    @Test(arguments: ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
    func aSilentServerIsGivenUp(answer: String) async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write(answer)
            connection.waitForClose()
        }
        let error = await failure { _ = try await client.send(impatient("GET", server)) }
        #expect(error?.message == "\(server.url): no data moved for 600 ms")
        #expect(error?.code == .timedOut)
        #expect(error?.isRetryable == true)
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test func aSilentServerFailsThePipe() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
            connection.waitForClose()
        }
        let pipe = BytePipe()
        _ = try await client.download(impatient("GET", server), into: pipe)
        #expect(await failure { _ = try await pipe.collect(limit: 9) }?.code == .timedOut)
    }

    @Test func aServerThatDoesNotReadIsGivenUp() async throws {
        let done = Mutex(false)
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            while !done.withLock({ $0 }) { sleepBriefly() }
        }
        let body = HTTPRequest.Body.bytes([UInt8](repeating: 1, count: 32 << 20))
        let error = await failure { _ = try await client.send(impatient("PUT", server, body: body)) }
        #expect(error?.code == .timedOut)
        done.withLock { $0 = true }
    }

    @Test func aSlowServerIsNotGivenUp() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            for _ in 0..<10 {
                usleep(200_000)
                try connection.write("x")
            }
        }
        #expect(try await client.send(impatient("GET", server)).body.count == 10)
    }

    /// The other side of the pipe is slow: that is not the server's fault.
    @Test func aPausedTransferIsNotGivenUp() async throws {
        let body = pattern(1 << 20)
        let server = ScriptedServer(answering: { request, connection in
            try connection.respond(body: request.method == "GET" ? body : Array("\(request.body == body)".utf8))
        })
        let download = BytePipe(capacity: 1000)
        _ = try await client.download(impatient("GET", server), into: download)
        let upload = BytePipe(capacity: 1000)
        async let put = client.send(impatient("PUT", server, body: .pipe(upload, length: Int64(body.count))))
        try await Task.sleep(for: .milliseconds(1500))
        #expect(try await download.collect(limit: body.count) == body)
        try await upload.write(Array(body.prefix(500)))
        try await Task.sleep(for: .milliseconds(1500))
        try await upload.write(Array(body.dropFirst(500)))
        #expect(try await put.body == Array("true".utf8))
    }

    @Test func theWholeRequestHasALimit() async throws {
        let server = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.write("HTTP/1.1 200 OK\r\n\r\n")
            while true {
                try connection.write("x")
                sleepBriefly()
            }
        }
        var request = HTTPRequest("GET", server.url)
        request.totalTimeout = .milliseconds(700)
        let error = await failure { _ = try await client.send(request) }
        #expect(error?.message == "\(server.url): no complete answer within 700 ms")
        #expect(error?.code == .timedOut)
    }

    @Test func aHostThatDoesNotAnswerIsGivenUp() async throws {
        let (port, sockets) = fullListener()
        defer { for socket in sockets { close(socket) } }
        var request = HTTPRequest("GET", "http://127.0.0.1:\(port)/")
        request.connectTimeout = .milliseconds(500)
        let error = await failure { _ = try await client.send(request) }
        #expect(error?.message == "cannot connect to http://127.0.0.1:\(port) within 500 ms")
        #expect(error?.code == .timedOut)
        #expect(error?.isRetryable == true)
    }

    /// A port whose queue of connections is full: the kernel drops what more comes.
    private func fullListener() -> (port: Int, sockets: [Int32]) {
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        return withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(listener, pointer, size)
                listen(listener, 0)
                getsockname(listener, pointer, &size)
                var sockets = [listener]
                for _ in 0..<4 {
                    let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
                    connect(client, pointer, size)
                    sockets.append(client)
                }
                let port = pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    UInt16(bigEndian: $0.pointee.sin_port)
                }
                return (Int(port), sockets)
            }
        }
    }
}
