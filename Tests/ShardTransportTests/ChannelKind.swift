import ShardProtocol
import ShardTransport
import Support
import Synchronization

/// The ways in which a test can get two connected channels.
enum ChannelKind: String, CaseIterable, CustomStringConvertible {
    case inProcess
    case tcp
    case tls

    var description: String { rawValue }

    func withPair(_ body: (AgentChannel, CoordinatorChannel) async throws -> Void) async throws {
        switch self {
        case .inProcess:
            let (agent, coordinator) = InProcessChannel.pair()
            defer {
                agent.close()
                coordinator.close()
            }
            try await body(agent, coordinator)
        case .tcp, .tls:
            let (ours, theirs) =
                self == .tls
                ? (try Certificates.shared.coordinator(clients: "ours"), try Certificates.shared.agent("ours-a1"))
                : (nil, nil)
            let listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0), tls: ours)
            let agent = try await dialCoordinator(listener.localAddress, tls: theirs)
            defer { agent.close() }
            let coordinator = try await listener.nextConnection()
            defer { coordinator.close() }
            try await body(agent, coordinator)
        }
    }

    /// A pair on which large messages may pass, as after a handshake.
    func withAuthenticatedPair(_ body: (AgentChannel, CoordinatorChannel) async throws -> Void) async throws {
        try await withPair { agent, coordinator in
            agent.authenticated()
            coordinator.authenticated()
            try await body(agent, coordinator)
        }
    }
}

extension AgentListener {
    func nextConnection() async throws -> CoordinatorChannel {
        for await connection in connections { return connection }
        throw BackupError(.canceled, "the listener was closed")
    }
}

extension Assignment {
    static func sample(shard: Int, tasks: Int = 1) -> Assignment {
        Assignment(
            lease: Lease(job: "job", shard: shard, epoch: 1), backupName: "nightly",
            shard: Shard(
                id: shard, source: .milvus, destination: .backup, sourcePrefix: "files/", destinationPrefix: "backup/",
                mode: .auto,
                tasks: (0..<tasks).map {
                    // Spread by the golden ratio, so that it does not compress well.
                    CopyTask(source: "insert_log/1/2/\(UInt64($0 + 1) &* 0x9e37_79b9_7f4a_7c15)", size: 1000)
                }))
    }
}

extension Refusal {
    static func incompressibleText(count: Int) -> String {
        var state: UInt64 = 1
        let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
        let bytes = (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return characters[Int(state >> 58)]
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

final class Counter: Sendable {
    private let stored = Mutex(0)
    var value: Int { stored.withLock { $0 } }
    func increment() { stored.withLock { $0 += 1 } }
}
