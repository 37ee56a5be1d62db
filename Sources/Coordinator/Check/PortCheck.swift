import Configuration
import HTTP
import ShardTransport
import Support

/// Whether the ports of our own are free, and else who has them.
struct PortCheck: Sendable {
    /// Who asks.
    enum Asker: Sendable {
        case command
        /// The server itself, with so many agents.
        case server(agentAddress: HostAndPort?, agents: Int)
    }

    let asker: Asker
    /// Of the REST interface.
    let server: HostPort
    /// Where agents dial in; nil when they do not.
    let agents: HostPort?
    /// Whether the server speaks HTTPS.
    let usesTLS: Bool
    let http: any HTTPClient

    init(_ configuration: Configuration, server: HostPort, http: any HTTPClient, asker: Asker = .command) {
        self.asker = asker
        self.server = server
        self.http = http
        agents = configuration.coordinator.listen
        usesTLS = !configuration.server.tlsKeyPath.isEmpty
    }

    func run() async -> [CheckFinding] { await [rest(), agentPort()] }

    private func rest() async -> CheckFinding {
        let name = "REST port"
        if case .server = asker { return .ok(name, "\(server): this server answers") }
        return await look(at: server, name) {
            await answersAsServer() ? .ok(name, "\(server): a server of milvus-backup answers") : nil
        }
    }

    private func agentPort() async -> CheckFinding {
        let name = "agent port"
        if case .server(let address, let count) = asker {
            guard let address else { return .ok(name, "none: coordinator.listen is not set") }
            return .ok(name, "\(address): this server listens, agents connected: \(count)")
        }
        guard let agents else { return .ok(name, "none: coordinator.listen is not set") }
        return await look(at: agents, name) { nil }
    }

    /// - Parameter known: what to say of a port that is taken when it is one of ours.
    private func look(at address: HostPort, _ name: String, known: () async -> CheckFinding?) async -> CheckFinding {
        do {
            try await AgentListener(HostAndPort(address)).close()
            return .ok(name, "\(address) is free")
        } catch {
            if let finding = await known() { return finding }
            let owner = try? await onDedicatedThread { ListeningProcess.find(port: address.port) }
            if let owner { return .warning(name, "\(address) is taken by \(owner)") }
            return .warning(name, "\(address) cannot be listened on: \(BackupError(wrapping: error).message)")
        }
    }

    private func answersAsServer() async -> Bool {
        var address = server
        if ["", "0.0.0.0"].contains(address.host) { address.host = "127.0.0.1" }
        if address.host == "::" { address.host = "::1" }
        var request = HTTPRequest("GET", "\(usesTLS ? "https" : "http")://\(address)/api/v1/hello")
        request.totalTimeout = .seconds(3)
        guard let response = try? await http.send(request) else { return false }
        return String(decoding: response.body, as: UTF8.self).contains("This is backup service")
    }
}
