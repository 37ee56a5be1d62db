import BackupFormat
import Configuration
import MilvusClient
import ObjectStorage
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
        try BackupName.validateExisting(request.backupName)
        let server = try await context.connect(makesBackupBucket: false)
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
        let imports = try selection.items.map { try importPlan(of: $0.source) }
        try selection.check(server)
        try await timer.measureMilvus(.checkName) {
            try await checkExistence(of: selection.items.map(\.target), server)
        }
        if !request.metaOnly { try await verify(selection) }
        logger.info(
            "restoring", ["backup": request.backupName, "collections": selection.items.count, "milvus": server.version])
        return try await context.withWorkers(backupName: request.backupName) { dispatcher in
            try await timer.measureMilvus(.createCollections) { try await createDatabases(selection.databases, server) }
            let importer = Importer(context: context)
            let limit = context.configuration.restore.concurrentCollections
            let work = Array(zip(selection.items, imports))
            return try await mapInParallel(work, limit: limit) { item, imports in
                let task = CollectionRestoreTask(
                    item: item, imports: imports, request: request, server: server, context: context,
                    dispatcher: dispatcher, importer: importer)
                try await task.run()
                return item.target
            }
        }
    }

    // MARK: Before anything is changed

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

    /// Looks whether everything that is to be restored is there, with its recorded size.
    private func verify(_ selection: RestoreSelection) async throws {
        let paths = BackupPaths(root: context.configuration.backup.storage.rootPath, name: request.backupName)
        let verifier = CopyVerifier(store: context.stores.backup, paths: paths)
        var seen: Set<Int64> = []
        let sources = selection.items.map(\.source).filter { seen.insert($0.collectionID).inserted }
        try await timer.measure(.verify) {
            try await forEachInParallel(sources, limit: 8) { collection in
                do {
                    try await verifier.verify(collection)
                } catch {
                    throw BackupError(wrapping: error).prefixed("backup \(request.backupName) is damaged")
                }
            }
        }
    }

    private func createDatabases(_ names: [String], _ server: ServerInfo) async throws {
        guard !names.isEmpty else { return }
        let present = Set(try await milvus.listDatabases())
        for name in names where !present.contains(name) {
            do {
                try await milvus.createDatabase(name)
                logger.info("database created", ["database": name])
            } catch let error as BackupError where error.code == .alreadyExists {}
        }
    }
}
