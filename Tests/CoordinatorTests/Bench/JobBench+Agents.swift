import Configuration
import ConfiguredStores
import ConfiguredWorker
import CopyWorker
import ObjectStorageTesting
import ShardProtocol
import ShardTransport
import Support
import Testing

@testable import Coordinator

extension JobBench {
    /// Wherever there is room, and one agent at least.
    static let agents = Workforce.Plan(listen: HostPort(host: "127.0.0.1", port: 0), minimumAgents: 1)

    /// Dials the coordinator of a job. The port is known only when it is open, so the job's log tells it.
    func joined(as name: String, capacity: Int = 2) async throws -> (AgentChannel, WorkerEquipment) {
        try await eventually { bench.hasLogged("listening for agents") }
        let line = try #require(bench.log.lines.last { $0.contains("listening for agents") })
        let address = try HostAndPort(parsing: String(try #require(line.split(separator: "=").last)))
        let equipment = WorkerEquipment(
            bench.configuration, concurrency: 4, stores: StorePair(milvus: source, backup: backups), logger: .silent)
        let channel = try await dialCoordinator(address)
        let identity = try AgentIdentity(name: name, capacity: capacity, stores: equipment.descriptions)
        _ = try await agentHandshake(over: channel, identity: identity, token: nil) {
            await equipment.answer($0, at: $1)
        }
        return (channel, equipment)
    }

    /// Works as an agent until the coordinator sends it home.
    @discardableResult
    func work(as name: String) async throws -> WorkerSummary {
        let (channel, equipment) = try await joined(as: name)
        let limits = WorkerLimits(concurrency: 4)
        return await equipment.makeWorker(channel: channel, limits: limits, heartbeat: .seconds(5)).run()
    }
}
