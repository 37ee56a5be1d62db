import BackupFormat
import Configuration
import MilvusClient
import Support

/// How Milvus is made to import.
enum ImportWay: Sendable {
    /// An import for each directory, over gRPC.
    case directories(Importer)
    /// A job for many directories, over REST.
    case jobs(JobImporter)

    /// - Parameter wantsJobs: whether jobs are used where this Milvus has them.
    init(_ context: JobContext, _ server: ServerInfo, wantsJobs: Bool) {
        guard wantsJobs else {
            self = .directories(Importer(context: context))
            return
        }
        guard server.features.contains(.importJobs) else {
            context.logger.warn(
                "use_v2_restore needs Milvus 2.4 or later: importing directory by directory",
                ["milvus": server.version])
            self = .directories(Importer(context: context))
            return
        }
        self = .jobs(JobImporter(context: context, server: server))
    }

    var usesJobs: Bool { if case .jobs = self { true } else { false } }

    /// The imports of a collection, in stages.
    func batches(of plan: ImportPlan) -> [[ImportBatch]] {
        switch self {
        case .directories: plan.singles
        case .jobs(let importer): importer.batches(of: plan)
        }
    }

    /// Imports a batch and waits for the end of it.
    ///
    /// - Parameters:
    ///   - earlier: tasks that are none of this restore's.
    ///   - running: a task or job that an earlier run has begun for it.
    ///   - note: where it is written down that Milvus is about to be asked.
    func run(
        _ batch: ImportBatch, into target: CollectionName, from paths: BackupPaths, ignoring earlier: Set<Int64>,
        running: String? = nil, note: ImportNote
    ) async throws {
        switch self {
        case .directories(let importer):
            for unit in batch.units {
                try await importer.run(
                    unit, into: target, from: paths, ignoring: earlier, running: running.flatMap { Int64($0) },
                    note: note)
            }
        case .jobs(let importer): try await importer.run(batch, into: target, from: paths, running: running, note: note)
        }
        try await note.ended()
    }

    /// The directories of a batch: what it is known by.
    func files(of batch: ImportBatch, into target: CollectionName, from paths: BackupPaths) -> [String] {
        switch self {
        case .directories:
            batch.units.flatMap { $0.request(collection: target.collection, in: paths).files }.filter { !$0.isEmpty }
        case .jobs: batch.request(target: target, in: paths).files.flatMap { $0 }
        }
    }

    /// What became of the imports that an earlier run has begun and not seen the end of. Those that cannot be told are not
    /// among them.
    func fates(
        of history: RestoreJournal.History, target: CollectionName, milvus: MilvusClient
    ) async throws -> [[String]: ImportFate] {
        let open = history.imports.filter { !$0.isDone }
        guard !open.isEmpty else { return [:] }
        var fates: [[String]: ImportFate] = [:]
        switch self {
        case .directories:
            let tasks = try await milvus.listImportTasks(of: target.collection, database: target.database)
            for each in open { fates[each.files] = each.fate(in: tasks, ignoring: Set(history.earlierTasks)) }
        case .jobs(let importer):
            for each in open { fates[each.files] = try await importer.fate(of: each, database: target.database) }
        }
        return fates
    }
}

/// Has Milvus import batches of directories over REST, a bounded number at a time, and waits for it.
struct JobImporter: Sendable {
    private let context: JobContext
    private let rest: MilvusREST
    private let slots: AsyncSemaphore
    private let maximumDeletions: Int

    init(context: JobContext, server: ServerInfo) {
        self.context = context
        let configuration = context.configuration
        rest = MilvusREST(
            connection: MilvusConnection(configuration.milvus), endpoint: configuration.milvus.restEndpoint,
            http: context.services.http)
        slots = AsyncSemaphore(permits: configuration.restore.concurrentImportJobs)
        let takesSeveral = server.features.contains(.severalL0PerImportJob)
        maximumDeletions = takesSeveral ? configuration.restore.maximumSegmentsPerImportJob : 1
    }

    func batches(of plan: ImportPlan) -> [[ImportBatch]] {
        plan.batches(
            maximumSegments: context.configuration.restore.maximumSegmentsPerImportJob,
            maximumDeletions: maximumDeletions)
    }

    /// - Throws: `remoteFailure` with Milvus' reason when the import failed.
    func run(
        _ batch: ImportBatch, into target: CollectionName, from paths: BackupPaths, running: String?, note: ImportNote
    ) async throws {
        let request = batch.request(target: target, in: paths)
        try await slots.withPermit {
            try await context.timer.measureMilvus(.importData) {
                if let running { return try await wait(for: running, request, target) }
                try await note.intend()
                let job = try await start(request)
                try await note.began(job)
                context.logger.debug("import job begun", ["job": job, "directories": request.files.count])
                try await wait(for: job, request, target)
            }
        }
    }

    /// Nil when Milvus knows nothing of it, or it has failed.
    func fate(of statement: RestoreJournal.Import, database: String) async throws -> ImportFate? {
        guard !statement.task.isEmpty else { return nil }
        do {
            let job = try await withRetries { try await rest.describeImportJob(statement.task, database: database) }
            switch job.state {
            case .completed: return .completed
            case .failed: return nil
            default: return .running(statement.task)
            }
        } catch let error as BackupError where !error.isRetryable && error.code != .canceled {
            return nil
        }
    }

    /// One that was refused for the rate of them is asked for again. One whose answer was lost may have begun, and to begin
    /// it again would double the rows: it is an error.
    private func start(_ request: ImportJobRequest) async throws -> String {
        var attempt = 1
        while true {
            do {
                return try await rest.createImportJob(request)
            } catch let error as BackupError where error.code == .throttled {
                attempt += 1
                let pause = RetryPolicy(attempts: 20).delay(
                    beforeAttempt: attempt, after: error, jitter: .random(in: 0..<1))
                guard let pause else { throw error }
                try await Task.sleep(for: pause)
            }
        }
    }

    private func wait(for id: String, _ request: ImportJobRequest, _ target: CollectionName) async throws {
        var patience = ImportPatience(start: .now)
        while true {
            // An answer whose code says that something is wrong ends the wait, unless trying again may help.
            let job = try await withRetries {
                try await rest.describeImportJob(id, database: request.database)
            }
            switch job.state {
            case .completed:
                context.logger.debug("imported", ["job": id, "rows": job.totalRows])
                return
            case .failed:
                let reason = job.reason.isEmpty ? "Milvus gives no reason" : job.reason
                throw BackupError(
                    .remoteFailure, "import of \(request.files.first?.first ?? "") into \(target) failed: \(reason)",
                    hint: "Milvus' log has the details of import job \(id)")
            default: break
            }
            switch patience.next(state: job.state.rawValue, progress: job.progress, now: .now) {
            case .ask(let pause): try await Task.sleep(for: pause)
            case .warn(let pause):
                context.logger.warn(
                    "an import makes no progress",
                    ["job": id, "collection": target, "state": job.state.rawValue, "percent": job.progress])
                try await Task.sleep(for: pause)
            case .giveUp:
                throw BackupError(
                    .timedOut, "import job \(id) into \(target) has made no progress for a day",
                    hint: "look at the log of Milvus' data nodes")
            }
        }
    }
}
