import Support

/// The agent's side of the handshake, as a value that is told what happens and says what to do.
///
/// ```
/// agent                                   coordinator
/// hello (versions, who, nonce, stores)  ->
///                                       <- challenge (version, nonce, the coordinator's proof)
/// proof                                 ->
///                                       <- probes (its stores, where to look)
/// probeAnswers                          ->
///                                       <- accepted, or refused at any time
/// ```
package struct AgentHandshake: Sendable {
    package enum Action: Sendable {
        case send(AgentMessage)
        /// The coordinator knows the token: larger frames may be read from it.
        case authenticated
        /// Look there and call ``AgentHandshake/probesAnswered(_:)``. The coordinator's backups lie in that place, which is this
        /// agent's own or one that it allows.
        case answer([Probes.Probe], BackupPlace?)
        case accepted(Accepted)
        /// It is over: close the connection.
        case fail(BackupError)
    }

    private enum Step: String {
        case start = "nothing"
        case challenge = "its challenge"
        case probes = "its probes"
        case answers = "nothing until the probes are answered"
        case verdict = "its verdict on the probes"
        case over = "nothing any more"
    }

    private let hello: Hello
    private let token: Secret?
    private let binding: [UInt8]
    private var awaited = Step.start

    /// - Parameters:
    ///   - hello: what to say first; its nonce must be fresh from ``HandshakeRules/newNonce()``.
    ///   - token: nil or empty when none is in use.
    ///   - binding: ties the proofs to the encrypted channel below; empty when there is none.
    /// - Throws: ``BackupError/Code/configuration`` when the token is too short, ``BackupError/Code/invalidArgument`` when the
    ///   hello could not be accepted by anybody.
    package init(hello: Hello, token: Secret?, binding: [UInt8] = []) throws(BackupError) {
        self.token = try .handshakeToken(token)
        if let flaw = HandshakeRules.flaw(of: hello) {
            throw BackupError(.invalidArgument, "this agent cannot introduce itself: \(flaw)")
        }
        self.hello = hello
        self.binding = binding
    }

    package mutating func start() -> [Action] {
        awaited = .challenge
        return [.send(.hello(hello))]
    }

    package mutating func receive(_ message: CoordinatorMessage) -> [Action] {
        switch (awaited, message) {
        case (.challenge, .challenge(let challenge)): return meet(challenge)
        case (.probes, .probes(let probes)): return accept(probes)
        case (.verdict, .accepted(let accepted)): return accept(accepted)
        case (.challenge, .refused(let refusal)), (.probes, .refused(let refusal)), (.answers, .refused(let refusal)),
            (.verdict, .refused(let refusal)):
            return fail(.refused(refusal))
        default: return violation("it sent \(message.kind) where \(awaited.rawValue) was due")
        }
    }

    /// - Parameter answers: one for each probe that was asked for.
    package mutating func probesAnswered(_ answers: [ProbeAnswers.Answer]) -> [Action] {
        guard awaited == .answers else { return [] }
        awaited = .verdict
        return [.send(.probeAnswers(ProbeAnswers(answers: answers)))]
    }

    /// What it means that the coordinator has closed the connection now.
    package func failureOfClosing() -> BackupError {
        BackupError(
            .unavailable, "the coordinator closed the connection when \(awaited.rawValue) was due", isRetryable: true)
    }

    private mutating func meet(_ challenge: Challenge) -> [Action] {
        guard hello.versions.contains(challenge.version) else {
            return violation("it chose version \(challenge.version), which was not offered")
        }
        guard HandshakeRules.isNonce(challenge.nonce), challenge.nonce != hello.nonce else {
            return violation("its nonce cannot be used")
        }
        let transcript = HandshakeTranscript(
            version: challenge.version, hello: hello, coordinatorNonce: challenge.nonce, binding: binding)
        // The coordinator proves itself first: nothing is shown to one that does not know the token. An answer is given in
        // any case, so that the coordinator can tell its operator what is wrong.
        if let token {
            guard transcript.isValid(challenge.proof, of: .coordinator, token: token) else {
                let withheld = Action.send(.proof(Proof(proof: HandshakeTranscript.withheldProof)))
                return [withheld] + fail(challenge.proof.isEmpty ? .coordinatorHasNoToken : .coordinatorHasAnotherToken)
            }
        } else if !challenge.proof.isEmpty {
            return [.send(.proof(Proof(proof: "")))] + fail(.agentHasNoToken)
        }
        awaited = .probes
        return [.send(.proof(Proof(proof: transcript.proof(of: .agent, token: token)))), .authenticated]
    }

    private mutating func accept(_ probes: Probes) -> [Action] {
        let mismatch = StoreDescription.mismatch(of: hello, coordinatorStores: probes.stores)
        if let mismatch { return fail(BackupError(.configuration, mismatch)) }
        for probe in probes.probes {
            // Whoever asks, this agent reads below its own and its allowed roots only; these are what was compared above.
            guard hello.stores.contains(where: { $0.storage == probe.storage }),
                let store = probes.stores.first(where: { $0.storage == probe.storage })
            else {
                return violation("it wants to see a storage that was not named")
            }
            if let key = probe.key, !store.isProbe(key) {
                return violation(
                    "it wants to see an object that is no probe below the root of storage \"\(probe.storage.rawValue)\""
                )
            }
        }
        awaited = .answers
        return [.answer(probes.probes, probes.stores.backupPlace)]
    }

    private mutating func accept(_ accepted: Accepted) -> [Action] {
        guard accepted.heartbeatMilliseconds > 0, accepted.leaseMilliseconds > accepted.heartbeatMilliseconds else {
            return violation("its lease is not longer than its heartbeat")
        }
        awaited = .over
        return [.accepted(accepted)]
    }

    private mutating func violation(_ what: String) -> [Action] {
        fail(BackupError(.protocolViolation, "the coordinator broke the handshake: \(what)"))
    }

    private mutating func fail(_ error: BackupError) -> [Action] {
        awaited = .over
        return [.fail(error)]
    }
}

extension BackupError {
    private static let tokenHint = "give coordinator and agents the same token"

    fileprivate static let agentHasNoToken = BackupError(
        .permissionDenied, "the coordinator asks for a token and this agent has none", hint: tokenHint)
    fileprivate static let coordinatorHasNoToken = BackupError(
        .permissionDenied, "this agent has a token and the coordinator has none", hint: tokenHint)
    fileprivate static let coordinatorHasAnotherToken = BackupError(
        .permissionDenied, "the coordinator has not proven that it knows this agent's token: the tokens differ",
        hint: tokenHint)

    /// What the agent's side makes of a refusal. The text comes from the peer: it is cut and made safe to print.
    package static func refused(_ refusal: Refusal) -> BackupError {
        let text = String(refusal.message.unicodeScalars.prefix(1024).map(Character.init)).escapingControlCharacters
        return BackupError(
            refusal.isRetryable ? .unavailable : .permissionDenied, "the coordinator refuses this agent: \(text)",
            isRetryable: refusal.isRetryable)
    }
}

extension [AgentHandshake.Action] {
    /// The error with which these actions end the handshake. When what is to be sent before can no longer be sent, because
    /// the other side has left, this still is the error to report.
    package var failure: BackupError? {
        lazy.compactMap { if case .fail(let error) = $0 { error } else { nil } }.first
    }
}
