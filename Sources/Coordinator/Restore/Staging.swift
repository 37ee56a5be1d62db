import BackupFormat
import Configuration
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support
import Synchronization

/// A directory at the top of Milvus' bucket to which the workers copy what Milvus shall import.
struct Staging: Sendable {
    /// The same layout as in the backup.
    let paths: BackupPaths
    private let backup: BackupPaths
    private let context: JobContext
    private let dispatcher: Dispatcher

    init(for target: CollectionName, backup: BackupPaths, context: JobContext, dispatcher: Dispatcher) {
        self.paths = Staging.paths(for: target, context)
        self.backup = backup
        self.context = context
        self.dispatcher = dispatcher
    }

    /// Milvus imports out of its own bucket only.
    static func isNeeded(in context: JobContext) -> Bool {
        let (from, to) = (context.stores.backup.identity, context.stores.milvus.identity)
        return !from.isSameBackend(as: to) || from.bucket != to.bucket || context.transferMode == .streaming
    }

    static func paths(for target: CollectionName, _ context: JobContext) -> BackupPaths {
        BackupPaths(root: "", name: directory(for: target, prefix: prefix(context)))
    }

    /// Where Milvus finds the logs that are imported.
    static func importPaths(for target: CollectionName, backupName: String, _ context: JobContext) -> BackupPaths {
        let storage = context.configuration.milvus.storage
        guard isNeeded(in: context) else {
            let backups = context.configuration.backup.storage.keyRoot
            return BackupPaths(root: joinPath(storage.importRoot, backups), name: backupName)
        }
        return BackupPaths(root: storage.importRoot, name: directory(for: target, prefix: prefix(context)))
    }

    func announce(_ units: [ImportUnit]) async {
        let amount = units.reduce(WorkAmount()) { $0 + workAmount(of: $1.segments, limits: context.shardLimits) }
        await dispatcher.announce(amount, job: context.id)
    }

    /// Copies what belongs to an import, and looks whether it has arrived.
    ///
    /// - Parameters:
    ///   - goesOn: whether an earlier run may have copied some of it, which is not copied again.
    ///   - onProgress: told of the bytes that have been copied.
    func stage(_ unit: ImportUnit, goesOn: Bool, onProgress: @escaping @Sendable (Int64) -> Void) async throws {
        let present = goesOn ? try await staged(unit) : [:]
        try await context.timer.measure(.copy) {
            var copying = ObjectCopies(
                context: context, dispatcher: dispatcher, source: .backup, destination: .milvus,
                lane: unit.collectionID)
            copying.onBytes = onProgress
            let limits = context.shardLimits
            let large = Array(copies(of: unit, except: present) { $0 >= limits.largeObject })
            let cutter = ShardCutter(
                source: .backup, destination: .milvus, mode: context.transferMode, limits: limits)
            try await copying.copy(large: large) {
                ShardSequence(copies: copies(of: unit, except: present) { $0 < limits.largeObject }, cutter: cutter)
            }
        }
        try await context.timer.measure(.verify) {
            let verifier = CopyVerifier(store: context.stores.milvus, paths: paths, listing: context.listing)
            for kind in LogKind.allCases where kind == .delta || !unit.isL0 {
                try await verifier.verify(kind, of: unit.segments, below: unit.prefix(kind, in: paths))
            }
        }
    }

    private func copies(
        of unit: ImportUnit, except present: [String: Int64], where isWanted: @escaping @Sendable (Int64) -> Bool
    ) -> some Sequence<PlannedCopy> {
        plannedCopies(of: unit.segments, where: isWanted) { kind, log, segment in
            let path = backup.relativePath(kind, log, of: segment)
            return (backup.binlogRoot + path, paths.binlogRoot + path)
        }.filter { present[$0.destination] != $0.size }
    }

