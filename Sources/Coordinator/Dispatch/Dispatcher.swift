import ShardProtocol
import ShardScheduling
import ShardTransport
import Support

/// Hands the shards of all running jobs to the connected workers, and lets each job wait for its own.
///
/// What is decided here is decided by ``ShardScheduler``, one value a job; this actor owns the connections, the timer and the
/// waiting tasks.
actor Dispatcher {
    struct Settings: Sendable {
        var lease: Duration = .seconds(30)
        var heartbeat: Duration = .seconds(5)
        var maximumShardFailures = 3
    }

    private struct Job {
        var scheduler: ShardScheduler
        var backupName: String
        var nextShard = 0
        var shards: [Int: Shard] = [:]
        var batchOfShard: [Int: Int] = [:]
        var batches: [Int: Batch] = [:]
        var nextBatch = 0
        var failure: BackupError?
    }

    private let settings: Settings
    private let logger: Logger
    private var jobs: [String: Job] = [:]
    private var workers: [String: ConnectedWorker] = [:]
    private var expiry: Task<Void, Never>?

    init(settings: Settings, logger: Logger) {
        self.settings = settings
        self.logger = logger
    }
}
