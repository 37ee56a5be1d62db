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
        let (server, selection, imports) = try await prepare()
        logger.info(
            "restoring", ["backup": request.backupName, "collections": selection.items.count, "milvus": server.version])
        let (store, record) = (context.stores.milvus, JobRecord.restoreKey(id: context.id))
        async let sweeping: Void = sweepAbandonedFiles()
        let outcome = try await context.recorded(
            request.backupName, in: store, key: record, traces: Staging.prefix(context)
        ) {
            do {
                return try await context.withWorkers(backupName: request.backupName) { dispatcher in
                    try await restore(selection, imports, server, dispatcher)
                }
            } catch {
                await Staging.removeAll(of: context)
                throw error
            }
        }
        await sweeping
        return outcome
    }

    /// While this restore is at work, what earlier ones have left when they were killed goes.
    private func sweepAbandonedFiles() async {
        guard !context.configuration.restore.keepTempFiles else { return }
        await AbandonedFiles(store: context.stores.milvus, logger: logger).sweep(own: context.id)
    }

    private func restore(
        _ selection: RestoreSelection, _ imports: [ImportPlan?], _ server: ServerInfo, _ dispatcher: Dispatcher
    ) async throws -> [CollectionName] {
        if request.restoresRBAC { try await restoreRBAC(selection.rbac) }
        try await timer.measureMilvus(.createCollections) { try await createDatabases(of: selection) }
        let way = ImportWay(context, server, wantsJobs: request.usesImportJobs && !request.metaOnly)
        let limit = context.configuration.restore.concurrentCollections
        return try await mapInParallel(Array(zip(selection.items, imports)), limit: limit) { item, imports in
            let task = CollectionRestoreTask(
                item: item, imports: imports, request: request, server: server, context: context,
                dispatcher: dispatcher, way: way)
            try await task.run()
            return item.target
        }
    }

    /// What ``run()`` would do. Everything is checked, and nothing is changed.
    func estimate() async throws -> JobEstimate {
        let (_, selection, imports) = try await prepare()
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

    private func prepare() async throws -> (ServerInfo, RestoreSelection, [ImportPlan?]) {
        try BackupName.validateExisting(request.backupName)
        let server = try await context.connect(makesBackupBucket: false)
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
        let imports = try selection.items.map { try importPlan(of: $0.source) }
        if request.restoresRBAC { try server.checkRBAC() }
        try selection.check(server)
        let stored = try await manifest
        async let verification: Void = verify(selection, of: backup, stored)
        try await timer.measureMilvus(.checkName) {
            try await checkExistence(of: selection.items.map(\.target), server)
        }
        try await verification
        return (server, selection, imports)
    }

    private func checkExistence(of targets: [CollectionName], _ server: ServerInfo) async throws {
        let databases = server.features.contains(.multiDatabase) ? try await milvus.listDatabases() : nil
        try await forEachInParallel(targets, limit: 8) { target in
            // Some servers answer for the default database when the one that is asked for is not there.
            let hasDatabase = databases?.contains(target.database) ?? true
            let exists =
                hasDatabase ? try await milvus.hasCollection(target.collection, database: target.database) : false
            let name = "database \(target.database) collection \(target.collection)"
            if exists, !request.skipsCreation, !request.dropsExistingCollections {
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
    private func importPlan(of collection: CollectionBackup) throws(BackupError) -> ImportPlan? {
        guard !request.metaOnly else { return nil }
        do {
            return try ImportPlan(collection)
        } catch {
            throw error.prefixed("backup \(request.backupName) is damaged")
        }
    }

    private var paths: BackupPaths {
        BackupPaths(root: context.configuration.backup.storage.rootPath, name: request.backupName)
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