    /// What of a unit is there already: keys and sizes. Only what the ETags prove: the last thing that a worker did before it
    /// was killed may have been to write an object that arrived damaged.
    private func staged(_ unit: ImportUnit) async throws -> [String: Int64] {
        let originals = try await objects(of: unit, in: context.stores.backup, below: backup)
        let present = try await objects(of: unit, in: context.stores.milvus, below: paths)
        var proven: [String: Int64] = [:]
        for (path, object) in present {
            guard let original = originals[path], original.size == object.size else { continue }
            let comparison = ETagShape(original.etag).compared(to: ETagShape(object.etag), boundariesAreEqual: false)
            if comparison == .equal { proven[object.key] = object.size }
        }
        return proven
    }

    /// The objects of a unit by their paths below `binlogs/`.
    private func objects(
        of unit: ImportUnit, in store: any ObjectStore, below paths: BackupPaths
    ) async throws -> [String: ObjectInfo] {
        var found: [String: ObjectInfo] = [:]
        for kind in LogKind.allCases where kind == .delta || !unit.isL0 {
            try await store.forEachPage(prefix: unit.prefix(kind, in: paths)) { page in
                for object in page.objects { found[String(object.key.dropFirst(paths.binlogRoot.count))] = object }
            }
        }
        return found
    }

    /// Ends uploads that an earlier run has left unfinished.
    static func abortUploads(of context: JobContext) async throws {
        try await context.stores.milvus.abortUploads(below: prefix(context))
    }

    /// Removes the directory.
    func remove() async { await Staging.remove([paths.directory], context) }

    /// Removes all directories of a restore, and its journal. For when it has failed and its workers are gone: before that
    /// they may still be writing.
    static func removeAll(of context: JobContext) async {
        guard await removeOnce(context), isNeeded(in: context), !context.configuration.restore.keepTempFiles else {
            return
        }
        // A request that was cut off may be on its way still, and the store carries it out all the same.
        await Task { try? await Task.sleep(for: .seconds(1)) }.value
        await removeOnce(context)
    }

    @discardableResult
    private static func removeOnce(_ context: JobContext) async -> Bool {
        await context.endUploads(below: prefix(context), in: context.stores.milvus)
        return await remove([prefix(context), RestoreJournal.prefix(id: context.id)], context)
    }

    /// The directory of a collection, whose name is one that ``RestoreSelection`` has let pass: it is no path.
    static func directory(for target: CollectionName, prefix: String) -> String {
        "\(prefix)\(target.database)-\(target.collection)"
    }

    /// What the directories of one restore begin with. Its id is a random one.
    static func prefix(_ context: JobContext) -> String { "restore-temp-\(context.id)-" }

    /// Also done when the job was cancelled, but then not for longer than the store gets on with it. What cannot be removed is
    /// told and left: the job's record stays as well, and the next restore removes both.
    ///
    /// - Returns: whether nothing of it is left.
    @discardableResult
    private static func remove(_ prefixes: [String], _ context: JobContext) async -> Bool {
        guard !context.configuration.restore.keepTempFiles else { return false }
        let patience: Duration = Task.isCancelled ? .seconds(5) : .seconds(600)
        return await context.timer.measure(.cleanUp) {
            await Task {
                do {
                    let done = Atomic<Int64>(0)
                    let watchdog = StallWatchdog(interval: .seconds(1))
                    try await watchdog.watch(
                        "removal of temporary files", timeout: patience, progress: { done.load(ordering: .relaxed) }
                    ) {
                        for prefix in prefixes {
                            try await context.stores.milvus.deleteAll(prefix: prefix) {
                                done.add(1, ordering: .relaxed)
                            }
                        }
                    }
                    return true
                } catch {
                    context.logger.warn(
                        "temporary files are left",
                        [
                            "bucket": context.stores.milvus.identity.bucket, "prefix": prefixes[0],
                            "error": BackupError(wrapping: error),
                        ])
                    return false
                }
            }.value
        }
    }
}

extension BackupPaths {
    /// Of a backup where the configuration has them.
    init(_ context: JobContext, name: String) {
        self.init(root: context.configuration.backup.storage.keyRoot, name: name)
    }
}
