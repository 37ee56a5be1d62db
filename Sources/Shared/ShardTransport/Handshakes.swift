import ShardProtocol
import Support
import TLS

/// Who an agent is, told in its ``Hello``.
package struct AgentIdentity: Sendable, Hashable {
    /// For logs and tables.
    package var name: String
    /// Random, chosen once in the process's life.
    package var instance: String
    /// How many shards it works on at a time, at most.
    package var capacity: Int
    /// What it is configured to look at.
    package var stores: [StoreDescription]
    /// Where else in the backup store it may work.
    package var allowedRoots: [BackupPlace]

    /// - Parameter instance: nil for a fresh random one.
    package init(
        name: String, instance: String? = nil, capacity: Int, stores: [StoreDescription],
        allowedRoots: [BackupPlace] = []
    ) throws(BackupError) {
        self.name = name
        self.instance = if let instance { instance } else { try SecureRandom.hexadecimal(bytes: 16) }
        self.capacity = capacity
        self.stores = stores
        self.allowedRoots = allowedRoots
    }
}

/// Introduces an agent to the coordinator at the other end of `channel`, proves both to each other and answers the probes.
///
/// When this throws, the channel is closed.
///
/// - Parameters:
///   - token: nil or empty when none is in use; else at least ``HandshakeTranscript/minimumTokenLength`` bytes.
///   - timeLimit: for all of it; a busy coordinator lets new agents wait for a while.
///   - probe: reads the object or the listing that is asked for. Its key lies below the storage's root; that of the backup
///     storage is the place's, which is configured or allowed.
/// - Throws: ``BackupError`` that says what is wrong; when it is retryable, dialling again later may help.
package func agentHandshake(
    over channel: AgentChannel, identity: AgentIdentity, token: Secret?, timeLimit: Duration = .seconds(90),
    probe: @escaping @Sendable (Probes.Probe, BackupPlace?) async -> ProbeAnswers.Answer
) async throws -> Accepted {
    let late = BackupError(.timedOut, "the coordinator has not accepted this agent in time", isRetryable: true)
    do {
        let hello = Hello(
            versions: HandshakeRules.agentVersions, name: identity.name, instance: identity.instance,
            nonce: try HandshakeRules.newNonce(), capacity: identity.capacity, stores: identity.stores,
            allowedRoots: identity.allowedRoots.isEmpty ? nil : identity.allowedRoots)
        return try await withTimeLimit(timeLimit, late) {
            let peer = try await channel.secured()
            let handshake = try AgentHandshake(hello: hello, token: token, binding: peer?.binding ?? [])
            return try await perform(handshake, over: channel, probe: probe)
        }
    } catch {
        channel.close()
        throw BackupError(wrapping: error)
    }
}

/// Receives an agent's introduction, proves both sides to each other and checks that the agent sees the same stores.
///
/// When this throws, the agent was told why, as far as it could be, and the channel is closed. The limit on the time until
/// the proof is the listener's.
///
/// - Parameters:
///   - token: nil or empty when none is in use; else at least ``HandshakeTranscript/minimumTokenLength`` bytes.
///   - probeTimeLimit: for making the probes and for the agent's answers.
///   - makeProbes: writes a fresh random object to each store, or takes a fingerprint of a listing where it may not write.
/// - Returns: what the agent said of itself.
package func coordinatorHandshake(
    over channel: CoordinatorChannel, policy: HandshakePolicy, token: Secret?, probeTimeLimit: Duration = .seconds(60),
    makeProbes: @escaping @Sendable (Hello) async throws -> [ExpectedProbe]
) async throws -> Hello {
    do {
        let peer = try await channel.secured()
        var handshake = try CoordinatorHandshake(
            policy: policy, token: token, nonce: try HandshakeRules.newNonce(), binding: peer?.binding ?? [],
            certificateNames: peer?.certificateNames)
        var actions: [CoordinatorHandshake.Action] = []
        while true {
            for action in actions {
                switch action {
                case .send(let message):
                    do { try await channel.send(message) } catch { throw actions.failure ?? error }
                case .authenticated: channel.authenticated()
                case .accepted(let hello): return hello
                case .fail(let error): throw error
                case .prepareProbes(let hello):
                    let begun = handshake
                    let late = BackupError(.timedOut, "agent \(hello.name) has not answered the probes in time")
                    return try await withTimeLimit(probeTimeLimit, late) {
                        try await finish(begun, hello, over: channel, makeProbes: makeProbes)
                    }
                }
            }
            guard let message = try await channel.receive() else { throw handshake.failureOfClosing() }
            actions = handshake.receive(message)
        }
    } catch {
        channel.close()
        throw BackupError(wrapping: error)
    }
}

private func perform(
    _ handshake: AgentHandshake, over channel: AgentChannel,
    probe: @Sendable (Probes.Probe, BackupPlace?) async -> ProbeAnswers.Answer
) async throws -> Accepted {
    var handshake = handshake
    var actions = handshake.start()
    while true {
        while !actions.isEmpty {
            switch actions.removeFirst() {
            case .send(let message):
                do { try await channel.send(message) } catch {
                    if let failure = actions.failure { throw failure }
                    throw await refusal(left: channel) ?? error
                }
            case .authenticated: channel.authenticated()
            case .accepted(let accepted): return accepted
            case .fail(let error): throw error
            case .answer(let probes, let place):
                var answers: [ProbeAnswers.Answer] = []
                for request in probes { answers.append(await probe(request, place)) }
                actions += handshake.probesAnswered(answers)
            }
        }
        guard let message = try await channel.receive() else { throw handshake.failureOfClosing() }
        actions = handshake.receive(message)
    }
}

/// A coordinator may refuse an agent and leave while that is still speaking: what it said is there to be read.
private func refusal(left channel: AgentChannel) async -> BackupError? {
    while let message = try? await channel.receive() {
        if case .refused(let refusal) = message { return .refused(refusal) }
    }
    return nil
}

/// The coordinator's second half: the probes.
private func finish(
    _ handshake: CoordinatorHandshake, _ hello: Hello, over channel: CoordinatorChannel,
    makeProbes: @Sendable (Hello) async throws -> [ExpectedProbe]
) async throws -> Hello {
    var handshake = handshake
    var actions: [CoordinatorHandshake.Action]
    do {
        actions = handshake.probesReady(try await makeProbes(hello))
    } catch {
        actions = handshake.probesFailed(BackupError(wrapping: error))
    }
    while true {
        for action in actions {
            switch action {
            case .send(let message):
                do { try await channel.send(message) } catch { throw actions.failure ?? error }
            case .accepted(let hello): return hello
            case .fail(let error): throw error
            case .authenticated, .prepareProbes: break
            }
        }
        guard let message = try await channel.receive() else { throw handshake.failureOfClosing() }
        actions = handshake.receive(message)
    }
}
