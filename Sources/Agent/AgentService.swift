import Configuration
import ConfiguredWorker
import CopyWorker
import HTTP
import ShardProtocol
import ShardTransport
import Support
import TLS

/// The agent's life: dial, introduce itself, work, and dial again.
struct AgentService: Sendable {
    private let address: HostAndPort
    private let identity: AgentIdentity
    private let limits: WorkerLimits
    private let token: Secret?
    /// nil for plain connections. It is never done without when it is there.
    private let tls: TLSContext?
    private let equipment: WorkerEquipment
    private let logger: Logger

    /// Sends nothing.
    ///
    /// - Throws: `unsupported` for stores it cannot speak to, and what the other initializer throws.
    init(_ configuration: Configuration, logger: Logger) throws(BackupError) {
        let equipment = try WorkerEquipment(
            configuration, concurrency: configuration.agent.concurrency, http: CurlHTTPClient(), logger: logger)
        try self.init(configuration, equipment: equipment, logger: logger)
    }

    /// - Throws: `usage` when there is no coordinator to dial, `configuration` for a token that is too short or a file for
    ///   TLS that cannot be used.
    init(_ configuration: Configuration, equipment: WorkerEquipment, logger: Logger) throws(BackupError) {
        guard let coordinator = configuration.agent.coordinator else {
            throw BackupError(
                .usage, "no coordinator to dial", hint: "name it with --coordinator HOST:PORT or agent.coordinator")
        }
        address = HostAndPort(host: coordinator.host, port: UInt16(clamping: coordinator.port))
        limits = WorkerLimits(concurrency: configuration.agent.concurrency)
        self.equipment = equipment
        let name = configuration.agent.name
        identity = try AgentIdentity(
            name: name.isEmpty ? hostName() : name, capacity: limits.capacity, stores: equipment.descriptions,
            allowedRoots: equipment.allowedRoots)
        token = try .handshakeToken(configuration.coordinator.token)
        tls = try AgentService.securing(configuration.agent, coordinator)
        self.logger = logger
    }

    private static func securing(
        _ settings: AgentSettings, _ coordinator: HostPort
    ) throws(BackupError) -> TLSContext? {
        guard !settings.tls.authorityPath.isEmpty else { return nil }
        return try .agent(
            TLSFiles(
                section: "agent.tls", certificate: settings.tls.certificatePath, key: settings.tls.keyPath,
                authorities: settings.tls.authorityPath),
            serverName: settings.tlsServerName.isEmpty ? coordinator.host : settings.tlsServerName)
    }

    /// Works until `stop` is requested.
    ///
    /// - Throws: what a coordinator refuses this agent for when trying again cannot help: another token, other stores.
    func run(until stop: StopSignal) async throws {
        logger.info(
            "agent started",
            [
                "name": identity.name, "coordinator": address, "concurrency": limits.concurrency,
                "tls": tls == nil ? "off" : "on", "version": programVersion,
            ])
        if let days = tls?.daysLeft, days < 30 { logger.warn(TLSContext.expiryWarning("agent.tls.certPath", days)) }
        var backoff = Backoff()
        var hasBeenAccepted = false
        while !stop.isRequested {
            do {
                try await work(stop)
                hasBeenAccepted = true
                backoff = Backoff()
            } catch {
                // Who was asked to end while it dialled has not failed.
                if stop.isRequested { break }
                let failure = BackupError(wrapping: error)
                // Who was wanted once is not wrong for ever: the next coordinator may be configured rightly again.
                guard failure.isRetryable || hasBeenAccepted else { throw failure }
                if backoff.isWorthTelling(failure.description) {
                    logger.warn("cannot work for the coordinator", ["why": failure])
                }
            }
            if stop.isRequested { break }
            let pause = backoff.next(jitter: .random(in: 0..<1))
            let sleeping = Task { try? await Task.sleep(for: pause) }
            await stop.whileHandling(with: { sleeping.cancel() }) { await sleeping.value }
        }
        logger.info("agent ends")
    }

    /// One connection, from dialling to its end.
    private func work(_ stop: StopSignal) async throws {
        let dialing = Task {
            let channel = try await dialCoordinator(address, tls: tls)
            let accepted = try await agentHandshake(over: channel, identity: identity, token: token) { probe, place in
                await equipment.answer(probe, at: place)
            }
            return (channel, accepted)
        }
        let (channel, accepted) = try await stop.whileHandling(with: { dialing.cancel() }) { try await dialing.value }
        logger.info("accepted by the coordinator", ["address": channel.peer])
        let worker = equipment.makeWorker(
            channel: channel, limits: limits, heartbeat: .milliseconds(accepted.heartbeatMilliseconds))
        let summary = await stop.whileHandling(with: { worker.requestStop() }) { await worker.run() }
        switch summary.ending {
        case .refused(let refusal) where !refusal.isRetryable: throw BackupError(.permissionDenied, refusal.message)
        case .lost(_, let message): logger.warn("the connection to the coordinator broke", ["why": message])
        case .finished, .stopped, .closed, .refused: break
        }
    }
}

/// How long to wait before dialling again: a coordinator is there only while it makes or restores a backup.
struct Backoff: Sendable {
    private static let longest = Duration.seconds(5)
    private var pause = Duration.milliseconds(100)
    private var failures = 0
    private var lastReason: String?

    /// Another failure than the one before, and every hundredth: an idle agent must not fill a log.
    mutating func isWorthTelling(_ reason: String) -> Bool {
        defer { lastReason = reason }
        return reason != lastReason || failures % 100 == 0
    }

    /// - Parameter jitter: 0..<1; the pause lies between half of its nominal length and its whole.
    mutating func next(jitter: Double) -> Duration {
        failures += 1
        defer { pause = min(pause * 2, Self.longest) }
        return pause * (0.5 + jitter / 2)
    }
}
