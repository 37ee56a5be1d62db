import BackupFormat
import Configuration
import MilvusClient
import Support

/// Has Milvus import directories, a bounded number at a time, and waits for it.
struct Importer: Sendable {
    private let context: JobContext
    private let slots: AsyncSemaphore

    init(context: JobContext) {
        self.context = context
        slots = AsyncSemaphore(permits: context.configuration.restore.concurrentImportJobs)
    }

    /// - Parameters:
    ///   - paths: where the logs are in Milvus' bucket.
    ///   - earlier: tasks that are none of this restore's.
    ///   - running: a task that an earlier run has begun for it.
    ///   - note: where it is written down that Milvus is about to be asked.
    /// - Throws: `remoteFailure` with Milvus' reason when the import failed.
    func run(
        _ unit: ImportUnit, into target: CollectionName, from paths: BackupPaths, ignoring earlier: Set<Int64>,
        running: Int64? = nil, note: ImportNote? = nil
    ) async throws {
        let request = unit.request(collection: target.collection, in: paths)
        try await slots.withPermit {
            try await context.timer.measureMilvus(.importData) {
                if let running { return try await check(unit, rows: wait(for: running, request, target), request) }
                try await note?.intend()
                let task = try await start(request, database: target.database, ignoring: earlier)
                try await note?.began(String(task))
                try await check(unit, rows: wait(for: task, request, target), request)
            }
        }
    }

    /// A directory that Milvus does not see has no files, and it imports none of them without a word.
    private func check(_ unit: ImportUnit, rows: Int64, _ request: Milvus.ImportRequest) throws(BackupError) {
        guard context.configuration.milvus.storage.provider == .local, rows == 0, !unit.hasDeltaLogs,
            unit.segments.contains(where: { $0.rowCount > 0 })
        else { return }
        throw BackupError(
            .remoteFailure, "Milvus has found no rows in \(request.files[0])",
            hint: "set milvus.storage.localPath to the path at which Milvus sees the directory milvus.storage.rootPath")
    }

    /// An import that was refused for the rate of them is asked for again. One whose answer was lost may have begun, and to
    /// begin it again would double the rows: look before.
    private func start(
        _ request: Milvus.ImportRequest, database: String, ignoring earlier: Set<Int64>
    ) async throws -> Int64 {
        var attempt = 1
        while true {
            do {
                return try await context.milvus.startImport(request, database: database)
            } catch let error as BackupError where error.code == .throttled {
                attempt += 1
                let pause = RetryPolicy(attempts: 20).delay(
                    beforeAttempt: attempt, after: error, jitter: .random(in: 0..<1))
                guard let pause else { throw error }
                try await Task.sleep(for: pause)
            } catch let error as BackupError where error.isRetryable {
                let tasks = try await context.milvus.listImportTasks(of: request.collection, database: database)
                let begun = tasks.first { task in
                    !earlier.contains(task.id) && !task.state.isFailure
                        && task.info("files")?.contains(request.files[0]) ?? false
                }
                guard let begun else { throw error }
                return begun.id
            }
        }
    }

    /// - Returns: the number of rows, as Milvus tells it.
    private func wait(
        for task: Int64, _ request: Milvus.ImportRequest, _ target: CollectionName
    ) async throws -> Int64 {
        var patience = ImportPatience(start: .now)
        while true {
            let state = try await context.milvus.importState(of: task)
            if state.state.isFailure {
                let reason = state.failedReason.isEmpty ? "Milvus gives no reason" : state.failedReason
                throw BackupError(
                    .remoteFailure, "import of \(request.files[0]) into \(target) failed: \(reason)",
                    hint: "Milvus' log has the details of import task \(task)")
            }
            if state.state == .completed {
                context.logger.debug("imported", ["files": request.files[0], "rows": state.rowCount])
                return state.rowCount
            }
            switch patience.next(state: state.state.rawValue, progress: state.progressPercent, now: .now) {
            case .ask(let pause): try await Task.sleep(for: pause)
            case .warn(let pause):
                context.logger.warn(
                    "an import makes no progress",
                    ["task": task, "collection": target, "percent": state.progressPercent])
                try await Task.sleep(for: pause)
            case .giveUp:
                throw BackupError(
                    .timedOut, "import task \(task) into \(target) has made no progress for a day",
                    hint: "look at the log of Milvus' data nodes")
            }
        }
    }
}

/// When to ask again how an import is, and when to give up: a pure value that is told the time.
struct ImportPatience: Sendable {
    enum Step: Equatable {
        case ask(after: Duration)
        /// As `ask`, and the user is to be told that it takes long.
        case warn(after: Duration)
        case giveUp
    }

    private static let warningInterval = Duration.seconds(600)
    /// Imports wait for their turn, behind others that may be long.
    private static let limit = Duration.seconds(24 * 3600)
    private static let longestPause = Duration.seconds(2)

    private var pause = Duration.milliseconds(50)
    private var last: (state: String, progress: Int)?
    private var lastChange: ContinuousClock.Instant
    private var lastWarning: ContinuousClock.Instant

    init(start: ContinuousClock.Instant) {
        lastChange = start
        lastWarning = start
    }

    mutating func next(state: Int32, progress: Int, now: ContinuousClock.Instant) -> Step {
        next(state: String(state), progress: progress, now: now)
    }

    mutating func next(state: String, progress: Int, now: ContinuousClock.Instant) -> Step {
        if last.map({ $0 != (state, progress) }) ?? true {
            last = (state, progress)
            lastChange = now
            lastWarning = now
        }
        defer { pause = min(pause * 1.5, Self.longestPause) }
        if now - lastChange >= Self.limit { return .giveUp }
        if now - lastWarning >= Self.warningInterval {
            lastWarning = now
            return .warn(after: pause)
        }
        return .ask(after: pause)
    }
}
