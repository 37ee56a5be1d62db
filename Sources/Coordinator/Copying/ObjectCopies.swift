import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support

/// The copies of a collection or of an import: what is small goes in shards of many objects, what is large in parts, at the
/// same time.
struct ObjectCopies: Sendable {
    /// Large objects of one call that are under way at the same time.
    private static let largeObjectsAtATime = 4

    let context: JobContext
    let dispatcher: Dispatcher
    let source: StorageID
    let destination: StorageID
    let lane: Int64
    /// See ``Dispatcher/copy(_:job:lane:spreadsKeys:survivesMissing:onFinished:onBytes:)``, also for the next ones.
    var spreadsKeys = false
    var survivesMissing = false
    /// Told of a large object as of a shard that is done, when all of it is.
    var onFinished: @Sendable (FinishedShard) -> Void = { _ in }
    var onBytes: @Sendable (Int64) -> Void = { _ in }

    /// Returns when everything is copied.
    ///
    /// - Parameter shards: makes those of the other objects.
    /// - Throws: `notFound` when an object is not there and the job survives that, after all others are done; else the first
    ///   failure.
    func copy<Shards: Sequence<Shard>>(
        large: [PlannedCopy], _ shards: @escaping @Sendable () -> Shards
    ) async throws {
        guard !large.isEmpty else { return try await dispatch(shards()) }
        let loss = try await withThrowingTaskGroup(of: BackupError?.self) { group in
            group.addTask { try await surviving { try await dispatch(shards()) } }
            group.addTask {
                try await mapInParallel(large, limit: Self.largeObjectsAtATime) { copy in
                    try await surviving { try await LargeObjectCopy(copies: self, object: copy).run() }
                }.compactMap { $0 }.first
            }
            var first: BackupError?
            for try await loss in group { first = first ?? loss }
            return first
        }
        if let loss { throw loss }
    }

    func dispatch(
        _ shards: sending some Sequence<Shard>, onFinished: (@Sendable (FinishedShard) -> Void)? = nil
    ) async throws {
        try await dispatcher.copy(
            shards, job: context.id, lane: lane, spreadsKeys: spreadsKeys, survivesMissing: survivesMissing,
            onFinished: onFinished ?? self.onFinished, onBytes: onBytes)
    }

    func cutter(_ limits: ShardLimits) -> ShardCutter {
        ShardCutter(source: source, destination: destination, mode: context.transferMode, limits: limits)
    }

    /// An object that is gone ends this call, and not the others: they would be cancelled, and with them the job.
    private func surviving(_ body: () async throws -> Void) async throws -> BackupError? {
        do {
            try await body()
            return nil
        } catch let error as BackupError where survivesMissing && error.code == .notFound {
            return error
        }
    }
}
