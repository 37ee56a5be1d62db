import ShardProtocol
import ShardTransport
import Support
import Testing

/// The handshake between two live ends.
@Suite struct HandshakeTests {
    private static let token = Secret("0123456789abcdef0123456789abcdef")
    private static let stores = [
        StoreDescription(storage: .milvus, provider: "minio", bucket: "a", root: "files"),
        StoreDescription(storage: .backup, provider: "minio", bucket: "b", root: "backup"),
    ]
    private static let expected = ExpectedProbe(
        probe: .init(storage: .backup, key: "backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
        value: "random content")

    private struct Ends {
        var agent: Result<Accepted, any Error>
        var coordinator: Result<Hello, any Error>
        var agentFailure: BackupError? { failure(agent) }
        var coordinatorFailure: BackupError? { failure(coordinator) }

        private func failure<Value>(_ result: Result<Value, any Error>) -> BackupError? {
            if case .failure(let error) = result { error as? BackupError } else { nil }
        }
    }

    private static func shake(
        _ agent: AgentChannel, _ coordinator: CoordinatorChannel, agentToken: Secret? = token,
        coordinatorToken: Secret? = token, agentStores: [StoreDescription] = stores, found: String? = "random content"
    ) async throws -> Ends {
        let identity = try AgentIdentity(name: "a1", capacity: 4, stores: agentStores)
        async let accepted = Result.catching {
            try await agentHandshake(over: agent, identity: identity, token: agentToken) { probe, _ in
                ProbeAnswers.Answer(storage: probe.storage, value: found, failure: found == nil ? "no such key" : nil)
            }
        }
        async let hello = Result.catching {
            try await coordinatorHandshake(
                over: coordinator, policy: HandshakePolicy(stores: stores), token: coordinatorToken
            ) { _ in [expected] }
        }
        return await Ends(agent: accepted, coordinator: hello)
    }

    @Test(arguments: ChannelKind.allCases)
    func twoEndsThatAgreeGoOnToWork(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            let ends = try await HandshakeTests.shake(agent, coordinator)
            #expect(try ends.agent.get() == Accepted(heartbeatMilliseconds: 5000, leaseMilliseconds: 30000))
            #expect(try ends.coordinator.get().name == "a1")
            // Larger than anything that may pass before the proof.
            let large = CoordinatorMessage.assignment(.sample(shard: 1, tasks: 10_000))
            try await coordinator.send(large)
            #expect(try await agent.receive() == large)
            let results = (0..<5000).map { index in
                TaskResult(index: index, etag: "\(UInt64(index + 1) &* 0x9e37_79b9_7f4a_7c15)", copiedByStore: true)
            }
            let completion = AgentMessage.completed(
                ShardCompletion(lease: Lease(job: "job", shard: 1, epoch: 1), results: results, bytes: 1))
            try await agent.send(completion)
            #expect(try await coordinator.receive() == completion)
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func otherTokensAreToldToBothAndTheConnectionEnds(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            let ends = try await HandshakeTests.shake(
                agent, coordinator, coordinatorToken: Secret("another token, long enough"))
            #expect(ends.agentFailure?.message.contains("tokens differ") == true)
            #expect(ends.coordinatorFailure?.message.contains("another token") == true)
            await #expect(throws: BackupError.self) { try await agent.send(.goodbye) }
            await #expect(throws: BackupError.self) { try await coordinator.send(.finish) }
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func anAgentOfAnotherStoreHearsWhy(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            var stores = HandshakeTests.stores
            stores[1].bucket = "x"
            let ends = try await HandshakeTests.shake(agent, coordinator, agentStores: stores)
            #expect(ends.agentFailure?.message.contains(#"bucket "x" root "backup""#) == true)
            #expect(ends.agentFailure?.message.contains(#"bucket "b" root "backup""#) == true)
            #expect(ends.agentFailure?.isRetryable == false)
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func anAgentThatSeesAnotherObjectHearsWhy(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            let ends = try await HandshakeTests.shake(agent, coordinator, found: "other content")
            #expect(
                ends.agentFailure?.message.contains(
                    "sees another object at backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788") == true)
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func aPeerThatLeavesIsNotWaitedFor(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            agent.close()
            await #expect(throws: BackupError.self) {
                try await coordinatorHandshake(
                    over: coordinator, policy: HandshakePolicy(stores: []), token: nil
                ) { _ in [] }
            }
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func aRefusalIsHeardEvenWhenTheCoordinatorHasLeft(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            try await coordinator.send(.refused(Refusal(message: "the backup is over", isRetryable: false)))
            coordinator.close()
            try await Task.sleep(for: .milliseconds(20))
            let identity = try AgentIdentity(name: "a1", capacity: 1, stores: [])
            await #expect { () async throws in
                _ = try await agentHandshake(over: agent, identity: identity, token: nil) { probe, _ in
                    .init(storage: probe.storage, value: nil)
                }
            } throws: { "\($0)".contains("the backup is over") }
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func anAgentDoesNotWaitForEver(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            let identity = try AgentIdentity(name: "a1", capacity: 1, stores: [])
            await #expect { () async throws in
                _ = try await agentHandshake(
                    over: agent, identity: identity, token: nil, timeLimit: .milliseconds(50)
                ) { probe, _ in .init(storage: probe.storage, value: nil) }
            } throws: { ($0 as? BackupError)?.code == .timedOut }
            _ = coordinator
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func aCoordinatorDoesNotWaitForProbeAnswersForEver(kind: ChannelKind) async throws {
        try await kind.withPair { agent, coordinator in
            let stores = [HandshakeTests.stores[1]]
            let identity = try AgentIdentity(name: "a1", capacity: 1, stores: stores)
            let stuck = Task {
                try await agentHandshake(over: agent, identity: identity, token: nil) { probe, _ in
                    try? await Task.sleep(for: .seconds(3600))
                    return .init(storage: probe.storage, value: nil)
                }
            }
            await #expect { () async throws in
                _ = try await coordinatorHandshake(
                    over: coordinator, policy: HandshakePolicy(stores: stores), token: nil,
                    probeTimeLimit: .milliseconds(50)
                ) { _ in [HandshakeTests.expected] }
            } throws: { ($0 as? BackupError)?.code == .timedOut }
            stuck.cancel()
            _ = await stuck.result
        }
    }
}

extension Result where Failure == any Error {
    static func catching(_ body: () async throws -> Success) async -> Result {
        do { return .success(try await body()) } catch { return .failure(error) }
    }
}
