import Glibc
import HTTP
import Support
import Testing

@testable import HTTPServer

/// How a server begins and ends.
@Suite struct LifeTests {
    // MARK: Where it listens

    @Test(arguments: ["127.0.0.1", "::1", "localhost", ""])
    func itListensWhereItIsTold(host: String) async throws {
        try await withServer({ $0.host = host }, handler: { .text($0.remoteAddress) }) { server in
            #expect(server.localAddress.port != 0)
            let targets =
                switch host {
                case "": ["127.0.0.1", "::1"]
                case "localhost": [server.localAddress.host]
                default: [host]
                }
            for target in targets {
                let client = try await RawClient(HTTPServerAddress(host: target, port: server.localAddress.port))
                await client.request("GET", "/")
                #expect(await client.answer()?.text == target)
            }
        }
    }

    @Test func aTakenPortIsAClearError() async throws {
        try await withServer { server in
            let error = await failure {
                _ = try await HTTPServer(.init(host: "127.0.0.1", port: server.localAddress.port)) { _ in .text("") }
            }
            #expect(error?.code == .unavailable)
            #expect(error?.message == "cannot listen on \(server.localAddress): Address already in use")
            #expect(error?.hint?.contains("another port") == true)
            #expect(await server.isAlive())
        }
    }

    @Test(arguments: ["192.0.2.1", "no.such.host.invalid", "a\nb"])
    func anImpossibleAddressIsAClearError(host: String) async throws {
        let error = await failure { _ = try await HTTPServer(.init(host: host, port: 0)) { _ in .text("") } }
        #expect(error?.code == .unavailable)
        #expect(error?.message.hasPrefix("cannot listen on \(host.escapingControlCharacters):0: ") == true)
    }

    @Test func thePortIsFreeAtOnceAfterTheEnd() async throws {
        let first = try await serve()
        let client = try await first.connect()
        await client.request("GET", "/")
        #expect(await client.answer()?.status == 200)
        await first.shutDown()
        let port = first.localAddress.port
        try await withServer({ $0.port = port }) { second in #expect(await second.isAlive()) }
    }

    // MARK: The end

    @Test func requestsInProgressComeToTheirEnd() async throws {
        let gate = Gate()
        let server = try await serve(handler: { request in
            await gate.pass()
            return .text("done \(request.path) \(Task.isCancelled)")
        })
        let clients = try await [server.connect(), server.connect()]
        for client in clients { await client.request("GET", "/slow") }
        #expect(await eventually { gate.arrivals == 2 })
        let ending = Task { await server.shutDown() }
        // Nobody else gets in.
        #expect(await eventually { (try? await server.connect()) == nil })
        gate.open()
        for client in clients {
            let answer = await client.answer()
            #expect(answer?.text == "done /slow false")
            #expect(answer?.headers["Connection"]?.lowercased() == "close")
            #expect(await client.isClosed())
        }
        await ending.value
    }

    @Test func aKeptConnectionIsToldThatTheServerEnds() async throws {
        let gate = Gate()
        let server = try await serve(handler: { request in
            if request.path == "/slow" { await gate.pass() }
            return .text("done")
        })
        let (slow, idle) = (try await server.connect(), try await server.connect())
        await idle.request("GET", "/")
        #expect(await idle.answer()?.status == 200)
        await slow.request("GET", "/slow")
        #expect(await eventually { gate.arrivals == 1 })
        let ending = Task { await server.shutDown() }
        #expect(await eventually { (try? await server.connect()) == nil })
        await idle.request("GET", "/")
        #expect(await idle.answer()?.status == 503)
        gate.open()
        #expect(await slow.answer()?.status == 200)
        await ending.value
    }

    @Test func afterTheGracePeriodHandlersAreCancelled() async throws {
        let gate = Gate()
        gate.open()
        let server = try await serve(
            { $0.gracePeriod = .milliseconds(100) },
            handler: { _ in
                await gate.pass()
                try? await Task.sleep(for: .seconds(3600))
                return .text("canceled \(Task.isCancelled)", status: 418)
            })
        let client = try await server.connect()
        await client.request("GET", "/")
        #expect(await eventually { gate.arrivals == 1 })
        await server.shutDown()
        #expect(await client.answer()?.text == "canceled true")
    }

    @Test func handlersThatDoNotListenAreLeftAlone() async throws {
        let gate = Gate()
        let server = try await serve(
            { $0.gracePeriod = .milliseconds(100) },
            handler: { _ in
                await gate.pass()
                return .text("too late")
            })
        let complete = try await server.connect()
        await complete.request("GET", "/")
        #expect(await eventually { gate.arrivals == 1 })
        let incomplete = try await server.connect()
        await incomplete.request("PUT", "/", "Content-Length: 100")
        #expect(await eventually { server.daemon.core.exchanges.count == 2 })
        await server.shutDown()
        #expect(await complete.answer()?.status == 503)
        #expect(await incomplete.isClosed())
        gate.open()
    }

    @Test func itMayBeStoppedTwiceAndAtOnce() async throws {
        let server = try await serve()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<10 { group.addTask { await server.shutDown() } }
        }
        await server.shutDown()
        #expect(await (try? server.connect()) == nil)
    }

    @Test func aCanceledTaskStopsItAllTheSame() async throws {
        let gate = Gate()
        let server = try await serve(handler: { _ in
            await gate.pass()
            return .text("done")
        })
        let client = try await server.connect()
        await client.request("GET", "/")
        #expect(await eventually { gate.arrivals == 1 })
        let ending = Task { await server.shutDown() }
        ending.cancel()
        try await Task.sleep(for: .milliseconds(50))
        gate.open()
        #expect(await client.answer()?.text == "done")
        await ending.value
    }

    @Test func aServerThatIsForgottenEnds() async throws {
        weak var core: ServerCore?
        let address: HTTPServerAddress
        do {
            let server = try await serve()
            core = server.daemon.core
            address = server.localAddress
            #expect(await server.isAlive())
        }
        #expect(await eventually { (try? await RawClient(address)) == nil && core == nil })
    }

    @Test func nothingIsLeftAfterManyLives() async throws {
        let before = OpenDescriptors().others
        var ports: Set<UInt16> = []
        for round in 0..<60 {
            weak var core: ServerCore?
            weak var connection: Connection?
            do {
                let gate = Gate()
                let server = try await serve(
                    { $0.gracePeriod = round % 2 == 0 ? .milliseconds(50) : .zero },
                    handler: { request in
                        if request.path == "/wait" { await gate.pass() }
                        return .text("answer")
                    })
                core = server.daemon.core
                ports.insert(server.localAddress.port)
                let (served, idle) = (try await server.connect(), try await server.connect())
                let (broken, waiting) = (try await server.connect(), try await server.connect())
                await served.request("GET", "/")
                #expect(await served.answer()?.status == 200)
                await broken.request("PUT", "/", "Content-Length: 1000")
                await waiting.request("GET", "/wait")
                #expect(await eventually { gate.arrivals == 1 })
                connection = server.daemon.core.connections.first
                #expect(connection != nil)
                if round % 3 == 0 {
                    await broken.send("and no more")
                    broken.finishSending()
                }
                gate.open()
                await server.shutDown()
                withExtendedLifetime((idle, broken, waiting)) {}
            }
            #expect(await eventually { core == nil && connection == nil })
        }
        // Other tests open and close descriptors meanwhile, and may be given the same ports: ours would be hundreds.
        #expect(
            await eventually {
                let now = OpenDescriptors()
                return now.others < before + 100 && now.ports.count { ports.contains($0) } < 60
            })
    }
}
