import BackupFormat
import Configuration
import MilvusClient
import ObjectStorage
import ShardScheduling
import Support

/// Makes one backup: see docs/architecture.md, "The way of a backup".
struct BackupJob: Sendable {
    let request: BackupRequest
    let context: JobContext

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var metadata: MetadataStore { context.services.metadata }
    private var logger: Logger { context.logger }

    /// - Returns: what was backed up, and who copied how much of it.
    /// - Throws: ``BackupError``; then no metadata was written, and what was copied is left for `delete`.
    func run() async throws -> JobOutcome<BackupInfo> {
        let (server, selection) = try await prepare(makesBucket: true)
        let dead =
            request.resumes
            ? try await JobRecord.waitUntilDead(in: metadata.store, key: paths.claim, work: work, logger: logger) : nil
        return try await context.claiming(
            request.name, in: metadata.store, key: paths.claim, work: work, traces: paths.directory, after: dead
        ) { claim in
            let earlier = request.resumes ? try await takeOver() : FinishedObjects()
            let journal = BackupJournal(
                ManifestHeader(name: request.name, id: context.id), paths: paths, store: metadata.store, logger: logger,
                claim: claim, earlier: earlier)
            let writing = Task { await journal.keepWriting() }
            defer { writing.cancel() }
            do {
                return try await context.withWorkers(backupName: request.name) { dispatcher in
                    let pause = GarbageCollectionPause(context: context, server: server)
                    return try await pause.during { try await make(selection, server, dispatcher, pause, journal) }
                }
            } catch {
                // What another process has taken over is its own.
                if await claim.isHeld() { await context.endUploads(below: paths.directory, in: metadata.store) }
                throw error
            }
        }
    }

    private var work: String { "backup \(request.name) is being made" }

    /// What the run before has copied. It is over, and its name is claimed.
    private func takeOver() async throws -> FinishedObjects {
        try await metadata.store.abortUploads(below: paths.directory)
        let finished = try await FinishedObjects.read(from: metadata.store, paths: paths, logger: logger)
        logger.info("going on with a backup", ["name": request.name, "copied before": finished.count])
        return finished
    }

    /// Everything is copied: agents that were lost, or slower than another, may have left uploads in parts behind.
    private func cleanUp(after dispatcher: Dispatcher) async {
        guard await dispatcher.abandonedLeases(of: context.id) > 0 else { return }
        do {
            try await metadata.store.abortUploads(below: paths.directory)
        } catch {
            logger.warn("uploads in parts may be left behind", ["error": BackupError(wrapping: error)])
        }
    }

    private var paths: BackupPaths { BackupPaths(root: metadata.backupRoot, name: request.name) }

    /// What ``run()`` would copy of that which is in storage now. Nothing is flushed and nothing is written.
    func estimate() async throws -> JobEstimate {
        let (server, selection) = try await prepare(makesBucket: false)
        let plan = CopyPlan(context, backupName: request.name)
        let inventory = CollectionInventory(context: context, features: server.features)
        let limit = context.configuration.backup.concurrentCollections
        let items = try await mapInParallel(selection.collections, limit: limit) { name -> JobEstimate.Item? in
            guard let described = try await milvus.describeForBackup(name) else { return nil }
            let collection = request.strategy == .metaOnly ? described : try await inventory.taken(of: described)
            return JobEstimate.Item(
                source: name, target: name, segments: collection.segmentCount, work: plan.amount(of: collection))
        }
        return JobEstimate(verb: "would back up", items: items.compactMap { $0 })
    }

