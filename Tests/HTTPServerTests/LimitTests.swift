import Glibc
import Support
import Testing

@testable import HTTPServer

/// Peers that mean no good, or cannot do better.
@Suite struct LimitTests {
    // MARK: Size

    @Test(arguments: [true, false])
    func aBodyMayBeAsLargeAsTheLimit(chunked: Bool) async throws {
        try await withServer({ $0.maximumBodySize = 100_000 }, handler: { .text("\($0.body.count)") }) { server in
            let client = try await server.connect()
            let body = pattern(100_000)
            if chunked {
                await client.request("PUT", "/", "Transfer-Encoding: chunked")
                await client.send(Array("186A0\r\n".utf8) + body + Array("\r\n0\r\n\r\n".utf8))
            } else {
                await client.request("PUT", "/", "Content-Length: 100000")
                await client.send(body)
            }
            #expect(await client.answer()?.text == "100000")
        }
    }

    @Test(arguments: ["100001", "1000000", "99999999999999999999"])
    func aBodyThatIsTooLargeIsRefusedBeforeItIsRead(length: String) async throws {
        try await withServer({ $0.maximumBodySize = 100_000 }) { server in
            let client = try await server.connect()
            await client.request("PUT", "/", "Content-Length: \(length)")
            // It need not be sent to be refused. What libmicrohttpd answers to absurd lengths is its own choice.
            let answer = try #require(await client.answer())
            #expect([400, 413].contains(answer.status))
            #expect(await client.isClosed())
        }
    }

    @Test func whoSendsATooLargeBodyRegardlessReadsTheAnswer() async throws {
        try await withServer({ $0.maximumBodySize = 1000 }) { server in
            for _ in 0..<20 {
                let client = try await server.connect()
                await client.request("PUT", "/", "Content-Length: 1000000")
                // No reset on the way, which might take the answer with it.
                #expect(await client.send(pattern(1_000_000)))
                let answer = await client.answer()
                #expect(answer?.status == 413)
                #expect(answer?.text.contains("1000 bytes") == true)
                #expect(await client.isClosed())
            }
        }
    }

    @Test func aChunkedBodyWithoutEndIsRefused() async throws {
        try await withServer({ $0.maximumBodySize = 1000 }) { server in
            for _ in 0..<20 {
                let client = try await server.connect()
                await client.request("PUT", "/", "Transfer-Encoding: chunked")
                for _ in 0..<20 { await client.send("400\r\n" + String(repeating: "x", count: 1024) + "\r\n") }
                let answer = await client.answer()
                #expect(answer?.status == 413)
                #expect(answer?.text.contains("1000 bytes") == true)
                #expect(await client.isClosed())
            }
        }
    }

    @Test(arguments: [5000, 40_000, 1_000_000])
    func aHeadThatIsTooLargeIsRefused(size: Int) async throws {
        try await withServer({ $0.maximumHeaderSize = 4096 }) { server in
            let one = try await server.connect()
            await one.request("GET", "/", "X-Large: " + String(repeating: "x", count: size))
            #expect(await one.answer()?.status == 431)
            #expect(await one.isClosed())
            let many = try await server.connect()
            let fields = (0..<size / 10).map { "a\($0): bcd\r\n" }.joined()
            await many.send("GET / HTTP/1.1\r\nHost: t\r\n\(fields)\r\n")
            #expect(await many.answer()?.status == 431)
            let line = try await server.connect()
            await line.request("GET", "/" + String(repeating: "x", count: size))
            let answer = await line.answer()
            #expect(answer?.status == 431 || answer?.status == 414)
            #expect(await server.isAlive())
        }
    }

    // MARK: Malformed requests

    @Test(
        arguments: [
            "\r\n\r\n\r\n\r\n", "GARBAGE\r\n\r\n", "GET\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\nHost: t\r\n\r\n",
            "GET / FTP/1.1\r\nHost: t\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
            "GET /%zz HTTP/1.1\r\nHost: t\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: t\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n", "GET foo HTTP/1.1\r\nHost: t\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\n",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 5x\r\n\r\nhello",
            "PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
            "PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: gzip\r\n\r\nx",
            "PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabcdef\r\n",
            "PUT / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        ])
    func aMalformedRequestNeverReachesTheHandler(text: String) async throws {
        try await withServer(
            { $0.idleTimeout = .seconds(5) }, handler: { .text("handled", status: $0.path == "/alive" ? 200 : 299) }
        ) { server in
            let client = try await server.connect()
            await client.send(text)
            client.finishSending()
            let answer = String(decoding: await client.everything(), as: UTF8.self)
            #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 4") || answer.hasPrefix("HTTP/1.1 5"), "\(answer)")
            #expect(!answer.contains("handled"))
            #expect(await server.isAlive())
        }
    }

    @Test func randomBytesDoNoHarm() async throws {
        try await withServer({ $0.idleTimeout = .seconds(2) }) { server in
            var generator = SystemRandomNumberGenerator()
            let request = Array("PUT /a?b HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nX: y\r\n\r\nhello".utf8)
            for _ in 0..<200 {
                var bytes = request
                for _ in 0..<Int.random(in: 1...4, using: &generator) {
                    bytes[Int.random(in: bytes.indices, using: &generator)] = UInt8.random(
                        in: 0...255, using: &generator)
                }
                let client = try await server.connect()
                await client.send(bytes)
                client.finishSending()
                _ = await client.isClosed()
            }
            #expect(await server.isAlive())
        }
    }

    // MARK: Time

    @Test(arguments: [
        "", "GET / HT", "GET / HTTP/1.1\r\nHost: t\r\n", "PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nx",
    ])
    func aPeerThatStopsIsCut(text: String) async throws {
        try await withServer({ $0.idleTimeout = .milliseconds(200) }) { server in
            let client = try await server.connect()
            await client.send(text)
            #expect(await client.isClosed())
            #expect(await server.isAlive())
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: t\r\nX: ", "no request"),
        ("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 90000\r\n\r\n", "sends too slowly"),
    ])
    func aPeerThatDripsIsCut(text: String, reason: String) async throws {
        try await withPatience { timeout in
            let log = LineCollector()
            return try await withServer({ $0.idleTimeout = timeout }, logger: log.logger) { server in
                let client = try await server.connect()
                await client.send(text)
                let dripping = Task {
                    while await client.send("x"), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(20)) }
                }
                let isClosed = await client.isClosed()
                dripping.cancel()
                await dripping.value
                // One that is silent for as long is closed without a word.
                let isCut = await eventually(for: .seconds(1)) {
                    log.lines.contains { $0.contains("connection cut") && $0.contains(reason) }
                }
                let isAlive = await server.isAlive()
                return isClosed && isCut && isAlive
            }
        }
    }

