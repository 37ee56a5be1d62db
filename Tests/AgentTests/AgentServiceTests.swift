import Configuration
import ConfiguredStores
import ConfiguredWorker
import ObjectStorageTesting
import ShardProtocol
import ShardTransport
import Support
import Testing

@testable import Agent

/// The agent's life against a coordinator that the test plays, over real connections.
@Suite(.timeLimit(.minutes(1))) struct AgentServiceTests {
    private static let token = "a-token-of-the-test"

    private struct Bench {
        let listener: AgentListener
        let service: AgentService
        let stop = StopSignal()
        let log = MemorySink()
        let policy: HandshakePolicy
        private let backup = MemoryObjectStore(bucket: "backup")

        init(agentToken: String = AgentServiceTests.token) async throws {
            listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0))
            var configuration = Configuration()
            configuration.agent.coordinator = HostPort(host: "127.0.0.1", port: Int(listener.localAddress.port))
            configuration.agent.name = "tested"
            configuration.coordinator.token = Secret(agentToken)
            let stores = StorePair(milvus: MemoryObjectStore(bucket: "milvus"), backup: backup)
            let logger = Logger(label: "agent", level: .debug, sinks: [log])
            let equipment = WorkerEquipment(configuration, concurrency: 8, stores: stores, logger: logger)
            service = try AgentService(configuration, equipment: equipment, logger: logger)
            policy = HandshakePolicy(
                stores: equipment.descriptions, heartbeat: .seconds(5), lease: .seconds(30))
        }

        func start() -> Task<Void, any Error> { Task { try await service.run(until: stop) } }

        /// The next connection, accepted.
        func accept() async throws -> CoordinatorChannel {
            for await channel in listener.connections {
                _ = try await coordinatorHandshake(
                    over: channel, policy: policy, token: Secret(AgentServiceTests.token)
                ) { _ in
                    backup.set("backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788", Array("value".utf8))
                    return [
                        ExpectedProbe(
                            probe: .init(
                                storage: .backup, key: "backup/milvus_backup_probe_00aa11bb22cc33dd44ee55ff66007788"),
                            value: "value")
                    ]
                }
                return channel
            }
            throw BackupError(.unavailable, "nobody dialled")
        }
    }

    @Test func oneAgentServesOneCoordinatorAfterTheOther() async throws {
        let bench = try await Bench()
        let running = bench.start()
        for _ in 0..<2 {
            let channel = try await bench.accept()
            guard case .pull = try await channel.receive() else {
                Issue.record("the agent did not ask for work")
                return
            }
            try await channel.send(.finish)
            #expect(try await channel.receive() == .goodbye)
            channel.close()
        }
        _ = bench.stop.request()
        try await running.value
    }

    @Test func aStopWhileItWorksSaysGoodbye() async throws {
        let bench = try await Bench()
        let running = bench.start()
        let channel = try await bench.accept()
        _ = try await channel.receive()
        _ = bench.stop.request()
        #expect(try await channel.receive() == .goodbye)
        channel.close()
        try await running.value
    }

    @Test func aStopWhileNobodyAnswersEndsWell() async throws {
        let bench = try await Bench()
        let running = bench.start()
        // It has dialled, and hears nothing.
        for await channel in bench.listener.connections {
            guard case .hello = try await channel.receive() else {
                Issue.record("the agent did not introduce itself")
                return
            }
            _ = bench.stop.request()
            try await running.value
            channel.close()
            break
        }
    }

    @Test func aStopWhileThereIsNoCoordinatorEndsWell() async throws {
        let bench = try await Bench()
        bench.listener.close()
        let running = bench.start()
        try await eventually { bench.log.lines.contains { $0.contains("cannot work for the coordinator") } }
        _ = bench.stop.request()
        try await running.value
    }

    @Test func anotherTokenEndsTheAgentWithTheReason() async throws {
        let bench = try await Bench(agentToken: "quite-another-token")
        let running = bench.start()
        await #expect(throws: BackupError.self) { _ = try await bench.accept() }
        let error = await #expect(throws: BackupError.self) { try await running.value }
        #expect(error?.isRetryable == false)
        #expect(error?.message.contains("token") == true)
    }

    @Test func withoutACoordinatorThereIsNothingToDo() async throws {
        let logger = Logger.silent
        let error = #expect(throws: BackupError.self) { try AgentService(Configuration(), logger: logger) }
        #expect(error?.code == .usage)
    }

    @Test func aShortTokenIsRefusedBeforeAnything() async throws {
        let error = await #expect(throws: BackupError.self) { _ = try await Bench(agentToken: "short") }
        #expect(error?.code == .configuration)
    }
}
