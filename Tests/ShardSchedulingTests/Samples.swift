import ShardProtocol

@testable import ShardScheduling

extension Shard {
    static func sample(_ id: Int, tasks: Int = 2, bytes: Int64 = 100) -> Shard {
        Shard(
            id: id, source: .milvus, destination: .backup, sourcePrefix: "files/", destinationPrefix: "backup/",
            mode: .auto,
            tasks: (0..<tasks).map { CopyTask(source: "\(id)/\($0)", size: bytes) })
    }
}

extension ShardCompletion {
    static func sample(_ assignment: Assignment) -> ShardCompletion {
        ShardCompletion(
            lease: assignment.lease,
            results: assignment.shard.tasks.indices.reversed().map {
                TaskResult(index: $0, etag: "e\($0)", copiedByStore: false)
            },
            bytes: assignment.shard.bytes)
    }
}

extension ShardFailure {
    static func sample(_ lease: Lease, isRetryable: Bool = true) -> ShardFailure {
        ShardFailure(
            lease: lease, key: "files/\(lease.shard)/0", message: "connection reset", code: "unavailable",
            isRetryable: isRetryable)
    }
}

extension ContinuousClock.Instant {
    /// A fixed beginning of the tests' time within one process.
    static let start = ContinuousClock.now
    static func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }
}

/// SplitMix64, so that a failure can be seen again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
