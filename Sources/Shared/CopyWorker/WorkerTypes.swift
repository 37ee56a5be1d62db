import Support
import ShardProtocol

/// How much a worker takes on.
package struct WorkerLimits: Sendable, Hashable {
    /// Shards held at a time, those that wait included.
    package var capacity: Int
    /// Objects copied at a time, over all shards.
    package var concurrency: Int

    /// With room for several shards, since those of few large objects do not fill the connections.
    package init(concurrency: Int) { self.init(capacity: max(2, min(8, concurrency / 16)), concurrency: concurrency) }

    package init(capacity: Int, concurrency: Int) {
        self.capacity = max(1, capacity)
        self.concurrency = max(1, concurrency)
    }
}

/// What a worker has done over one connection.
package struct WorkerTotals: Sendable, Hashable {
    package var shardsCompleted = 0
    package var shardsFailed = 0
    package var shardsReturned = 0
    /// Copied objects and their bytes, those of unfinished shards included.
    package var objects = 0
    package var bytes: Int64 = 0

    package init() {}
}

/// Why a worker has ended.
package enum WorkerEnding: Sendable, Hashable {
    /// The coordinator has no more work, and all is reported.
    case finished
    /// It was asked to stop, and has given its shards back.
    case stopped
    /// The coordinator has closed the connection without a word.
    case closed
    /// The connection broke, or the task was cancelled.
    case lost(code: BackupError.Code, message: String)
    /// The coordinator does not want this agent any more.
    case refused(Refusal)

    init(_ error: BackupError) { self = .lost(code: error.code, message: error.description) }
}

/// How a worker's run went.
package struct WorkerSummary: Sendable, Hashable {
    package var totals: WorkerTotals
    package var ending: WorkerEnding

    package init(totals: WorkerTotals, ending: WorkerEnding) {
        self.totals = totals
        self.ending = ending
    }
}
