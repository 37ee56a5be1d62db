import ShardProtocol
import Support
import Testing

@testable import ShardTransport

/// The listener towards peers that mean no good, or do not speak the protocol.
@Suite struct ListenerTests {
    private func listener(
        _ host: String = "127.0.0.1", unauthenticated: Int = 64, time: Duration = .seconds(600)
    ) async throws -> AgentListener {
        try await AgentListener(
            HostAndPort(host: host, port: 0),
            limits: .init(unauthenticated: unauthenticated, authenticationTime: time))
    }

    private func exchange(_ agent: AgentChannel, _ coordinator: CoordinatorChannel) async throws {
        try await agent.send(.pull(Pull(shards: 1)))
        #expect(try await coordinator.receive() == .pull(Pull(shards: 1)))
        try await coordinator.send(.finish)
        #expect(try await agent.receive() == .finish)
    }

    @Test(arguments: ["127.0.0.1", "::1", "localhost", ""])
    func itListensWhereItIsTold(host: String) async throws {
        let listener = try await listener(host)
        #expect(listener.localAddress.port != 0)
        var target = listener.localAddress
        if host.isEmpty { target.host = "127.0.0.1" }
        let agent = try await dialCoordinator(target)
        let coordinator = try await listener.nextConnection()
        try await exchange(agent, coordinator)
        #expect(agent.peer == target.description)
        #expect(coordinator.peer.hasPrefix(host == "::1" ? "[::1]:" : target.host.contains(":") ? "[" : "127.0.0.1:"))
    }

