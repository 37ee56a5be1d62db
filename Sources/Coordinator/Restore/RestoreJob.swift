import BackupFormat
import Configuration
import MilvusClient
import ObjectStorage
import ShardScheduling
import Support

/// Restores one backup.
struct RestoreJob: Sendable {
    let request: RestoreRequest
    let context: JobContext

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var logger: Logger { context.logger }

    /// - Returns: what was restored and who copied how much for it.
    /// - Throws: ``BackupError``. Wrong names and backups that are not whole are found before anything is changed; what
    ///   comes later leaves the collections that were made.
    func run() async throws -> JobOutcome<[CollectionName]> {
        let server = try await connect()
        let (store, key) = (context.stores.milvus, JobRecord.restoreKey(id: context.id))
        let dead = try await JobRecord.waitUntilDead(in: store, key: key, work: work, logger: logger)
        let left = try await whatIsLeft(dead)
        let (selection, imports) = try await prepare(server, begun: left)
        let way = ImportWay(context, server, wantsJobs: request.usesImportJobs && !request.metaOnly)
        let items = try await continued(selection, imports, left, way)
        logger.info(
            "restoring",
            [
                "backup": request.backupName, "id": context.id, "collections": selection.items.count,
                "milvus": server.version,
            ])
        async let sweeping: Void = sweepAbandonedFiles()
        let outcome = try await context.claiming(
            request.backupName, in: store, key: key, work: work, traces: Staging.prefix(context), after: dead
        ) { claim in
            let journal = RestoreJournal(id: context.id, store: store, claim: claim)
            do {
                if request.resumes { try await Staging.abortUploads(of: context) } else { try await journal.remove() }
                try await journal.begin(request.description(of: selection))
                let outcome = try await context.withWorkers(backupName: request.backupName) { dispatcher in
                    try await restore(selection, items, server, dispatcher, way, journal)
                }
                try await journal.remove()
                return outcome
            } catch {
                // What another process has taken over is its own.
                if await claim.isHeld() { await Staging.removeAll(of: context) }
                throw error
            }
        }
        await sweeping
        return outcome
    }

    private var work: String { "restore \(context.id) is being done" }

    // MARK: Going on

    /// A collection to be restored, its imports, and where an earlier run has left off.
    private typealias Item = (item: RestoreSelection.Item, imports: ImportPlan?, continuation: CollectionContinuation)

    /// The journal of the run that is gone on with.
    private func whatIsLeft(_ dead: JobRecord?) async throws -> RestoreJournal.Content {
        guard request.resumes else { return RestoreJournal.Content() }
        guard dead != nil else {
            throw BackupError(
                .notFound, "there is no restore \(context.id) that was cut off",
                hint: "its id is in the log of its beginning, and in the names restore-temp-ID/ in Milvus' bucket")
        }
        return try await RestoreJournal.read(id: context.id, from: context.stores.milvus)
    }

    /// Decides for every collection how to go on. Nothing is changed yet.
    private func continued(
        _ selection: RestoreSelection, _ imports: [ImportPlan?], _ left: RestoreJournal.Content, _ way: ImportWay
    ) async throws -> [Item] {
        try RestoreRequest.check(request.description(of: selection), against: left.request, id: context.id)
        return try await mapInParallel(Array(zip(selection.items, imports)), limit: 8) { item, plan in
            guard let history = left.collections[item.target] else { return (item, plan, .fresh) }
            let present = try await present(item.target, history)
            let fates = present == nil ? [:] : try await way.fates(of: history, target: item.target, milvus: milvus)
            let paths = Staging.importPaths(for: item.target, backupName: request.backupName, context)
            let batches = plan.map { way.batches(of: $0).flatMap { $0 } } ?? []
            let continuation = try CollectionContinuation(
                item.target, history, present, fates: fates,
                planned: Set(batches.map { way.files(of: $0, into: item.target, from: paths) }), request: request)
            return (item, plan, continuation)
        }
    }