    @Test func anIdleConnectionIsClosedAfterItsAnswer() async throws {
        try await withPatience { timeout in
            try await withServer({ $0.idleTimeout = timeout }) { server in
                let client = try await server.connect()
                await client.request("GET", "/")
                let status = await client.answer()?.status
                let isClosed = await client.isClosed()
                return status == 200 && isClosed
            }
        }
    }

    @Test func aPeerThatDoesNotReadIsCut() async throws {
        let body = [UInt8](repeating: 7, count: 32 << 20)
        try await withPatience { timeout in
            let began = Gate()
            began.open()
            return try await withServer(
                { $0.idleTimeout = timeout },
                handler: { _ in
                    await began.pass()
                    return .json(body)
                }
            ) { server in
                let client = try await server.connect(receiveBuffer: 4096)
                await client.request("GET", "/")
                // Not a byte of the answer is read.
                let isCut = await eventually(for: timeout * 10) {
                    began.arrivals == 1 && server.daemon.core.exchanges.isEmpty
                }
                let count = await client.everything().count
                return isCut && count < body.count
            }
        }
    }

    @Test func noTimeOutCutsARequestAtWork() async throws {
        try await withPatience { timeout in
            try await withServer(
                { $0.idleTimeout = timeout },
                handler: { request in
                    // Longer than both time-outs: ours, and libmicrohttpd's, which is a second longer.
                    try? await Task.sleep(for: timeout + .seconds(2))
                    return .text("late \(request.body.count) \(Task.isCancelled)")
                }
            ) { server in
                let client = try await server.connect()
                await client.send("PUT / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nhi")
                return await client.answer()?.text == "late 2 false"
            }
        }
    }

    // MARK: Connections

    @Test func connectionsPerAddressAreLimited() async throws {
        try await withServer({ $0.maximumConnectionsPerAddress = 3 }) { server in
            var clients: [RawClient] = []
            for _ in 0..<3 {
                let client = try await server.connect()
                await client.request("GET", "/")
                #expect(await client.answer()?.status == 200)
                clients.append(client)
            }
            let surplus = try await server.connect()
            #expect(await surplus.isClosed())
            await clients[0].request("GET", "/again")
            #expect(await clients[0].answer()?.status == 200)
            clients.removeFirst()
            // A place that was left is given to another one.
            #expect(
                try await eventually {
                    let client = try await server.connect()
                    await client.request("GET", "/")
                    return await client.answer()?.status == 200
                })
        }
    }

    @Test func furtherConnectionsWait() async throws {
        let gate = Gate()
        try await withServer(
            { $0.maximumConnections = 2 },
            handler: { request in
                if request.path == "/wait" { await gate.pass() }
                return .text(request.path)
            }
        ) { server in
            let first = try await server.connect()
            let second = try await server.connect()
            for client in [first, second] { await client.request("GET", "/wait", "Connection: close") }
            #expect(await eventually { gate.arrivals == 2 })
            let third = try await server.connect()
            await third.request("GET", "/third")
            gate.open()
            #expect(await first.answer()?.text == "/wait")
            #expect(await second.answer()?.text == "/wait")
            #expect(await third.answer()?.text == "/third")
        }
    }

    // MARK: Clients that leave

    @Test(arguments: [true, false])
    func theHandlerIsCancelledWhenTheClientLeavesOnlyIfAskedFor(asked: Bool) async throws {
        let gate = Gate()
        let left = Gate()
        try await withServer(
            {
                $0.cancelsWhenClientLeaves = asked
            },
            handler: { _ in
                await gate.pass()
                try? await Task.sleep(for: .seconds(asked ? 3600 : 2))
                if Task.isCancelled == asked { await left.pass() }
                return .text("nobody reads this")
            }
        ) { server in
            left.open()
            do {
                let client = try await server.connect()
                await client.request("GET", "/")
                gate.open()
                #expect(await eventually { gate.arrivals == 1 })
            }
            #expect(await eventually { left.arrivals == 1 && server.daemon.core.exchanges.isEmpty })
        }
    }

    @Test func aClientThatStaysIsNotTakenForOneThatLeft() async throws {
        try await withServer(
            {
                $0.cancelsWhenClientLeaves = true
            },
            handler: { _ in
                // The sockets are asked about every half second.
                try? await Task.sleep(for: .seconds(2))
                return .text("\(Task.isCancelled)")
            }
        ) { server in
            let client = try await server.connect()
            await client.request("GET", "/")
            // More of it in the socket does not look like its end.
            await client.request("GET", "/")
            #expect(await client.answer()?.text == "false")
            #expect(await client.answer()?.text == "false")
        }
    }
}