    @Test func aTakenPortIsAClearError() async throws {
        let first = try await listener()
        await #expect { () async throws in
            _ = try await AgentListener(first.localAddress)
        } throws: {
            let text = "\($0)"
            return text.contains("cannot listen for agents on \(first.localAddress)") && text.contains("in use")
        }
    }

    @Test func aPeerThatSaysNothingIsDropped() async throws {
        let listener = try await listener(time: .milliseconds(100))
        let silent = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let coordinator = try await listener.nextConnection()
        await #expect { () async throws in
            _ = try await coordinator.receive()
        } throws: {
            ($0 as? BackupError)?.code == .timedOut && "\($0)".contains("has not proven who it is")
        }
        let end = try? await silent.read()
        #expect(end == nil)
    }

    @Test func aPeerThatDripsBytesIsDroppedToo() async throws {
        let listener = try await listener(time: .milliseconds(300))
        let slow = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let coordinator = try await listener.nextConnection()
        let dripping = Task {
            for byte: UInt8 in [0, 0, 0, 100, 1, 0] + [UInt8](repeating: 32, count: 1000) {
                try await slow.write([byte])
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        await #expect(throws: BackupError.self) { try await coordinator.receive() }
        await #expect(throws: (any Error).self) { try await dripping.value }
    }

    @Test func aProvenPeerMayBeSilent() async throws {
        let listener = try await listener(time: .seconds(2))
        let agent = try await dialCoordinator(listener.localAddress)
        let coordinator = try await listener.nextConnection()
        coordinator.authenticated()
        let silent = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let other = try await listener.nextConnection()
        // When the later one's time is over, the earlier one's would be, too.
        await #expect(throws: BackupError.self) { try await other.receive() }
        try await exchange(agent, coordinator)
        withExtendedLifetime(silent) {}
    }

    @Test(
        arguments: [
            ("four GiB", [0xff, 0xff, 0xff, 0xff]), ("HTTP", Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)),
            ("too large before the proof", [0, 2, 0, 0, 1, 0]), ("unknown flags", [0, 0, 0, 2, 1, 255]),
            ("a coordinator's message", [0, 0, 0, 2, 146, 0]), ("not JSON", [0, 0, 0, 3, 1, 0, 63]),
        ] as [(String, [UInt8])])
    func garbageEndsItsConnectionAndNoOther(name: String, bytes: [UInt8]) async throws {
        let listener = try await listener()
        let agent = try await dialCoordinator(listener.localAddress)
        let coordinator = try await listener.nextConnection()
        let stranger = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let seen = try await listener.nextConnection()
        try await stranger.write(bytes)
        await #expect { () async throws in
            _ = try await seen.receive()
        } throws: {
            let text = "\($0)"
            return ($0 as? BackupError)?.code == .protocolViolation && text.hasPrefix("127.0.0.1:")
                && !text.contains("\n")
        }
        let end = try? await stranger.read()
        #expect(end == nil, "the stranger is cut off")
        try await exchange(agent, coordinator)
    }

    @Test func strangersBeyondTheLimitWaitUntilASeatIsFree() async throws {
        let listener = try await listener(unauthenticated: 2)
        var strangers: [TCPConnection] = []
        for _ in 0..<2 { strangers.append(try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))) }
        let first = try await listener.nextConnection()
        let second = try await listener.nextConnection()
        let agent = try await dialCoordinator(listener.localAddress)
        let waiting = Task { try await listener.nextConnection() }
        let seated = Counter()
        let watching = Task {
            _ = try await waiting.value
            seated.increment()
        }
        try await Task.sleep(for: .milliseconds(100))
        #expect(seated.value == 0, "both seats are taken")
        first.authenticated()
        let coordinator = try await waiting.value
        try await exchange(agent, coordinator)
        try await watching.value
        // A stranger that leaves frees its seat as well, once its end was seen.
        strangers[1].close()
        #expect(try await second.receive() == nil)
        let next = try await dialCoordinator(listener.localAddress)
        try await exchange(next, try await listener.nextConnection())
    }

    @Test func closingTheListenerKeepsItsConnections() async throws {
        let listener = try await listener()
        let agent = try await dialCoordinator(listener.localAddress)
        let coordinator = try await listener.nextConnection()
        listener.close()
        await #expect(throws: BackupError.self) { try await listener.nextConnection() }
        try await exchange(agent, coordinator)
        await #expect(throws: BackupError.self) {
            try await dialCoordinator(listener.localAddress, timeout: .seconds(5))
        }
    }

    @Test func aMessageCutOffByTheEndIsNotAnOrderlyEnd() async throws {
        let listener = try await listener()
        let agent = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let coordinator = try await listener.nextConnection()
        try await agent.write([0, 0, 0, 50, 16, 0, 32])
        agent.close()
        await #expect { () async throws in
            _ = try await coordinator.receive()
        } throws: { "\($0)".contains("in the middle of a message") && ($0 as? BackupError)?.isRetryable == true }
    }

    @Test func unknownKindsAreSkipped() async throws {
        let listener = try await listener()
        let agent = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let coordinator = try await listener.nextConnection()
        let stream = Frame(kind: 99, payload: [1, 2, 3]).bytes + (try AgentMessage.pull(Pull(shards: 5)).frame().bytes)
        try await agent.write(stream)
        #expect(try await coordinator.receive() == .pull(Pull(shards: 5)))
    }

    @Test func manyAgentsAtOnce() async throws {
        let agents = 200
        let messages = 20
        let listener = try await listener()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingTaskGroup(of: Void.self) { serving in
                    var served = 0
                    for await coordinator in listener.connections {
                        coordinator.authenticated()
                        serving.addTask {
                            while let message = try await coordinator.receive() {
                                guard case .pull(let pull) = message else { continue }
                                try await coordinator.send(.assignment(.sample(shard: pull.shards, tasks: 20)))
                            }
                        }
                        served += 1
                        if served == agents { break }
                    }
                    try await serving.waitForAll()
                }
            }
            for number in 0..<agents {
                group.addTask {
                    let agent = try await dialCoordinator(listener.localAddress, timeout: .seconds(60))
                    for index in 0..<messages {
                        let shard = number * messages + index
                        try await agent.send(.pull(Pull(shards: shard)))
                        #expect(try await agent.receive() == .assignment(.sample(shard: shard, tasks: 20)))
                    }
                    agent.close()
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func manyTasksSendOnOneChannelWithoutMixingMessages() async throws {
        try await ChannelKind.tcp.withAuthenticatedPair { agent, coordinator in
            let senders = 16
            let messages = 50
            let sending = Task {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for sender in 0..<senders {
                        group.addTask {
                            for index in 0..<messages {
                                let shard = sender * messages + index
                                try await coordinator.send(.assignment(.sample(shard: shard, tasks: 50)))
                            }
                        }
                    }
                    try await group.waitForAll()
                }
            }
            var seen: Set<Int> = []
            while seen.count < senders * messages, case .assignment(let assignment) = try await agent.receive() {
                #expect(assignment == .sample(shard: assignment.shard.id, tasks: 50))
                seen.insert(assignment.shard.id)
            }
            #expect(seen == Set(0..<senders * messages))
            try await sending.value
        }
    }
}
