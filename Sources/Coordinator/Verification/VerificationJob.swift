import BackupFormat
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support

/// Compares a stored backup with its manifest, or with its metadata where it has none. Milvus is not asked.
struct VerificationJob: Sendable {
    let request: VerificationRequest
    let context: JobContext

    private var metadata: MetadataStore { context.services.metadata }
    private var paths: BackupPaths { BackupPaths(root: metadata.backupRoot, name: request.backupName) }

    /// - Returns: what was found. That a backup is damaged is no error.
    /// - Throws: `notFound` when there is no finished backup of this name; what the store throws.
    func run() async throws -> JobOutcome<VerificationReport> {
        try BackupName.validateExisting(request.backupName)
        try await context.timer.measure(.connect) { try await context.services.checkBackupBucket(makesBucket: false) }
        try await checkExistence()
        async let storedManifest = StoredManifest.read(metadata.store, paths)
        let found = try await context.timer.measure(.readMetadata) {
            try await MetadataCheck(metadata: metadata, name: request.backupName).run()
        }
        let manifest = try await storedManifest
        var report = VerificationReport(backup: request.backupName, depth: request.depth)
        report.recordProblems = found.problems
        let comparison = try await compare(found.backup, manifest, report)
        // Where nothing tells what belongs to the backup, that is all there is to say.
        guard comparison.expected.isKnown else { return JobOutcome(result: comparison.finish(), shares: []) }
        try await context.timer.measure(.verify) { try await comparison.list(metadata.store) }
        guard request.depth == .deep else { return try await end(comparison, manifest, shares: []) }
        let outcome = try await context.withWorkers(backupName: request.backupName) { dispatcher in
            let isMD5 = try await evidence()
            let (monitor, whole) = (context.monitor, CollectionName(database: "", collection: request.backupName))
            monitor.plan([whole])
            monitor.begin(whole)
            monitor.setSize(comparison.amount.bytes, of: whole)
            try await comparison.readAll(context, dispatcher, etagsAreMD5: isMD5) { monitor.advance(whole, by: $0) }
        }
        return try await end(comparison, manifest, shares: outcome.shares)
    }

    private func checkExistence() async throws {
        if try await metadata.exists(request.backupName) { return }
        guard try await metadata.hasAnything(request.backupName) else {
            throw BackupError(
                .notFound, "backup \(request.backupName) not found", hint: "`list` shows the backups that are there")
        }
        throw BackupError(
            .notFound, "backup \(request.backupName) is not finished: \(paths.metadata(.backup)) does not exist",
            hint: "go on with it by create --resume, or delete it")
    }

    private func compare(
        _ backup: BackupInfo?, _ manifest: StoredManifest, _ report: VerificationReport
    ) async throws -> BackupComparison {
        if let backup, backup.format != .binlog, manifest.bytes == nil {
            throw BackupError(
                .unsupported,
                "backup \(request.backupName) has no manifest, and its format \"\(backup.format.rawValue)\" cannot be "
                    + "checked without one")
        }
        let isReplaced = request.writesManifest
        return try await onDedicatedThread { [paths] in
            try BackupComparison.reading(
                manifest, backup, paths: paths, report: report, forgivesManifest: isReplaced)
        }
    }

    /// Whether ETags of the store are MD5: those of a file that is read in any case tell.
    private func evidence() async throws -> Bool {
        let (bytes, info) = try await metadata.store.readWhole(paths.metadata(.backup), limit: 64 << 20)
        return try ETagShape.isMD5(info.etag, of: bytes)
    }

    private func end(
        _ comparison: BackupComparison, _ manifest: StoredManifest, shares: [AgentProgress]
    ) async throws -> JobOutcome<VerificationReport> {
        var report = try await onDedicatedThread { comparison.finish() }
        if request.writesManifest, comparison.expected.manifest == nil, !report.isDamaged {
            let header = ManifestHeader(name: request.backupName, id: context.id)
            let bytes = try await onDedicatedThread { try comparison.manifest(header) }
            try await metadata.store.put(paths.manifest, body: .bytes(bytes))
            report.wroteManifest = true
        }
        return JobOutcome(result: report, shares: shares)
    }
}

/// The manifest of a backup as it is stored.
struct StoredManifest: Sendable {
    /// Compressed, a few dozen bytes an object; nil when there is none.
    var bytes: [UInt8]?
    var key: String

    /// Whether this release can read it at all.
    ///
    /// - Returns: none in place of one that a later release wrote.
    func understood(_ logger: Logger) throws -> StoredManifest {
        guard let bytes else { return self }
        do {
            _ = try ManifestReader(bytes)
        } catch let error as BackupError where error.code == .unsupported {
            logger.warn("the backup is compared with its metadata alone", ["reason": error.message])
            return StoredManifest(bytes: nil, key: key)
        } catch {
            // Damage is found again, and told, when it is read.
        }
        return self
    }

    static func read(_ store: any ObjectStore, _ paths: BackupPaths) async throws -> StoredManifest {
        do {
            let (bytes, _) = try await store.readWhole(paths.manifest, limit: 1 << 30)
            return StoredManifest(bytes: bytes, key: paths.manifest)
        } catch let error as BackupError where error.code == .notFound {
            return StoredManifest(bytes: nil, key: paths.manifest)
        }
    }
}

extension BackupComparison {
    /// A comparison with the manifest, and with the metadata where that cannot be read. Belongs on a thread of its own.
    ///
    /// - Parameters:
    ///   - forgivesManifest: whether a manifest that cannot be read counts as none.
    ///   - collections: which are looked at; nil for all.
    static func reading(
        _ manifest: StoredManifest, _ backup: BackupInfo?, paths: BackupPaths, report: VerificationReport,
        forgivesManifest: Bool = false, collections: Set<Int64>? = nil
    ) throws -> BackupComparison {
        var report = report
        var expected = ExpectedObjects(
            paths: paths, manifest: manifest.bytes, metadata: backup, collections: collections)
        var (table, unrecorded): (ObjectTable, Int)
        do {
            (table, unrecorded) = try expected.table()
        } catch let error as BackupError where error.code == .corrupted {
            if !forgivesManifest { report.recordProblems.append("\(manifest.key) cannot be read: \(error.message)") }
            expected = ExpectedObjects(paths: paths, manifest: nil, metadata: backup, collections: collections)
            (table, unrecorded) = try expected.table()
        }
        report.basis = expected.manifest == nil ? .metadata : .manifest
        if unrecorded > 0 {
            report.recordProblems.append(
                "\(manifest.key) does not have \(counted(unrecorded, "object")) that the metadata has")
        }
        return BackupComparison(expected, table: table, report: report)
    }

    /// Lets the workers of a job read everything.
    ///
    /// - Parameter onProgress: told of the bytes that have been read.
    func readAll(
        _ context: JobContext, _ dispatcher: Dispatcher, etagsAreMD5: Bool,
        onProgress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws {
        let limits = context.shardLimits
        await dispatcher.announce(amount, job: context.id)
        try await context.timer.measure(.readBack) {
            try await dispatcher.copy(
                shards(limits: limits, etagsAreMD5: etagsAreMD5), job: context.id, lane: 0,
                onFinished: { finished in
                    self.add(finished)
                    onProgress(finished.shard.bytes)
                })
        }
    }
}
