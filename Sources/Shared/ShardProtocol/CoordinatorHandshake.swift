import Support

/// What a coordinator asks of its agents and tells them.
package struct HandshakePolicy: Sendable {
    /// What the coordinator takes the storage ids to be; an agent must have every one of them.
    package var stores: [StoreDescription]
    package var heartbeat: Duration
    package var lease: Duration
    /// Versions of the protocol it speaks.
    package var versions: [Int]
    /// Names of agents that may work, by their certificates; empty for all that have a certificate, if one is asked for.
    package var allowedAgents: [String]

    package init(
        stores: [StoreDescription], heartbeat: Duration = .seconds(5), lease: Duration = .seconds(30),
        versions: [Int] = HandshakeRules.coordinatorVersions, allowedAgents: [String] = []
    ) {
        self.allowedAgents = allowedAgents
        self.stores = stores
        self.heartbeat = heartbeat
        self.lease = lease
        self.versions = versions
    }
}

/// The coordinator's side of the handshake, as a value that is told what happens and says what to do; the steps are drawn at
/// ``AgentHandshake``.
package struct CoordinatorHandshake: Sendable {
    package enum Action: Sendable {
        case send(CoordinatorMessage)
        /// The agent knows the token: larger frames may be read from it.
        case authenticated
        /// Write the probe objects and call ``CoordinatorHandshake/probesReady(_:)`` or ``CoordinatorHandshake/probesFailed(_:)``.
        case prepareProbes(Hello)
        case accepted(Hello)
        /// It is over: close the connection. The refusal was sent before.
        case fail(BackupError)
    }

    private enum Step {
        case hello
        case proof(HandshakeTranscript)
        case probes(Hello)
        case answers(Hello, [ExpectedProbe])
        case over

        var awaited: String {
            switch self {
            case .hello: "hello"
            case .proof: "proof"
            case .probes: "nothing until the probes are ready"
            case .answers: "the answers to the probes"
            case .over: "nothing any more"
            }
        }
    }

    private let policy: HandshakePolicy
    private let token: Secret?
    private let nonce: String
    private let binding: [UInt8]
    private let certificateNames: [String]?
    private var step = Step.hello

    /// - Parameters:
    ///   - token: nil or empty when none is in use.
    ///   - nonce: fresh from ``HandshakeRules/newNonce()``.
    ///   - binding: ties the proofs to the encrypted channel below; empty when there is none.
    ///   - certificateNames: the names in the certificate that the agent has shown; nil when it has shown none.
    /// - Throws: ``BackupError/Code/configuration`` when the token is too short, or a lease not longer than a heartbeat.
    package init(
        policy: HandshakePolicy, token: Secret?, nonce: String, binding: [UInt8] = [],
        certificateNames: [String]? = nil
    ) throws(BackupError) {
        self.token = try .handshakeToken(token)
        guard policy.lease.milliseconds > policy.heartbeat.milliseconds else {
            throw BackupError(
                .configuration, "a lease of \(policy.lease) is not longer than the heartbeat of \(policy.heartbeat)",
                hint: "a lease should last several heartbeats")
        }
        self.policy = policy
        self.nonce = nonce
        self.binding = binding
        self.certificateNames = certificateNames
    }

    package mutating func receive(_ message: AgentMessage) -> [Action] {
        switch (step, message) {
        case (.hello, .hello(let hello)): meet(hello)
        case (.proof(let transcript), .proof(let proof)): check(proof.proof, transcript)
        case (.answers(let hello, let expected), .probeAnswers(let answers)): compare(answers.answers, expected, hello)
        default: refuse(.protocolViolation, "the agent sent \(message.kind) where \(step.awaited) was due")
        }
    }

    package mutating func probesReady(_ expected: [ExpectedProbe]) -> [Action] {
        guard case .probes(let hello) = step else { return [] }
        step = .answers(hello, expected)
        return [.send(.probes(Probes(stores: policy.stores, probes: expected.map(\.probe))))]
    }

    package mutating func probesFailed(_ error: BackupError) -> [Action] {
        guard case .probes = step else { return [] }
        return refuse(error.code, "the coordinator cannot prepare its probes: \(error.message)", isRetryable: true)
    }

    /// What it means that the agent has closed the connection now.
    package func failureOfClosing() -> BackupError {
        BackupError(.unavailable, "the agent closed the connection when \(step.awaited) was due", isRetryable: true)
    }

    // MARK: Steps

    private mutating func meet(_ hello: Hello) -> [Action] {
        if let flaw = HandshakeRules.flaw(of: hello) {
            return refuse(.protocolViolation, "the agent cannot be worked with: \(flaw)")
        }
        if let stranger = stranger(hello) { return stranger }
        guard let version = HandshakeRules.commonVersion(hello.versions, policy.versions) else {
            return refuse(
                .unsupported,
                "agent \(hello.name) speaks protocol \(HandshakeRules.list(hello.versions)), "
                    + "the coordinator \(HandshakeRules.list(policy.versions))",
                hint: "run the same release on both sides")
        }
        let transcript = HandshakeTranscript(version: version, hello: hello, coordinatorNonce: nonce, binding: binding)
        step = .proof(transcript)
        let proof = transcript.proof(of: .coordinator, token: token)
        return [.send(.challenge(Challenge(version: version, nonce: nonce, proof: proof)))]
    }

    /// An agent is who its certificate says it is, and one of those that may work.
    private mutating func stranger(_ hello: Hello) -> [Action]? {
        if let certificateNames, !certificateNames.contains(hello.name) {
            let names = certificateNames.prefix(4).joined(separator: ", ").escapingControlCharacters
            return refuse(
                .permissionDenied, "agent \(hello.name) shows the certificate of \(names)",
                hint: "agent.name must be a name in the agent's certificate")
        }
        guard policy.allowedAgents.isEmpty || (certificateNames != nil && policy.allowedAgents.contains(hello.name))
        else {
            return refuse(.permissionDenied, "agent \(hello.name) is not in coordinator.tls.allowedAgents")
        }
        return nil
    }

    private mutating func check(_ proof: String, _ transcript: HandshakeTranscript) -> [Action] {
        let hello = transcript.hello
        let hint = "give coordinator and agents the same token"
        switch (token, proof.isEmpty) {
        case (.some, true):
            return refuse(
                .permissionDenied, "agent \(hello.name) has no token and the coordinator asks for one", hint: hint)
        case (nil, false):
            return refuse(.permissionDenied, "agent \(hello.name) has a token and the coordinator has none", hint: hint)
        case (.some(let token), false) where !transcript.isValid(proof, of: .agent, token: token):
            return refuse(
                .permissionDenied, "agent \(hello.name) has another token than the coordinator", hint: hint)
        default: break
        }
        let mismatch = StoreDescription.mismatch(of: hello, coordinatorStores: policy.stores)
        if let mismatch { return refuse(.configuration, mismatch) }
        step = .probes(hello)
        return [.authenticated, .prepareProbes(hello)]
    }

    private mutating func compare(
        _ answers: [ProbeAnswers.Answer], _ expected: [ExpectedProbe], _ hello: Hello
    ) -> [Action] {
        guard answers.count == expected.count else {
            return refuse(
                .protocolViolation, "agent \(hello.name) answered \(answers.count) of \(expected.count) probes")
        }
        for (answer, expected) in zip(answers, expected) {
            let storage = expected.probe.storage.rawValue
            let place = expected.probe.key ?? "the listing of storage \"\(storage)\""
            guard answer.storage == expected.probe.storage else {
                return refuse(.protocolViolation, "agent \(hello.name) answered a probe of another storage")
            }
            guard let value = answer.value else {
                let why = String((answer.failure ?? "no reason given").prefix(512)).escapingControlCharacters
                return refuse(
                    .unavailable, "agent \(hello.name) cannot read \(place) on storage \"\(storage)\": \(why)",
                    isRetryable: true)
            }
            guard value == expected.value else {
                return refuse(
                    .configuration,
                    "agent \(hello.name) sees \(expected.probe.key.map { "another object at \($0)" } ?? "other objects in \(place)"): "
                        + "its endpoint leads to another store",
                    hint: "check endpoint and credentials of storage \"\(storage)\" on that host")
            }
        }
        step = .over
        let accepted = Accepted(
            heartbeatMilliseconds: policy.heartbeat.milliseconds, leaseMilliseconds: policy.lease.milliseconds)
        return [.send(.accepted(accepted)), .accepted(hello)]
    }

    private mutating func refuse(
        _ code: BackupError.Code, _ message: String, hint: String? = nil, isRetryable: Bool = false
    ) -> [Action] {
        step = .over
        let error = BackupError(code, message, hint: hint, isRetryable: isRetryable)
        return [.send(.refused(Refusal(message: error.description, isRetryable: isRetryable))), .fail(error)]
    }
}

extension Duration {
    /// Whole milliseconds, at least one.
    fileprivate var milliseconds: Int { max(1, Int(seconds * 1000)) }
}

extension [CoordinatorHandshake.Action] {
    /// The error with which these actions end the handshake. When what is to be sent before can no longer be sent, because
    /// the other side has left, this still is the error to report.
    package var failure: BackupError? {
        lazy.compactMap { if case .fail(let error) = $0 { error } else { nil } }.first
    }
}