    private func present(
        _ target: CollectionName, _ history: RestoreJournal.History
    ) async throws -> CollectionContinuation.Present? {
        guard try await milvus.hasCollection(target.collection, database: target.database) else { return nil }
        let id = try await milvus.describeCollection(target.collection, database: target.database).id
        let segments = try await milvus.persistentSegments(of: target.collection, database: target.database)
        return CollectionContinuation.Present(collectionID: id, hasSegments: !segments.isEmpty)
    }

    /// While this restore is at work, what earlier ones have left when they were killed goes.
    private func sweepAbandonedFiles() async {
        guard !context.configuration.restore.keepTempFiles else { return }
        await AbandonedFiles(store: context.stores.milvus, logger: logger).sweep(own: context.id)
    }

    private func restore(
        _ selection: RestoreSelection, _ items: [Item], _ server: ServerInfo, _ dispatcher: Dispatcher,
        _ way: ImportWay, _ journal: RestoreJournal
    ) async throws -> [CollectionName] {
        if request.restoresRBAC { try await restoreRBAC(selection.rbac) }
        try await timer.measureMilvus(.createCollections) { try await createDatabases(of: selection) }
        let limit = context.configuration.restore.concurrentCollections
        return try await mapInParallel(items, limit: limit) { item, imports, continuation in
            let task = CollectionRestoreTask(
                item: item, imports: imports, request: request, server: server, context: context,
                dispatcher: dispatcher, way: way, journal: journal, continuation: continuation)
            try await task.run()
            return item.target
        }
    }

    /// What ``run()`` would do. Everything is checked, and nothing is changed.
    func estimate() async throws -> JobEstimate {
        let (selection, imports) = try await prepare(try await connect())
        return JobEstimate(
            verb: "would restore",
            items: zip(selection.items, imports).map { item, imports in
                let units = imports?.units ?? []
                return JobEstimate.Item(
                    source: item.source.qualifiedName, target: item.target, segments: item.source.segmentCount,
                    work: units.reduce(WorkAmount()) { $0 + workAmount(of: $1.segments, limits: context.shardLimits) })
            })
    }

    // MARK: Before anything is changed

    private func connect() async throws -> ServerInfo {
        try BackupName.validateExisting(request.backupName)
        return try await context.connect(makesBackupBucket: false)
    }

    /// - Parameter begun: what an earlier run has begun, which may be there.
    private func prepare(
        _ server: ServerInfo, begun: RestoreJournal.Content = RestoreJournal.Content()
    ) async throws -> (RestoreSelection, [ImportPlan?]) {
        let verifies = !request.metaOnly && !request.skipsVerification
        async let manifest = verifies ? StoredManifest.read(context.stores.backup, paths) : nil
        let backup = try await timer.measure(.readMetadata) {
            try await context.services.metadata.read(request.backupName, options: .everything)
        }
        guard backup.format == .binlog else {
            throw BackupError(
                .unsupported,
                "restore: backup \(request.backupName) was taken in the \"\(backup.format.rawValue)\" format, which this "
                    + "version of milvus-backup cannot restore")
        }
        let selection = try RestoreSelection(backup, request: request)
        context.monitor.plan(selection.items.map(\.target))
        let keys = Dictionary(backup.databases.map { ($0.name, $0.encryptionZoneKey) }) { first, _ in first }
        let imports = try selection.items.map { try importPlan(of: $0.source, keys, server) }
        if request.restoresRBAC { try server.checkRBAC() }
        try selection.check(server)
        let stored = try await manifest
        async let verification: Void = verify(selection, of: backup, stored)
        try await timer.measureMilvus(.checkName) {
            try await checkExistence(of: selection.items.map(\.target), server, begun: Set(begun.collections.keys))
        }
        try await verification
        return (selection, imports)
    }

