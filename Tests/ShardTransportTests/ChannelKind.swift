import ShardProtocol
import ShardTransport
import Support
import Synchronization

/// The ways in which a test can get two connected channels.
enum ChannelKind: String, CaseIterable, CustomStringConvertible {
    case inProcess

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
        }
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

final class Counter: Sendable {
    private let stored = Mutex(0)
    var value: Int { stored.withLock { $0 } }
    func increment() { stored.withLock { $0 += 1 } }
}
