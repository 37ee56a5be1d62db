import ShardProtocol
import Support
import Testing

@Suite struct HandshakeTests {
    private static let token = Secret("0123456789abcdef0123456789abcdef")
    private static let otherToken = Secret("fedcba9876543210fedcba9876543210")

    // MARK: Going well

    @Test(arguments: [token, Secret(""), nil])
    func bothSidesEndAcceptedWhenTheyAgree(token: Secret?) throws {
        let run = try HandshakeRun(agentToken: token, coordinatorToken: token)
        #expect(run.agentResult == .success(Accepted(heartbeatMilliseconds: 5000, leaseMilliseconds: 30000)))
        #expect(run.coordinatorResult == .success(run.hello))
        #expect(run.coordinatorAuthenticated && run.agentAuthenticated)
    }

    @Test func theHighestCommonVersionIsSpoken() throws {
        let run = try HandshakeRun(hello: .sample(versions: [1, 2, 3, 7]), policy: .sample(versions: [3, 2]))
        #expect(
            run.transmitted.contains {
                if case .challenge(let challenge) = $0 { challenge.version == 3 } else { false }
            })
        #expect((try? run.agentResult.get()) != nil)
    }

    @Test(arguments: [
        ("minio", "a", "files", "aws", "/files/"), ("S3", "a", "x//y", "minio", "x/y"),
        ("azure", "a", "", "azure", "/"),
    ])
    func sameStoresUnderOtherNamesAreAccepted(
        provider: String, bucket: String, root: String, otherProvider: String, otherRoot: String
    ) throws {
        let run = try HandshakeRun(
            hello: .sample(stores: [.init(storage: .milvus, provider: provider, bucket: bucket, root: root)]),
            policy: HandshakePolicy(
                stores: [.init(storage: .milvus, provider: otherProvider, bucket: bucket, root: otherRoot)]),
            probes: [])
        #expect((try? run.agentResult.get()) != nil)
    }

    // MARK: Tokens

    @Test(
        arguments: [
            (token, otherToken, "another token", "tokens differ"),
            (nil, token, "agent a1 has no token and the coordinator asks for one", "this agent has none"),
            (token, nil, "agent a1 has a token and the coordinator has none", "the coordinator has none"),
        ] as [(Secret?, Secret?, String, String)])
    func differentTokensAreToldToBothOperators(
        agent: Secret?, coordinator: Secret?, atCoordinator: String, atAgent: String
    ) throws {
        let run = try HandshakeRun(agentToken: agent, coordinatorToken: coordinator)
        #expect(run.agentFailure?.code == .permissionDenied)
        #expect(run.coordinatorFailure?.code == .permissionDenied)
        #expect(run.agentFailure?.description.contains(atAgent) == true)
        #expect(run.coordinatorFailure?.description.contains(atCoordinator) == true)
        #expect(!run.coordinatorAuthenticated && !run.agentAuthenticated)
    }

    @Test func theTokenNeverCrossesTheConnection() throws {
        for coordinatorToken in [HandshakeTests.token, HandshakeTests.otherToken] {
            let run = try HandshakeRun(agentToken: HandshakeTests.token, coordinatorToken: coordinatorToken)
            let said = run.transmitted.map { "\($0)" } + run.answered.map { "\($0)" }
            #expect(!said.joined().contains(HandshakeTests.token.exposed))
            #expect(run.agentFailure.map { $0.description.contains(HandshakeTests.token.exposed) } != true)
        }
    }

    @Test func anAgentShowsNoProofToACoordinatorThatDoesNotKnowTheToken() throws {
        for coordinatorToken in [HandshakeTests.otherToken, nil] {
            let run = try HandshakeRun(agentToken: HandshakeTests.token, coordinatorToken: coordinatorToken)
            #expect(run.answered.contains(.proof(Proof(proof: "-"))))
        }
    }

    @Test func aShortTokenIsRefusedAtHome() throws {
        #expect { try AgentHandshake(hello: .sample(), token: Secret("short")) } throws: {
            ($0 as? BackupError)?.code == .configuration && "\($0)".contains("16") && !"\($0)".contains("short\"")
        }
        #expect(throws: BackupError.self) {
            try CoordinatorHandshake(
                policy: .sample(), token: Secret("123456789012345"), nonce: HandshakeRun.coordinatorNonce)
        }
    }

    @Test func aLeaseMustLastLongerThanAHeartbeat() {
        let policy = HandshakePolicy(stores: [], heartbeat: .seconds(5), lease: .seconds(5))
        #expect { try CoordinatorHandshake(policy: policy, token: nil, nonce: HandshakeRun.coordinatorNonce) } throws: {
            ($0 as? BackupError)?.code == .configuration
        }
    }

    // MARK: Attacks

    @Test func aProofOfAnEarlierConnectionIsWorthNothing() throws {
        let first = try HandshakeRun(agentToken: HandshakeTests.token, coordinatorToken: HandshakeTests.token)
        let recorded = try #require(first.answered.first { $0.kind == .proof })
        var coordinator = try CoordinatorHandshake(
            policy: .sample(), token: HandshakeTests.token, nonce: String(repeating: "c", count: 64))
        _ = coordinator.receive(.hello(first.hello))
        #expect(coordinator.receive(recorded).failure?.code == .permissionDenied)
    }

    @Test func theCoordinatorsOwnProofSentBackIsWorthNothing() throws {
        var coordinator = try CoordinatorHandshake(
            policy: .sample(), token: HandshakeTests.token, nonce: HandshakeRun.coordinatorNonce)
        guard case .send(.challenge(let challenge)) = coordinator.receive(.hello(.sample())).first else {
            Issue.record("no challenge")
            return
        }
        #expect(coordinator.receive(.proof(Proof(proof: challenge.proof))).failure?.code == .permissionDenied)
    }

    @Test func anAgentsOwnNonceSentBackIsRefused() throws {
        var agent = try AgentHandshake(hello: .sample(), token: HandshakeTests.token)
        _ = agent.start()
        let challenge = Challenge(version: 1, nonce: Hello.sample().nonce, proof: "")
        #expect(agent.receive(.challenge(challenge)).failure?.code == .protocolViolation)
    }

    @Test(arguments: [
        Hello.sample(versions: [1]), .sample(versions: [1, 2], name: "a2"), .sample(versions: [1, 2], instance: "i2"),
        .sample(versions: [1, 2], capacity: 5), .sample(versions: [1, 2], stores: [StoreDescription.samples[0]]),
        // The same bytes one after the other, divided in another way.
        .sample(versions: [1, 2], name: "a1i", instance: "1"),
    ])
    func whatAManInTheMiddleChangesMakesTheProofsDiffer(seen: Hello) throws {
        let said = Hello.sample(versions: [1, 2])
        var coordinator = try CoordinatorHandshake(
            policy: .sample(), token: HandshakeTests.token, nonce: HandshakeRun.coordinatorNonce)
        var agent = try AgentHandshake(hello: said, token: HandshakeTests.token)
        _ = agent.start()
        guard case .send(let challenge) = coordinator.receive(.hello(seen)).first else {
            Issue.record("no challenge")
            return
        }
        #expect(agent.receive(challenge).failure?.code == .permissionDenied)
    }

    @Test func proofsAreTiedToTheChannelBelow() throws {
        let run = try HandshakeRun(
            agentToken: HandshakeTests.token, coordinatorToken: HandshakeTests.token, agentBinding: [1],
            coordinatorBinding: [2])
        #expect(run.agentFailure?.code == .permissionDenied)
    }

    /// Computed with another implementation of HMAC-SHA256 over the documented fields.
    @Test func theProofIsTheDocumentedOne() {
        let transcript = HandshakeTranscript(
            version: 1, hello: .sample(versions: [1]), coordinatorNonce: String(repeating: "b", count: 64))
        #expect(
            transcript.proof(of: .agent, token: HandshakeTests.token)
                == "099d551fdfa5d30be8f1c3c2ccfe2d58e55185e8263f5b66e9e3db572fc1ceb1")
    }

    @Test func noncesAreFresh() throws {
        let nonces = try (0..<100).map { _ in try HandshakeRules.newNonce() }
        #expect(Set(nonces).count == 100)
        #expect(nonces.allSatisfy { $0.count == 64 })
    }

    // MARK: Refusals

    @Test func withoutACommonVersionBothAreNamed() throws {
        let run = try HandshakeRun(hello: .sample(versions: [2, 3]), policy: .sample(versions: [1]))
        #expect(run.coordinatorFailure?.message == "agent a1 speaks protocol versions 2, 3, the coordinator version 1")
        #expect(run.agentFailure?.message.contains("versions 2, 3, the coordinator version 1") == true)
    }

    @Test(arguments: [
        (
            StoreDescription(storage: .backup, provider: "minio", bucket: "x", root: "/y/"),
            #"storage "backup" of agent a1 is bucket "x" root "y", the coordinator's is bucket "b" root "backup""#
        ),
        (
            StoreDescription(storage: .backup, provider: "azure", bucket: "b", root: "backup"),
            #"storage "backup" of agent a1 is provider "azure" bucket "b" root "backup", "#
                + #"the coordinator's is provider "minio" bucket "b" root "backup""#
        ),
        (
            StoreDescription(storage: .milvus, provider: "minio", bucket: "a", root: "files"),
            #"agent a1 has no storage "backup" configured"#
        ),
    ])
    func anAgentOfOtherStoresIsRefusedWithBothValues(store: StoreDescription, message: String) throws {
        let stores = store.storage == .backup ? [StoreDescription.samples[0], store] : [store]
        let run = try HandshakeRun(hello: .sample(stores: stores))
        #expect(run.coordinatorFailure?.message == message)
        #expect(run.agentFailure?.message.contains(message) == true)
        #expect(run.agentFailure?.isRetryable == false)
    }

    @Test func anAgentThatSeesAnotherObjectIsRefused() throws {
        let run = try HandshakeRun(seen: [
            "backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788": "something else"
        ])
        let message =
            "agent a1 sees another object at backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788: its endpoint leads to another store"
        #expect(run.coordinatorFailure?.message == message)
        #expect(run.agentFailure?.message.contains(message) == true)
    }

    @Test func anAgentThatCannotReadAProbeMayComeAgain() throws {
        let run = try HandshakeRun(seen: [:])
        #expect(
            run.coordinatorFailure?.message.contains(
                "cannot read backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788") == true)
        #expect(run.coordinatorFailure?.message.contains("not there") == true)
        #expect(run.agentFailure?.isRetryable == true)
    }

    @Test func aCoordinatorThatCannotWriteItsProbesSaysSo() throws {
        var coordinator = try CoordinatorHandshake(policy: .sample(), token: nil, nonce: HandshakeRun.coordinatorNonce)
        _ = coordinator.receive(.hello(.sample()))
        _ = coordinator.receive(.proof(Proof(proof: "")))
        let failure = coordinator.probesFailed(BackupError(.unavailable, "connection refused")).failure
        #expect(failure?.message.contains("connection refused") == true)
        #expect(failure?.isRetryable == true)
    }

    @Test(arguments: [
        "files/NAME", "backup/../files/NAME", "backup", "backupx/NAME", "backup/./NAME", "backup//NAME", "/backup/NAME",
        "backup/nightly/NAME", "backup/NAME/", "backup/NAME0", "backup/nightly/meta/backup_meta.json", "NAME",
    ])
    func anAgentReadsNothingButProbes(pattern: String) throws {
        let key = pattern.replacing("NAME", with: "milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788")
        var agent = try AgentHandshake(hello: .sample(), token: nil)
        _ = agent.start()
        _ = agent.receive(.challenge(Challenge(version: 1, nonce: HandshakeRun.coordinatorNonce, proof: "")))
        let probes = Probes(stores: StoreDescription.samples, probes: [.init(storage: .backup, key: key)])
        #expect(agent.receive(.probes(probes)).failure?.code == .protocolViolation)
    }

    // MARK: Allowed roots

    private static let elsewhere = [
        StoreDescription.samples[0], StoreDescription(storage: .backup, provider: "s3", bucket: "c", root: "/old/"),
    ]

    @Test(arguments: [
        (BackupPlace(bucket: "c", root: "old"), true), (BackupPlace(bucket: "c", root: "//old/"), true),
        (BackupPlace(bucket: "c", root: "older"), false), (BackupPlace(bucket: "c", root: ""), false),
        (BackupPlace(bucket: "b", root: "old"), false),
    ])
    func aCoordinatorInAnAllowedRootIsAccepted(allowed: BackupPlace, isAccepted: Bool) throws {
        let probes = [
            ExpectedProbe(
                probe: .init(storage: .backup, key: "old/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
                value: "random")
        ]
        let run = try HandshakeRun(
            hello: .sample(allowedRoots: [allowed]), policy: HandshakePolicy(stores: Self.elsewhere), probes: probes,
            seen: ["old/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788": "random"])
        #expect(((try? run.agentResult.get()) != nil) == isAccepted)
        #expect(((try? run.coordinatorResult.get()) != nil) == isAccepted)
    }

    /// The agent does not rely on the coordinator's comparison.
    @Test(arguments: [
        ([], "old/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
        ([BackupPlace(bucket: "c", root: "other")], "old/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
        ([BackupPlace(bucket: "c", root: "old")], "older/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
        ([BackupPlace(bucket: "c", root: "old")], "files/x"),
    ])
    func aCoordinatorCannotWidenWhatIsAllowed(allowed: [BackupPlace], key: String) throws {
        var agent = try AgentHandshake(hello: .sample(allowedRoots: allowed), token: nil)
        _ = agent.start()
        _ = agent.receive(.challenge(Challenge(version: 1, nonce: HandshakeRun.coordinatorNonce, proof: "")))
        let probes = Probes(stores: Self.elsewhere, probes: [.init(storage: .backup, key: key)])
        #expect(agent.receive(.probes(probes)).failure != nil)
    }

    @Test func milvusOwnStoreIsNeverElsewhere() throws {
        let stores = [
            StoreDescription(storage: .milvus, provider: "minio", bucket: "c", root: "old"),
            StoreDescription.samples[1],
        ]
        let run = try HandshakeRun(
            hello: .sample(allowedRoots: [BackupPlace(bucket: "c", root: "old")]),
            policy: HandshakePolicy(stores: stores))
        #expect(run.coordinatorFailure?.message.contains("storage \"milvus\"") == true)
    }

    // MARK: Broken peers

    @Test(arguments: AgentMessage.samples.filter { $0.kind != .hello })
    func anythingButAHelloAtFirstIsAViolation(message: AgentMessage) throws {
        var coordinator = try CoordinatorHandshake(policy: .sample(), token: nil, nonce: HandshakeRun.coordinatorNonce)
        let actions = coordinator.receive(message)
        #expect(actions.failure?.code == .protocolViolation)
        #expect(coordinator.receive(.hello(.sample())).failure != nil, "nothing can be mended afterwards")
    }

    @Test(arguments: CoordinatorMessage.samples.filter { ![.challenge, .refused].contains($0.kind) })
    func anythingButAChallengeAtFirstIsAViolation(message: CoordinatorMessage) throws {
        var agent = try AgentHandshake(hello: .sample(), token: nil)
        _ = agent.start()
        #expect(agent.receive(message).failure?.code == .protocolViolation)
    }

    @Test(arguments: [
        Hello.sample(name: ""), .sample(name: "a\nb"), .sample(name: String(repeating: "x", count: 3000)),
        .sample(instance: ""),
        .sample(nonce: ""), .sample(nonce: String(repeating: "A", count: 64)), .sample(capacity: 0),
        .sample(capacity: -1),
        .sample(capacity: Int.max), .sample(versions: Array(1...1000)),
        .sample(stores: [StoreDescription.samples[0], StoreDescription.samples[0]]),
        .sample(allowedRoots: [BackupPlace(bucket: "a\nb", root: "")]),
        .sample(allowedRoots: Array(repeating: BackupPlace(bucket: "a", root: "b"), count: 257)),
    ])
    func aHelloThatCannotBeWorkedWithIsRefused(hello: Hello) throws {
        var coordinator = try CoordinatorHandshake(policy: .sample(), token: nil, nonce: HandshakeRun.coordinatorNonce)
        #expect(coordinator.receive(.hello(hello)).failure?.code == .protocolViolation)
        #expect(throws: BackupError.self) { try AgentHandshake(hello: hello, token: nil) }
    }

    @Test func aRefusalsTextCannotForgeALine() {
        let error = BackupError.refused(
            Refusal(message: "no\n2026 INFO fine" + String(repeating: "x", count: 5000), isRetryable: false))
        #expect(!error.description.contains("\n"))
        #expect(error.description.count < 1200)
    }
}
