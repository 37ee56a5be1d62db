import Checksums
import HTTP
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import WireHTTP

@Suite(.timeLimit(.minutes(2))) struct RelayTests {
    private let bench = RelayBench()

    @Test(
        arguments: [0, 1, 16 * 1024, 131_072, 131_073, 300_000, 5_000_011],
        [RelayPath.unseen, .checksummed])
    func everySizeArrives(size: Int, path: RelayPath) async throws {
        let received = Received()
        let body = pattern(size)
        let (source, destination) = (RelayBench.server(of: body), received.server())
        let meter = RelayMeter()
        for round in 1...3 {
            let request = bench.request(from: source, to: destination, length: size, path: path, meter: meter)
            let outcome = try await bench.relay(request)
            #expect(outcome.source.headers["etag"] == "\"old\"")
            #expect(outcome.destination.headers["etag"] == "\"new\"")
            #expect(received.all.count == round && received.all.last == body)
            #expect(meter.bytes == Int64(size))
            var crc = CRC32C()
            body.withUnsafeBytes { crc.update($0) }
            #expect(outcome.crc == (path == .checksummed ? crc.value : nil))
        }
        #expect(source.connectionCount == 1 && destination.connectionCount == 1, "connections are kept")
        #expect(bench.fallback.count == 0)
    }

    @Test func manyAtOnce() async throws {
        let body = pattern(200_000)
        let received = Received()
        let (source, destination) = (RelayBench.server(of: body), received.server())
        try await forEachInParallel(0..<300, limit: 64) { index in
            let size = RelayPath.allCasesForTests[index % 2]
            _ = try await bench.relay(
                bench.request(from: source, to: destination, length: body.count, path: size))
        }
        #expect(received.all.count == 300 && received.all.allSatisfy { $0 == body })
        #expect(source.connectionCount <= 64 && destination.connectionCount <= 64)
    }

    /// Nothing deadlocks when every place of a server is taken by readers that wait to write to it.
    @Test func oneServerForBothSides() async throws {
        let body = pattern(70_000)
        let server = ScriptedServer(answering: { request, connection in
            try connection.respond(200, body: request.method == "GET" ? body : [])
        })
        let client = WireHTTPClient(
            fallback: CountingClient(), loops: 1, maximumConnectionsPerHost: 4, environment: { _ in nil })
        try await forEachInParallel(0..<50, limit: 20) { _ in
            _ = try await client.relay(bench.request(from: server, to: server, length: body.count))
        }
    }

    /// Although the kernel is told to wait for more at a time.
    @Test func bytesThatTrickleArrive() async throws {
        let meter = RelayMeter()
        let source = ScriptedServer(answering: { _, connection in
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            for part in 1...10 {
                try connection.write(pattern(100_000))
                while meter.bytes < Int64(part) * 100_000 { sleepBriefly() }
            }
        })
        let received = Received()
        let destination = received.server()
        _ = try await bench.relay(bench.request(from: source, to: destination, length: 1_000_000, meter: meter))
        #expect(received.all.first?.count == 1_000_000)
    }

    // MARK: Limits

    @Test(arguments: [RelayPath.unseen, .checksummed])
    func aThrottleIsKeptTo(path: RelayPath) async throws {
        let body = pattern(600_000)
        let received = Received()
        let (source, destination) = (RelayBench.server(of: body), received.server())
        let throttle = Throttle(rate: 2_000_000)
        let start = ContinuousClock.now
        try await forEachInParallel(0..<2, limit: 2) { _ in
            _ = try await bench.relay(
                bench.request(from: source, to: destination, length: body.count, path: path) {
                    $0.throttle = throttle
                })
        }
        #expect(received.all == [body, body])
        // What came along with the head is paid for, too.
        #expect(ContinuousClock.now - start >= .milliseconds(580))
    }

    /// And waiting for it is no stall.
    @Test func aNewLimitIsHeededByARelayUnderWay() async throws {
        let body = pattern(600_000)
        let received = Received()
        let (source, destination) = (RelayBench.server(of: body), received.server())
        let throttle = Throttle(rate: 1)
        let meter = RelayMeter()
        let task = Task {
            try await bench.relay(
                bench.request(from: source, to: destination, length: body.count, meter: meter) {
                    $0.throttle = throttle
                    $0.source.stallTimeout = .milliseconds(300)
                    $0.destination.stallTimeout = .milliseconds(300)
                })
        }
        try await Task.sleep(for: .milliseconds(800))
        let pulse = meter.pulse
        #expect(await eventually { meter.pulse > pulse }, "who watches from outside sees that it is held back")
        #expect(meter.bytes < 600_000)
        throttle.setRate(nil)
        _ = try await task.value
        #expect(received.all == [body])
    }

    @Test func whatIsHeldBackCanBeCanceled() async throws {
        let (source, destination) = (RelayBench.server(of: pattern(600_000)), Received().server())
        let meter = RelayMeter()
        let task = Task {
            try await bench.relay(
                bench.request(from: source, to: destination, length: 600_000, meter: meter) {
                    $0.throttle = Throttle(rate: 1)
                })
        }
        #expect(await eventually { source.connectionCount == 1 })
        task.cancel()
        #expect(await failure { _ = try await task.value }?.code == .canceled)
        #expect(await eventually { source.openConnections == 0 && destination.openConnections == 0 })
    }

    // MARK: Requests

    @Test func requestsGoOutAsTheyWereMade() async throws {
        let heads = Mutex<[ReceivedRequest]>([])
        func server(_ body: [UInt8]) -> ScriptedServer {
            ScriptedServer(answering: { request, connection in
                heads.withLock { $0.append(request) }
                try connection.respond(200, body: body)
            })
        }
        let (source, destination) = (server([1, 2, 3]), server([]))
        var request = bench.request(from: source, to: destination, length: 3)
        request.source.url += "?a=%20b"
        request.source.headers = [("range", "bytes=0-2")]
        request.destination.headers = [("x-amz-date", "now"), ("authorization", "me")]
        _ = try await bench.relay(request)
        let (get, put) = heads.withLock { ($0[0], $0[1]) }
        #expect(get.method == "GET" && get.target == "/from?a=%20b" && get["host"] == "127.0.0.1:\(source.port)")
        #expect(get["range"] == "bytes=0-2" && get["content-length"] == nil)
        #expect(put.method == "PUT" && put.target == "/to" && put["content-length"] == "3" && put.body == [1, 2, 3])
        #expect(put["authorization"] == "me" && put.fields.count == 4)
    }

    // MARK: Sources that do not give what is expected

    @Test func aRefusingSourceIsNeverWritten() async throws {
        let source = ScriptedServer(answering: { _, connection in
            try connection.write(
                "HTTP/1.1 404 Gone\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nno k\r\n2\r\ney\r\n0\r\n\r\n")
        })
        let destination = Received().server()
        for _ in 0..<2 {
            let outcome = try await bench.client.relay(bench.request(from: source, to: destination, length: 5))
            guard case .sourceRefused(let answer) = outcome else { return #expect(Bool(false)) }
            #expect(answer.status == 404 && answer.body == Array("no key".utf8))
        }
        #expect(source.connectionCount == 1 && destination.connectionCount == 0)
    }

    @Test func anAnswerThatIsNotAdmittedIsNeverWritten() async throws {
        let (source, destination) = (RelayBench.server(of: pattern(1000)), Received().server())
        let error = await failure {
            _ = try await bench.client.relay(
                bench.request(from: source, to: destination, length: 1000) {
                    $0.admit = { _ throws(BackupError) in throw BackupError(.notFound, "has changed") }
                })
        }
        #expect(error?.message == "has changed")
        #expect(destination.connectionCount == 0)
        let other = await failure {
            _ = try await bench.client.relay(bench.request(from: source, to: destination, length: 1001))
        }
        #expect(other?.code == .corrupted && destination.connectionCount == 0)
        #expect(await eventually { source.openConnections == 0 })
    }

    @Test(arguments: [10, 100_000, 999_999], [RelayPath.unseen, .checksummed])
    func aTruncatedBodyIsNeverAWholeRequest(given: Int, path: RelayPath) async throws {
        let source = ScriptedServer(answering: { _, connection in
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            try connection.write(pattern(given))
            throw ServerConnection.Closed()
        })
        let got = Mutex<Int?>(nil)
        let destination = ScriptedServer { connection in
            guard let head = try connection.readHead() else { return }
            #expect(head["content-length"] == "1000000")
            // Comes back without all of it only because the connection is closed.
            got.withLock { $0 = (try? connection.read(1_000_000)) == nil ? 0 : 1_000_000 }
        }
        let error = await failure {
            _ = try await bench.client.relay(
                bench.request(from: source, to: destination, length: 1_000_000, path: path))
        }
        #expect(error?.code == .unavailable && error?.isRetryable == true)
        #expect(error?.message.hasSuffix("the connection ended before the answer was complete") == true)
        #expect(await eventually { destination.openConnections == 0 && source.openConnections == 0 })
        #expect(got.withLock { $0 } != 1_000_000)
    }

    @Test(arguments: [1000, 500_000])
    func bytesBehindTheEndAreNotPassedOn(size: Int) async throws {
        let received = Received()
        let source = ScriptedServer(answering: { _, connection in
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
            try connection.write(pattern(size) + Array("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX".utf8))
        })
        let destination = received.server()
        for _ in 0..<3 { _ = try await bench.relay(bench.request(from: source, to: destination, length: size)) }
        #expect(received.all.allSatisfy { $0 == pattern(size) })
        #expect(source.connectionCount == 3, "such a connection is not used again")
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\nX: y\r\n\r\nabc", "SSH-2.0-OpenSSH\r\n\r\n",
    ])
    func whatIsNotUnderstoodIsLeftToOthers(answer: String) async throws {
        let source = ScriptedServer(answering: { _, connection in
            try connection.write(answer)
            throw ServerConnection.Closed()
        })
        let destination = Received().server()
        for _ in 0..<2 {
            await #expect(throws: RelayUnsuited.self) {
                try await bench.client.relay(bench.request(from: source, to: destination, length: 3))
            }
        }
        #expect(source.connectionCount == 1, "it is remembered")
        #expect(destination.connectionCount == 0)
        // Single requests to the same server go the other way from now on, too.
        #expect(try await bench.client.send(HTTPRequest("GET", source.url)).status == 299)
    }
}

extension RelayPath {
    static let allCasesForTests = [RelayPath.unseen, .checksummed]
}
