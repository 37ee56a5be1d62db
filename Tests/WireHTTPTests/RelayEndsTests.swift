import HTTP
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import WireHTTP

/// Destinations that refuse, connections that end, time that runs out.
@Suite(.timeLimit(.minutes(2))) struct RelayEndsTests {
    private let bench = RelayBench()

    @Test func aRefusalAfterTheBodyIsTheAnswer() async throws {
        let destination = ScriptedServer(answering: { _, connection in
            try connection.respond(507, body: Array("full".utf8))
        })
        let source = RelayBench.server(of: pattern(100_000))
        for _ in 0..<2 {
            let outcome = try await bench.client.relay(bench.request(from: source, to: destination, length: 100_000))
            guard case .destinationRefused(let answer) = outcome else { return #expect(Bool(false)) }
            #expect(answer.status == 507 && answer.body == Array("full".utf8))
        }
        #expect(destination.connectionCount == 1)
    }

    @Test(arguments: [false, true], [RelayPath.unseen, .checksummed])
    func anEarlyRefusalIsTheAnswer(closesAtOnce: Bool, path: RelayPath) async throws {
        let size = 50 << 20
        let body = pattern(size)
        let source = ScriptedServer(answering: { _, connection in try connection.respond(200, body: body) })
        let destination = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.respond(403, closesAtOnce ? ["Connection: close"] : [], body: Array("denied".utf8))
            if closesAtOnce { connection.resetOnClose() } else { connection.waitForClose() }
        }
        let request = bench.request(from: source, to: destination, length: size, path: path)
        do {
            guard case .destinationRefused(let answer) = try await bench.client.relay(request) else {
                return #expect(Bool(false))
            }
            #expect(answer.status == 403)
            #expect(answer.body == Array("denied".utf8) || closesAtOnce)
        } catch let error as BackupError {
            // A reset may destroy the answer before anybody can read it.
            #expect(closesAtOnce && error.isRetryable)
        }
        #expect(await eventually { source.openConnections == 0 && destination.openConnections == 0 })
    }

    @Test func acceptingWhatWasNotReadIsNotBelieved() async throws {
        let source = ScriptedServer(answering: { _, connection in
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            try connection.write(pattern(1000))
            connection.waitForClose()
        })
        let destination = ScriptedServer { connection in
            _ = try connection.readHead()
            try connection.respond()
            connection.waitForClose()
        }
        await #expect(throws: RelayUnsuited.self) {
            try await bench.client.relay(bench.request(from: source, to: destination, length: 1_000_000))
        }
        #expect(await eventually { source.openConnections == 0 && destination.openConnections == 0 })
    }

    @Test(arguments: [1000, 1_000_000])
    func interimAnswersAndChunkedOnesAreUnderstood(size: Int) async throws {
        let source = ScriptedServer(answering: { _, connection in
            try connection.write("HTTP/1.1 100 Continue\r\n\r\n")
            try connection.respond(200, body: pattern(size))
        })
        let destination = ScriptedServer(answering: { request, connection in
            try connection.write("HTTP/1.1 102 Processing\r\n\r\n")
            #expect(request.body == pattern(size))
            try connection.write("HTTP/1.1 200 OK\r\nETag: e\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
        })
        for _ in 0..<2 {
            let outcome = try await bench.relay(bench.request(from: source, to: destination, length: size))
            #expect(outcome.destination.body == Array("ok".utf8) && outcome.destination.headers["etag"] == "e")
        }
        #expect(source.connectionCount == 1 && destination.connectionCount == 1)
    }

    // MARK: Connections

    @Test func connectionCloseIsHonoured() async throws {
        let received = Received()
        let source = RelayBench.server(of: [1, 2, 3], ["Connection: close"])
        let destination = received.server(200, ["connection: close"])
        for _ in 0..<3 { _ = try await bench.relay(bench.request(from: source, to: destination, length: 3)) }
        #expect(source.connectionCount == 3 && destination.connectionCount == 3 && received.all.count == 3)
    }

    /// The server closes when the next request comes, and not before: the client cannot know.
    @Test(arguments: [true, false])
    func aKeptConnectionThatIsClosedIsReplacedOnce(atSource: Bool) async throws {
        let received = Mutex<[[UInt8]]>([])
        func server(isFlaky: Bool, _ body: [UInt8]) -> ScriptedServer {
            ScriptedServer { connection in
                var requests = 0
                while let request = try connection.readRequest() {
                    requests += 1
                    if isFlaky && requests > 1 { return }
                    if !request.body.isEmpty { received.withLock { $0.append(request.body) } }
                    try connection.respond(200, body: body)
                }
            }
        }
        let source = server(isFlaky: atSource, pattern(5000))
        let destination = server(isFlaky: !atSource, [])
        for _ in 0..<3 { _ = try await bench.relay(bench.request(from: source, to: destination, length: 5000)) }
        #expect(received.withLock { $0 } == [[UInt8]](repeating: pattern(5000), count: 3))
        // A server that never answers is not asked for ever.
        let hopeless = ScriptedServer { connection in _ = try connection.readHead() }
        let error = await failure {
            _ = try await bench.client.relay(bench.request(from: hopeless, to: destination, length: 5000))
        }
        #expect(error?.message.hasSuffix("the connection was closed without an answer") == true)
        #expect(hopeless.connectionCount == 1)
    }

    @Test func nobodyListens() async throws {
        let gone = ScriptedServer { _ in }
        gone.stop()
        #expect(
            await eventually { await failure { _ = try await bench.client.send(HTTPRequest("GET", gone.url)) } != nil })
        let destination = Received().server()
        let error = await failure {
            _ = try await bench.client.relay(bench.request(from: gone, to: destination, length: 5))
        }
        #expect(error?.code == .unavailable && error?.isRetryable == true)
        #expect(error?.message.hasPrefix("cannot connect to http://127.0.0.1:\(gone.port): ") == true)
    }

    @Test func aResetWhileWritingCanBeTriedAgain() async throws {
        let source = RelayBench.server(of: pattern(5_000_000))
        let destination = ScriptedServer { connection in
            _ = try connection.readHead()
            _ = try connection.read(100_000)
            connection.resetOnClose()
        }
        let error = await failure {
            _ = try await bench.client.relay(bench.request(from: source, to: destination, length: 5_000_000))
        }
        #expect(error?.code == .unavailable && error?.isRetryable == true)
        #expect(await eventually { source.openConnections == 0 })
    }

    // MARK: Cancellation and time

    @Test(arguments: [false, true])
    func cancellationClosesBothConnections(whileAsking: Bool) async throws {
        let source = ScriptedServer { connection in
            _ = try connection.readHead()
            if !whileAsking {
                try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
                try connection.write(pattern(1000))
            }
            connection.waitForClose()
        }
        let completed = Atomic<Bool>(false)
        let destination = ScriptedServer(answering: { _, _ in completed.store(true, ordering: .relaxed) })
        let meter = RelayMeter()
        let task = Task {
            try await bench.client.relay(
                bench.request(from: source, to: destination, length: 1_000_000, meter: meter))
        }
        #expect(await eventually { source.openConnections == 1 && (whileAsking || meter.bytes == 1000) })
        task.cancel()
        #expect(await failure { _ = try await task.value }?.code == .canceled)
        #expect(await eventually { source.openConnections == 0 && destination.openConnections == 0 })
        let isCompleted = completed.load(ordering: .relaxed)
        #expect(!isCompleted)
    }

    @Test func aCancelledTaskSendsNothing() async throws {
        let asked = Atomic<Int>(0)
        let source = ScriptedServer(answering: { _, connection in
            asked.add(1, ordering: .relaxed)
            try connection.respond(200, ["ETag: \"old\""], body: [1])
        })
        let received = Received()
        let destination = received.server()
        // Connections that are kept make the next ones fast.
        _ = try await bench.relay(bench.request(from: source, to: destination, length: 1))
        for _ in 0..<50 {
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await bench.client.relay(bench.request(from: source, to: destination, length: 1))
            }
            #expect(await failure { _ = try await task.value }?.code == .canceled)
        }
        #expect(received.all.count == 1)
        #expect(asked.load(ordering: .relaxed) == 1)
    }

    @Test(arguments: ["asking", "passing", "answering"])
    func whatStallsTimesOut(phase: String) async throws {
        let source = ScriptedServer { connection in
            _ = try connection.readHead()
            if phase == "asking" { return connection.waitForClose() }
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            try connection.write(pattern(phase == "passing" ? 500 : 1000))
            connection.waitForClose()
        }
        let destination = ScriptedServer { connection in connection.waitForClose() }
        let error = await failure {
            _ = try await bench.client.relay(
                bench.request(from: source, to: destination, length: 1000) {
                    $0.source.stallTimeout = .milliseconds(300)
                    $0.destination.stallTimeout = .milliseconds(300)
                })
        }
        #expect(error?.code == .timedOut && error?.isRetryable == true)
        #expect(error?.message.hasSuffix("no data moved for 300 ms") == true)
        #expect(await eventually { source.openConnections == 0 && destination.openConnections == 0 })
    }

    @Test func shutdownEndsEverything() async throws {
        let source = ScriptedServer { connection in connection.waitForClose() }
        let destination = Received().server()
        let task = Task {
            try await bench.client.relay(bench.request(from: source, to: destination, length: 1))
        }
        #expect(await eventually { source.openConnections == 1 })
        bench.client.shutdown()
        #expect(await failure { _ = try await task.value }?.code == .canceled)
        #expect(await eventually { source.openConnections == 0 })
        let later = await failure {
            _ = try await bench.client.relay(bench.request(from: source, to: destination, length: 1))
        }
        #expect(later?.code == .canceled)
    }

    // MARK: What is not for this client

    @Test func proxiesAreLeftToOthers() async throws {
        let bench = RelayBench(["http_proxy": "http://127.0.0.1:1"])
        let received = Received()
        // This machine is never reached through a proxy.
        let (source, destination) = (RelayBench.server(of: [7]), received.server())
        _ = try await bench.relay(bench.request(from: source, to: destination, length: 1))
        await #expect(throws: RelayUnsuited.self) {
            try await bench.client.relay(
                bench.request(from: source, to: destination, length: 1) { $0.source.url = "http://example.invalid/x" })
        }
        #expect(try await bench.client.send(HTTPRequest("GET", "http://example.invalid/x")).status == 299)
    }
}