    /// Everything that can go wrong before anything is changed.
    private func prepare(makesBucket: Bool) async throws -> (ServerInfo, CollectionSelection) {
        try BackupName.validate(request.name)
        let server = try await context.connect(makesBackupBucket: makesBucket)
        try await timer.measure(.checkName) {
            let isComplete = try await metadata.exists(request.name)
            var isFree = request.resumes
            if !isFree { isFree = try await !metadata.hasAnything(request.name) }
            guard !isComplete, isFree else {
                throw BackupError(
                    .alreadyExists, "backup with name \(request.name) already exist",
                    hint: isComplete
                        ? "choose another name, or delete that backup first"
                        : "it was not finished: go on with --resume, or delete it first")
            }
        }
        if request.includesRBAC { try server.checkRBAC() }
        if request.includesIndexExtra { try await timer.measure(.connect) { try await context.services.etcd.check() } }
        let selection = try await timer.measureMilvus(.listCollections) {
            try await CollectionSelection.resolve(request.filter, server: server, milvus: milvus)
        }
        return (server, selection)
    }

    private func make(
        _ selection: CollectionSelection, _ server: ServerInfo, _ dispatcher: Dispatcher,
        _ pause: GarbageCollectionPause, _ journal: BackupJournal
    ) async throws -> BackupInfo {
        var backup = BackupInfo(id: context.id, name: request.name)
        backup.milvusVersion = server.version
        logger.info(
            "backing up",
            [
                "name": request.name, "databases": selection.databases.count,
                "collections": selection.collections.count, "milvus": server.version,
            ])
        backup.databases = try await timer.measureMilvus(.listCollections) {
            try await describe(databases: selection.databases, server: server)
        }
        context.monitor.plan(selection.collections)
        let copying = CollectionBackupTask(
            backupName: request.name, context: context, dispatcher: dispatcher, pause: pause,
            journal: journal, features: server.features, etcd: request.includesIndexExtra ? context.services.etcd : nil)
        backup.collections = try await collect(selection.collections, server: server, copying, into: &backup)
        backup.size = backup.collections.sumOfSizes(\.size)
        guard backup.size <= BackupInfo.maximumSize else {
            throw BackupError(.corrupted, "the sizes of the objects in Milvus' bucket cannot be right")
        }
        await cleanUp(after: dispatcher)
        if request.includesRBAC {
            backup.rbac = RBACMetadata(try await timer.measureMilvus(.describe) { try await milvus.backUpRBAC() })
        }
        if server.features.contains(.replicateMessage) { backup.rpcChannel = await replicationChannel() }
        let finished = backup
        try await journal.claim.check()
        if request.resumes { try await removeWhatDoesNotBelong(to: finished) }
        let manifest = try await timer.measure(.writeMetadata) { try await journal.writeManifest(of: finished) }
        if let depth = request.verification { try await verify(finished, manifest, depth, dispatcher, journal) }
        try await timer.measure(.writeMetadata) {
            try await journal.claim.check()
            try await metadata.write(finished, milvusRoot: context.configuration.milvus.storage.rootPath)
            try await journal.remove()
        }
        return finished
    }

    /// Compares what was written with what was to be written, before anybody takes it for a backup.
    private func verify(
        _ backup: BackupInfo, _ manifest: (stored: StoredManifest, etag: String), _ depth: VerificationReport.Depth,
        _ dispatcher: Dispatcher, _ journal: BackupJournal
    ) async throws {
        let comparison = try await onDedicatedThread { [paths] in
            let report = VerificationReport(backup: backup.name, depth: depth)
            return try BackupComparison.reading(manifest.stored, backup, paths: paths, report: report)
        }
        try await timer.measure(.verify) { try await comparison.list(metadata.store) }
        if depth == .deep {
            let isMD5 = try ETagShape.isMD5(manifest.etag, of: manifest.stored.bytes ?? [])
            try await comparison.readAll(context, dispatcher, etagsAreMD5: isMD5)
        }
        let report = try await onDedicatedThread { comparison.finish() }
        let hint = "--resume copies all of it again"
        let bucket = metadata.store.identity.bucket
        guard let error = report.failure(directory: paths.directory, bucket: bucket, hint: hint) else { return }
        // What is damaged must not be taken for done.
        try await journal.discard()
        throw error
    }

