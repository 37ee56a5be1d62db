import ShardProtocol
import ShardScheduling
import Support

/// A job as the dispatcher holds it: its scheduler, and who waits for what.
struct DispatchedJob {
    /// Shards somebody waits for together: those of a collection, or of one segment group.
    private struct Batch {
        let survivesMissing: Bool
        let onFinished: @Sendable (FinishedShard) -> Void
        let onBytes: @Sendable (Int64) -> Void
        var open = 0
        var waiting: CheckedContinuation<Void, any Error>?
        /// Why a shard was given up.
        var loss: BackupError?
    }

    var scheduler: ShardScheduler
    /// All that the job knows it will have to copy, handed in or not.
    var announced = WorkAmount()
    private(set) var failure: BackupError?
    private var nextShard = 1
    private var nextBatch = 1
    private var batches: [Int: Batch] = [:]
    private var batchOfShard: [Int: Int] = [:]
    /// Bytes of unfinished shards that were told already: a shard that begins again tells none of them twice.
    private var bytesTold: [Int: Int64] = [:]
    /// Those that have shards to hand in and no room.
    private var waitingForRoom: [CheckedContinuation<Void, Never>] = []

    init(_ scheduler: ShardScheduler) { self.scheduler = scheduler }

    /// Shards that were handed in and are not done.
    var openShards: Int { batchOfShard.count }

    /// - Parameters:
    ///   - survivesMissing: whether shards are given up whose objects are not there.
    ///   - onFinished: told of every shard that is done.
    ///   - onBytes: told of bytes that have been copied since it was told last.
    mutating func openBatch(
        survivesMissing: Bool, onFinished: @escaping @Sendable (FinishedShard) -> Void,
        onBytes: @escaping @Sendable (Int64) -> Void
    ) -> Int {
        defer { nextBatch += 1 }
        batches[nextBatch] = Batch(survivesMissing: survivesMissing, onFinished: onFinished, onBytes: onBytes)
        return nextBatch
    }

    /// Takes a shard into a batch and numbers it.
    mutating func number(_ shard: Shard, batch: Int) -> Shard {
        var shard = shard
        shard.id = nextShard
        nextShard += 1
        batchOfShard[shard.id] = batch
        batches[batch]?.open += 1
        return shard
    }

    /// Tells how far a shard is.
    mutating func progressed(_ shard: Int, bytes: Int64) {
        guard let batch = batchOfShard[shard], bytes > bytesTold[shard, default: 0] else { return }
        batches[batch]?.onBytes(bytes - bytesTold[shard, default: 0])
        bytesTold[shard] = bytes
    }

    mutating func finished(_ finished: FinishedShard) {
        progressed(finished.shard.id, bytes: finished.shard.bytes)
        bytesTold[finished.shard.id] = nil
        guard let batch = batchOfShard.removeValue(forKey: finished.shard.id) else { return }
        batches[batch]?.onFinished(finished)
        close(batch)
    }

    func survivesMissing(_ shard: Int) -> Bool {
        batchOfShard[shard].flatMap { batches[$0]?.survivesMissing } ?? false
    }

    /// Whether a batch has lost a shard: it needs no more of them.
    func hasGivenUp(_ batch: Int) -> Bool { batches[batch]?.loss != nil }

    /// Goes on without a shard.
    mutating func givenUp(_ loss: JobFailure) {
        bytesTold[loss.shard] = nil
        guard let batch = batchOfShard.removeValue(forKey: loss.shard) else { return }
        batches[batch]?.loss = loss.error
        close(batch)
    }

    /// One of the batch's shards needs no more waiting for.
    private mutating func close(_ batch: Int) {
        batches[batch]?.open -= 1
        if batches[batch]?.open == 0, let ended = batches[batch], let waiting = ended.waiting {
            batches[batch] = nil
            if let loss = ended.loss { waiting.resume(throwing: loss) } else { waiting.resume() }
        }
        wakeThoseWithoutRoom()
    }

    /// Lets the caller go on when the batch, to which nothing is added any more, is done.
    mutating func wait(for batch: Int, _ continuation: CheckedContinuation<Void, any Error>) {
        if let failure {
            continuation.resume(throwing: failure)
        } else if (batches[batch]?.open ?? 0) == 0 {
            let loss = batches.removeValue(forKey: batch)?.loss
            if let loss { continuation.resume(throwing: loss) } else { continuation.resume() }
        } else {
            batches[batch]?.waiting = continuation
        }
    }

    /// Lets the caller try again when a shard was finished.
    mutating func waitForRoom(_ continuation: CheckedContinuation<Void, Never>) {
        if failure != nil { continuation.resume() } else { waitingForRoom.append(continuation) }
    }

    mutating func wakeThoseWithoutRoom() {
        for continuation in waitingForRoom { continuation.resume() }
        waitingForRoom = []
    }

    /// Ends the job for everybody who waits.
    mutating func fail(_ error: BackupError) {
        guard failure == nil else { return }
        failure = error
        for batch in batches.values { batch.waiting?.resume(throwing: error) }
        batches = [:]
        batchOfShard = [:]
        wakeThoseWithoutRoom()
    }
}
