import Configuration
import ObjectStorage
import Support

/// One run's right to a job: its record in a store, taken before anything is made, renewed while the job runs, looked at
/// before anything is written that counts, and gone at the good end.
///
/// Where the store heeds conditional writes, of two that begin at the same moment one is refused. Elsewhere both see within
/// seconds who has written last, and the other one stops.
actor JobClaim {
    private var record: JobRecord
    private let store: any ObjectStore
    private let key: String
    private let work: String
    /// What the store called the record when this run wrote it last.
    private var etag = ""
    private let isConditional: Bool
    /// Known once another process has taken it over.
    private var isLost = false

    /// Takes the claim.
    ///
    /// - Parameters:
    ///   - work: what the job does, as in "backup nightly is being made".
    ///   - earlier: the record of a run that is over, whose place this one takes.
    /// - Throws: `alreadyExists` when another process has been faster.
    init(
        _ record: JobRecord, in store: any ObjectStore, key: String, work: String, after earlier: JobRecord?,
        logger: Logger
    ) async throws {
        (self.record, self.store, self.key, self.work) = (record, store, key, work)
        isConditional = try await JobClaim.heedsConditions(store, beside: key, owner: record.owner)
        if isConditional {
            try await write(if: earlier.map { .unchanged(etag: $0.etag) } ?? .absent)
        } else {
            logger.debug("the store ignores the conditions of writes: a claim on a name is best effort", ["key": key])
            try await record.write(to: store, key: key)
            try await check()
        }
    }

    /// A store that ignores conditions says nothing, so it is believed only when it has refused to write to a key that is there.
    private static func heedsConditions(
        _ store: any ObjectStore, beside key: String, owner: String
    ) async throws -> Bool {
        let directory = key[...(key.lastIndex(of: "/") ?? key.startIndex)]
        let probe = "\(directory)claim-probe-\(owner)"
        try await store.put(probe, body: .bytes([1]))
        var isRefused = false
        do {
            try await store.put(probe, body: .bytes([2]), if: .absent)
        } catch let error as BackupError where error.code == .alreadyExists {
            isRefused = true
        } catch let error as BackupError where error.code != .canceled {
            // It does not know the header, or not what to do with it.
        }
        try await store.delete([probe])
        return isRefused
    }

    /// - Throws: `alreadyExists` when the claim is not this run's any more: another has taken it over, or even come to its end.
    func check() async throws {
        guard let present = try await JobRecord.read(from: store, key: key) else {
            isLost = true
            throw BackupError(.alreadyExists, "\(work) by another process: the claim is gone", hint: JobClaim.hint)
        }
        guard present.owner == record.owner else {
            isLost = true
            throw BackupError(.alreadyExists, "\(work) by a process on \(present.host)", hint: JobClaim.hint)
        }
        etag = present.etag
    }

    private static let hint = "this one was silent for too long, or began at the same moment; it has stopped"

    /// Shows that this run is at work.
    func beat() async throws {
        try await check()
        record.beat += 1
        if isConditional {
            try await write(if: .unchanged(etag: etag))
        } else {
            try await record.write(to: store, key: key)
        }
    }

    private func write(if condition: WriteCondition) async throws {
        do {
            etag = try await store.put(key, body: .bytes(try record.serialized()), if: condition).etag
        } catch let error as BackupError where error.code == .alreadyExists || error.code == .notFound {
            // The answer to a write that was done may have been lost.
            try await check()
        }
    }

    /// Ends a job that has done all it should.
    func release() async throws {
        try await check()
        try await store.delete([key])
    }

    /// Leaves the reason why a job has failed, when there is anything of it.
    ///
    /// - Parameter traces: what the keys of all that the job makes begin with.
    func fail(_ reason: String, traces: String) async throws {
        guard let present = try await JobRecord.read(from: store, key: key), present.owner == record.owner else {
            return
        }
        record.failure = reason
        if try await store.hasAnything(below: traces, besides: key) {
            try await record.write(to: store, key: key)
        } else {
            try await store.delete([key])
        }
    }

    /// Whether the claim is still this run's, as far as can be known.
    func isHeld() async -> Bool {
        // A task that was cancelled cannot ask.
        guard !isLost, !Task.isCancelled else { return !isLost }
        do {
            try await check()
            return true
        } catch {
            return BackupError(wrapping: error).code != .alreadyExists
        }
    }
}

extension ObjectStore {
    /// Whether there is another object than `key` whose key begins with a prefix.
    fileprivate func hasAnything(below prefix: String, besides key: String) async throws -> Bool {
        let page = try await list(prefix: prefix, delimiter: nil, continuation: nil, limit: 10)
        return page.continuation != nil || page.objects.contains { $0.key != key && !$0.key.hasSuffix("/") }
    }
}

extension JobContext {
    /// Runs `body` with a claim on the job: renewed while it runs, gone at its good end, and when the process dies the
    /// only thing that tells of it. When another process takes the claim over, `body` is cancelled.
    ///
    /// - Parameters:
    ///   - work: what the job does, as in "backup nightly is being made".
    ///   - traces: what the keys of all that the job makes begin with. The record of a job that failed stays, with the
    ///     reason, when there is anything of it.
    ///   - earlier: the record of a run that is over, whose work this one goes on with.
    func claiming<Result: Sendable>(
        _ name: String, in store: any ObjectStore, key: String, work: String, traces: String,
        after earlier: JobRecord? = nil, _ body: @escaping @Sendable (JobClaim) async throws -> Result
    ) async throws -> Result {
        var record = JobRecord(id: id, name: name)
        record.keepsFiles = configuration.restore.keepTempFiles
        let claim = try await JobClaim(record, in: store, key: key, work: work, after: earlier, logger: logger)
        do {
            let result = try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await body(claim) }
                group.addTask { try await renew(claim, key) }
                defer { group.cancelAll() }
                // The renewal ends only by throwing.
                while let result = try await group.next() { if let result { return result } }
                throw BackupError(.internalError, "the job has ended without a result")
            }
            try await claim.release()
            return result
        } catch {
            let reason = Task.isCancelled ? "canceled" : BackupError(wrapping: error).description
            await end(claim, reason, key, traces: traces)
            throw error
        }
    }

    private func renew<Result>(_ claim: JobClaim, _ key: String) async throws -> Result? {
        while true {
            try await Task.sleep(for: JobRecord.interval)
            do {
                try await claim.beat()
            } catch let error as BackupError where error.code != .alreadyExists && error.code != .canceled {
                logger.warn("the job's record cannot be renewed", ["key": key, "error": error.description])
            }
        }
    }

    /// In a task of its own: this is done also when the job was cancelled. What another process has taken over is its own, and a
    /// store that does not answer, which may be why the user has had enough, is not waited for.
    private func end(_ claim: JobClaim, _ reason: String, _ key: String, traces: String) async {
        let ending = Task {
            do {
                try await claim.fail(reason, traces: traces)
            } catch {
                logger.warn("the record of a failed job is not up to date", ["key": key])
            }
        }
        let impatience = Task {
            try await Task.sleep(for: .seconds(3))
            ending.cancel()
        }
        await ending.value
        impatience.cancel()
    }
}