    /// Segments that an earlier run has copied, and that compaction has replaced since.
    private func removeWhatDoesNotBelong(to backup: BackupInfo) async throws {
        let segments = Set(
            backup.collections.flatMap { $0.partitions.flatMap(\.segments) + $0.l0Segments }.map(\.segmentID))
        var superfluous: [String] = []
        try await metadata.store.forEachPage(prefix: paths.binlogRoot) { page in
            superfluous += page.objects.map(\.key).filter { key in
                paths.parse(key).map { !segments.contains($0.source.segmentID) } ?? true
            }
        }
        for start in stride(from: 0, to: superfluous.count, by: 1000) {
            try await metadata.store.delete(Array(superfluous[start..<min(start + 1000, superfluous.count)]))
        }
    }

    private func describe(databases: [String], server: ServerInfo) async throws -> [DatabaseBackup] {
        guard server.features.contains(.describeDatabase) else { return databases.map { DatabaseBackup(name: $0) } }
        return try await mapInParallel(databases, limit: 4) { name in
            let description = try await milvus.describeDatabase(name)
            var database = DatabaseBackup(name: name, id: description.id)
            database.properties = description.properties.map(KeyValuePair.init)
            if database.isEncrypted {
                let endpoint = context.configuration.milvus.managementEndpoint
                database.encryptionZoneKey = try await MilvusManagement(endpoint: endpoint, http: context.services.http)
                    .encryptionZoneKey(ofDatabase: name)
            }
            return database
        }
    }

    /// Where the replication channel of Milvus 2.5 stands; a backup without it is a backup.
    private func replicationChannel() async -> RPCChannelInfo? {
        let name = context.configuration.milvus.rpcChannelName
        do {
            return RPCChannelInfo(name: name, position: try await milvus.replicationPosition(channel: name))
        } catch {
            logger.warn("the position of the replication channel is not recorded: \(BackupError(wrapping: error))")
            return nil
        }
    }

    /// Describes and copies the collections, several at a time; each is copied as soon as it is flushed.
    private func collect(
        _ names: [CollectionName], server: ServerInfo, _ copying: CollectionBackupTask, into backup: inout BackupInfo
    ) async throws -> [CollectionBackup] {
        let limit = context.configuration.backup.concurrentCollections
        let skips = request.skipsMissing
        guard request.strategy.flushesAll(on: server) else {
            return try await mapInParallel(names, limit: limit) { name -> CollectionBackup? in
                let described = try await copying.step(name, skipsMissing: skips) { try await copying.describe(name) }
                guard let described, request.strategy != .metaOnly else { return described }
                return try await copying.step(name, id: described.collectionID, skipsMissing: skips) {
                    let isFlushed = request.strategy == .skipFlush
                    return try await copying.copyData(of: isFlushed ? described : copying.flush(described))
                }
            }.compactMap { $0 }
        }
        let described = try await mapInParallel(names, limit: limit) { name in
            try await copying.step(name, skipsMissing: skips) { try await copying.describe(name) }
        }.compactMap { $0 }
        let flush = try await timer.measureMilvus(.flush) { try await milvus.flushAllAndWait() }
        backup.flushAllMessages = flush.messages.mapValues { base64Encoded($0) }
        backup.controlChannelName = flush.controlChannel
        backup.physicalChannelNames = flush.physicalChannels
        return try await mapInParallel(described, limit: limit) { collection in
            try await copying.step(collection.qualifiedName, id: collection.collectionID, skipsMissing: skips) {
                try await copying.copyData(of: collection)
            }
        }.compactMap { $0 }
    }
}

extension BackupRequest.Strategy {
    /// Whether one flush brings everything to storage.
    fileprivate func flushesAll(on server: ServerInfo) -> Bool {
        self == .bulkFlush || (self == .automatic && server.features.contains(.flushAll))
    }
}
