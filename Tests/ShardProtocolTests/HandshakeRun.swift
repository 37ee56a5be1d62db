import ShardProtocol
import Support

/// One whole handshake between the two state machines, without a connection.
struct HandshakeRun {
    static let coordinatorNonce = String(repeating: "b", count: 64)

    let hello: Hello
    /// What the coordinator said.
    private(set) var transmitted: [CoordinatorMessage] = []
    /// What the agent said.
    private(set) var answered: [AgentMessage] = []
    private(set) var agentResult: Result<Accepted, ComparableFailure> = .failure(ComparableFailure(error: nil))
    private(set) var coordinatorResult: Result<Hello, ComparableFailure> = .failure(ComparableFailure(error: nil))
    private(set) var agentAuthenticated = false
    private(set) var coordinatorAuthenticated = false

    var agentFailure: BackupError? { agentResult.error }
    var coordinatorFailure: BackupError? { coordinatorResult.error }

    private var toAgent: [CoordinatorMessage] = []
    private var toCoordinator: [AgentMessage] = []
    private let probes: [ExpectedProbe]
    private let seen: [String: String]

    init(
        hello: Hello = .sample(), policy: HandshakePolicy = .sample(), agentToken: Secret? = nil,
        coordinatorToken: Secret? = nil, agentBinding: [UInt8] = [], coordinatorBinding: [UInt8] = [],
        probes: [ExpectedProbe] = [
            .init(
                probe: .init(storage: .backup, key: "backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
                value: "random")
        ],
        seen: [String: String] = ["backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788": "random"]
    ) throws {
        self.hello = hello
        self.probes = probes
        self.seen = seen
        var agent = try AgentHandshake(hello: hello, token: agentToken, binding: agentBinding)
        var coordinator = try CoordinatorHandshake(
            policy: policy, token: coordinatorToken, nonce: HandshakeRun.coordinatorNonce, binding: coordinatorBinding)
        perform(agent.start(), &agent)
        while !toAgent.isEmpty || !toCoordinator.isEmpty {
            if !toCoordinator.isEmpty, coordinatorFailure == nil {
                perform(coordinator.receive(toCoordinator.removeFirst()), &coordinator)
            } else if !toAgent.isEmpty, agentFailure == nil {
                perform(agent.receive(toAgent.removeFirst()), &agent)
            } else {
                break
            }
        }
    }

    private mutating func perform(_ actions: [AgentHandshake.Action], _ agent: inout AgentHandshake) {
        for action in actions {
            switch action {
            case .send(let message):
                answered.append(message)
                toCoordinator.append(message)
            case .authenticated: agentAuthenticated = true
            case .answer(let probes, _):
                let answers = probes.map { probe in
                    let value = probe.key.flatMap { seen[$0] }
                    return ProbeAnswers.Answer(
                        storage: probe.storage, value: value, failure: value == nil ? "not there" : nil)
                }
                perform(agent.probesAnswered(answers), &agent)
            case .accepted(let accepted): agentResult = .success(accepted)
            case .fail(let error): agentResult = .failure(ComparableFailure(error: error))
            }
        }
    }

    private mutating func perform(_ actions: [CoordinatorHandshake.Action], _ coordinator: inout CoordinatorHandshake) {
        for action in actions {
            switch action {
            case .send(let message):
                transmitted.append(message)
                toAgent.append(message)
            case .authenticated: coordinatorAuthenticated = true
            case .prepareProbes: perform(coordinator.probesReady(probes), &coordinator)
            case .accepted(let hello): coordinatorResult = .success(hello)
            case .fail(let error): coordinatorResult = .failure(ComparableFailure(error: error))
            }
        }
    }
}

/// A failure, or that nothing came at all.
struct ComparableFailure: Error, Equatable {
    let error: BackupError?
    static func == (left: ComparableFailure, right: ComparableFailure) -> Bool {
        left.error?.description == right.error?.description
    }
}

extension Result where Failure == ComparableFailure {
    var error: BackupError? { if case .failure(let failure) = self { failure.error } else { nil } }
}

extension HandshakePolicy {
    static func sample(versions: [Int] = HandshakeRules.coordinatorVersions) -> HandshakePolicy {
        HandshakePolicy(stores: StoreDescription.samples, versions: versions)
    }
}
