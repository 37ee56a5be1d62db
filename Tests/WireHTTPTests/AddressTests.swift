import HTTP
import HTTPTesting
import Support
import Testing

@testable import WireHTTP

/// Names with several addresses, some of which lead nowhere.
@Suite(.timeLimit(.minutes(2))) struct AddressTests {
    private static let silentHosts = SilentAddress.hasIPv6 ? ["127.0.0.2", "[::1]"] : ["127.0.0.2"]
    /// Nobody who waits for a part of it lives to see the end of the test.
    private static let never = Duration.seconds(36_000)

    /// Every request needs a connection of its own.
    private func closingServer() -> ScriptedServer {
        ScriptedServer { connection in
            guard try connection.readRequest() != nil else { return }
            try connection.respond(200, ["Connection: close"])
        }
    }

    private func get(_ url: String, connectTimeout: Duration) -> HTTPRequest {
        var request = HTTPRequest("GET", url)
        request.connectTimeout = connectTimeout
        return request
    }

    @Test(arguments: AddressTests.silentHosts)
    func aCallLeavesASilentAddressAndOthersDoNotGoThere(host: String) async throws {
        let store = PartlySilentServer([host], closingServer)
        let client = WireHTTPClient(addresses: [host, "127.0.0.1"])
        #expect(try await client.send(get(store.url, connectTimeout: .seconds(2))).status == 200)
        try await forEachInParallel(0..<50, limit: 50) { _ in
            let response = try await client.send(get(store.url, connectTimeout: AddressTests.never))
            #expect(response.status == 200)
        }
        #expect(store.server.connectionCount == 51)
    }

    @Test(arguments: [4, 256]) func manyThatBeginTogetherAllLeaveIt(connections: Int) async throws {
        let store = PartlySilentServer(["127.0.0.2"], closingServer)
        let client = WireHTTPClient(addresses: ["127.0.0.2", "127.0.0.1"], maximumConnections: connections)
        try await forEachInParallel(0..<100, limit: 100) { _ in
            let response = try await client.send(get(store.url, connectTimeout: .seconds(2)))
            #expect(response.status == 200)
        }
        #expect(store.server.connectionCount == 100)
    }

    @Test func severalSilentAddressesAreLeftInOneCall() async throws {
        let store = PartlySilentServer(["127.0.0.2", "127.0.0.3"], closingServer)
        let client = WireHTTPClient(addresses: ["127.0.0.2", "127.0.0.3", "127.0.0.1"])
        for timeout in [Duration.seconds(3), AddressTests.never] {
            #expect(try await client.send(get(store.url, connectTimeout: timeout)).status == 200)
        }
    }

    /// Else a short request would end at the first address every time.
    @Test func connectingHasNoMoreTimeThanTheRequest() throws {
        var request = get("http://store.test", connectTimeout: .seconds(10))
        #expect(try WireRequest(request, length: nil).connectTimeout == .seconds(10))
        for (total, expected) in [(3, 3), (30, 10)] {
            request.totalTimeout = .seconds(total)
            #expect(try WireRequest(request, length: nil).connectTimeout == .seconds(expected))
        }
    }

    @Test func bothEndsOfARelayLeaveSilentAddresses() async throws {
        let received = Received()
        let body = pattern(300_000)
        let source = PartlySilentServer(["127.0.0.2"]) { RelayBench.server(of: body) }
        let destination = PartlySilentServer(["127.0.0.2"]) { received.server() }
        let client = WireHTTPClient(addresses: ["127.0.0.2", "127.0.0.1"])
        for timeout in [Duration.seconds(2), AddressTests.never] {
            var (from, to) = (HTTPRequest("GET", source.url), HTTPRequest("PUT", destination.url))
            (from.connectTimeout, to.connectTimeout) = (timeout, timeout)
            let relay = RelayRequest(from: from, to: to, length: Int64(body.count), meter: RelayMeter()) { _ in
                .unseen
            }
            guard case .relayed = try await client.relay(relay) else { return #expect(Bool(false)) }
        }
        #expect(received.all == [body, body])
    }

    @Test func anAddressThatRefusesIsLeftAtOnce() async throws {
        let server = closingServer()
        // Nobody listens there.
        let client = WireHTTPClient(addresses: ["127.0.0.4", "127.0.0.1"])
        for _ in 0..<2 {
            let request = get("http://store.test:\(server.port)", connectTimeout: AddressTests.never)
            #expect(try await client.send(request).status == 200)
        }
    }

    @Test func theLastAddressSaysWhatIsWrong() async throws {
        let store = PartlySilentServer(["127.0.0.2", "127.0.0.3"], closingServer)
        let request = get(store.url, connectTimeout: .milliseconds(300))
        let silent = WireHTTPClient(addresses: ["127.0.0.2", "127.0.0.3"])
        let late = await failure { _ = try await silent.send(request) }
        #expect(late?.code == .timedOut && late?.isRetryable == true)
        #expect(late?.message == "cannot connect to \(store.url) within 300 ms")
        // Nobody listens at the second one.
        let refusing = WireHTTPClient(addresses: ["127.0.0.2", "127.0.0.4"])
        let refused = await failure { _ = try await refusing.send(request) }
        #expect(refused?.code == .unavailable && refused?.isRetryable == true)
        #expect(refused?.message == "cannot connect to \(store.url): Connection refused")
        let nowhere = WireHTTPClient(addresses: [])
        #expect(await failure { _ = try await nowhere.send(request) }?.code == .unavailable)
    }
}