    private func checkExistence(
        of targets: [CollectionName], _ server: ServerInfo, begun: Set<CollectionName>
    ) async throws {
        let databases = server.features.contains(.multiDatabase) ? try await milvus.listDatabases() : nil
        try await forEachInParallel(targets, limit: 8) { target in
            // Some servers answer for the default database when the one that is asked for is not there.
            let hasDatabase = databases?.contains(target.database) ?? true
            let exists =
                hasDatabase ? try await milvus.hasCollection(target.collection, database: target.database) : false
            let name = "database \(target.database) collection \(target.collection)"
            if exists, !begun.contains(target), !request.skipsCreation, !request.dropsExistingCollections {
                throw BackupError(
                    .alreadyExists, "restore: collection already exist, \(name)",
                    hint:
                        "restore under another name with --suffix or --rename, or replace it with --drop_exist_collection"
                )
            }
            if !exists, request.skipsCreation {
                throw BackupError(.notFound, "restore: collection not exist, \(name)")
            }
        }
    }

    /// Nil when no data is to be restored.
    ///
    /// - Parameter keys: of encrypted databases, by their names in the backup.
    private func importPlan(
        of collection: CollectionBackup, _ keys: [String: String], _ server: ServerInfo
    ) throws(BackupError) -> ImportPlan? {
        guard !request.metaOnly else { return nil }
        var plan: ImportPlan
        do {
            plan = try ImportPlan(collection)
        } catch {
            throw error.prefixed("backup \(request.backupName) is damaged")
        }
        if request.truncatesAtCheckpoints {
            guard server.features.contains(.importJobs) else {
                throw BackupError(
                    .unsupported, "truncateBinlogByTs needs Milvus 2.4 or later, this is \(server.version)",
                    hint: "Milvus 2.3 takes the timestamp for another one, and would leave out rows it should not")
            }
            try plan.truncate(at: collection.channelCheckpoints)
        }
        if let key = keys[collection.databaseName], !key.isEmpty {
            plan.set(encryptionZoneKey: request.encryptionZoneKeys[key] ?? key)
        }
        return plan
    }

    private var paths: BackupPaths {
        BackupPaths(root: context.configuration.backup.storage.keyRoot, name: request.backupName)
    }

    /// Looks by a listing whether everything that is to be restored is there as it was backed up.
    ///
    /// - Parameter manifest: nil when that is not to be looked at.
    private func verify(
        _ selection: RestoreSelection, of backup: BackupInfo, _ manifest: StoredManifest?
    ) async throws {
        guard let manifest else { return }
        let collections = Set(selection.items.map(\.source.collectionID))
        let report = try await timer.measure(.verify) {
            let comparison = try await onDedicatedThread { [paths, request, logger] in
                try BackupComparison.reading(
                    manifest.understood(logger), backup, paths: paths,
                    report: VerificationReport(backup: request.backupName, depth: .quick), collections: collections)
            }
            try await comparison.list(context.stores.backup)
            return try await onDedicatedThread { comparison.finish() }
        }
        let hint =
            "\"milvus-backup verify -n \(request.backupName)\" names all of it; --skip-verify restores what is there"
        let bucket = context.stores.backup.identity.bucket
        if let error = report.failure(directory: paths.directory, bucket: bucket, hint: hint) { throw error }
    }

    /// Makes what is missing. Who is there already keeps password, roles and rights.
    private func restoreRBAC(_ recorded: RBACMetadata?) async throws {
        guard let recorded else {
            return logger.warn("the backup has no users and roles: it was made without --rbac")
        }
        let missing = try await timer.measureMilvus(.createCollections) {
            let missing = recorded.missing(in: RBACMetadata(try await milvus.backUpRBAC()))
            if missing != RBACMetadata() { try await milvus.restoreRBAC(Milvus.RBACMeta(missing)) }
            return missing
        }
        logger.info(
            "users and roles restored",
            [
                "users": missing.users.count, "roles": missing.roles.count, "grants": missing.grants.count,
                "privilege_groups": missing.privilegeGroups.count,
            ])
    }

    private func createDatabases(of selection: RestoreSelection) async throws {
        let names = selection.databases
        guard !names.isEmpty else { return }
        let present = Set(try await milvus.listDatabases())
        for name in names where !present.contains(name) {
            do {
                let properties = selection.databaseProperties[name] ?? []
                try await milvus.createDatabase(name, properties: properties.map(Milvus.KeyValuePair.init))
                logger.info("database created", ["database": name])
            } catch let error as BackupError where error.code == .alreadyExists {}
        }
    }
}
