import Configuration
import ConfiguredWorker
import CopyWorker
import ObjectStorage
import ShardProtocol
import ShardTransport
import Support
import TLS

/// The port where agents dial in: every connection is led through the handshake, and whoever passes it works.
struct AgentPort: Sendable {
    let address: HostAndPort
    private let listener: AgentListener
    private let probes: StoreProbes
    private let accepting: Task<Void, Never>

    /// - Throws: `configuration` when the address can be reached from elsewhere and there is no token, or a file for TLS
    ///   cannot be used; `unavailable` when the port is taken.
    static func open(_ address: HostPort, dispatcher: Dispatcher, services: Services) async throws -> AgentPort {
        let settings = services.configuration.coordinator
        guard address.isLoopback || !settings.token.isEmpty else {
            throw BackupError(
                .configuration, "agents are to dial in at \(address), which others can reach, and there is no token",
                hint: "set coordinator.token (or MILVUS_BACKUP_TOKEN) here and on the agents, or listen on 127.0.0.1")
        }
        let token = try Secret.handshakeToken(settings.token)
        let logger = services.logger.labeled("agents")
        let probes = StoreProbes(services: services)
        let policy = HandshakePolicy(
            stores: services.equipment.descriptions, heartbeat: settings.heartbeat, lease: settings.lease,
            allowedAgents: settings.allowedAgents)
        let tls = try securing(settings.tls)
        let listener = try await AgentListener(HostAndPort(address), tls: tls, logger: logger)
        logger.info(
            "listening for agents",
            tls == nil
                ? ["address": listener.localAddress] : ["address": listener.localAddress, "tls": name(of: tls)])
        warn(tls, address, logger)
        let accepting = Task {
            // Handshakes go on side by side: one that says nothing holds up nobody.
            await withDiscardingTaskGroup { group in
                for await channel in listener.connections {
                    group.addTask {
                        await welcome(channel, policy: policy, token: token, probes, dispatcher, logger)
                    }
                }
                // Nobody comes any more: those who work are told to end, those who do not speak are cut off.
                await dispatcher.shutDown()
                group.cancelAll()
            }
        }
        return AgentPort(
            address: listener.localAddress, listener: listener, probes: probes, accepting: accepting)
    }

    /// nil when no certificate is configured.
    private static func securing(_ settings: PeerTLSSettings) throws(BackupError) -> TLSContext? {
        guard !settings.certificatePath.isEmpty else { return nil }
        return try .coordinator(
            TLSFiles(
                section: "coordinator.tls", certificate: settings.certificatePath, key: settings.keyPath,
                authorities: settings.authorityPath))
    }

    private static func name(of tls: TLSContext?) -> String {
        tls?.role == .coordinator(asksForCertificates: true) ? "mutual" : "on"
    }

    private static func warn(_ tls: TLSContext?, _ address: HostPort, _ logger: Logger) {
        if tls == nil, !address.isLoopback {
            logger.warn(
                "connections of agents are not encrypted: who is on the network between can read object names and change "
                    + "what is copied; set coordinator.tls.certPath and agent.tls.caPath (\"milvus-backup certs\" makes "
                    + "the files)")
        }
        if let days = tls?.daysLeft, days < 30 {
            logger.warn(TLSContext.expiryWarning("coordinator.tls.certPath", days))
        }
    }

    private static func welcome(
        _ channel: CoordinatorChannel, policy: HandshakePolicy, token: Secret?, _ probes: StoreProbes,
        _ dispatcher: Dispatcher, _ logger: Logger
    ) async {
        do {
            let hello = try await coordinatorHandshake(over: channel, policy: policy, token: token) { _ in
                try await probes.expected()
            }
            await dispatcher.serve(
                channel, name: hello.name, instance: hello.instance, capacity: hello.capacity,
                reach: WorkerReach(hello, coordinator: policy.stores.backupPlace))
        } catch  where !Task.isCancelled {
            logger.warn("agent refused", ["from": channel.peer, "why": BackupError(wrapping: error).description])
        } catch {}
    }

    /// Stops listening, sends the agents home and removes the probes.
    func close() async {
        listener.close()
        await accepting.value
        await probes.remove()
    }
}

extension HostAndPort {
    init(_ address: HostPort) { self.init(host: address.host, port: UInt16(clamping: address.port)) }
}
