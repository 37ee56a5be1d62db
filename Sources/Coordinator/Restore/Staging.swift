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
        self.paths = BackupPaths(root: "", name: Staging.directory(for: target, prefix: Staging.prefix(context)))
        self.backup = backup
        self.context = context
        self.dispatcher = dispatcher
    }

    func announce(_ units: [ImportUnit]) async {
        let amount = units.reduce(WorkAmount()) { $0 + workAmount(of: $1.segments, limits: context.shardLimits) }
        await dispatcher.announce(amount, job: context.id)
    }

    /// Copies what belongs to an import, and looks whether it has arrived.
    ///
    /// - Parameter onProgress: told of the bytes that have been copied.
    func stage(_ unit: ImportUnit, onProgress: @escaping @Sendable (Int64) -> Void) async throws {
        try await context.timer.measure(.copy) {
            let copies = plannedCopies(of: unit.segments) { kind, log, segment in
                let path = backup.relativePath(kind, log, of: segment)
                return (backup.binlogRoot + path, paths.binlogRoot + path)
            }
            let cutter = ShardCutter(
                source: .backup, destination: .milvus, mode: context.transferMode, limits: context.shardLimits)
            try await dispatcher.copy(
                ShardSequence(copies: copies, cutter: cutter), job: context.id, lane: unit.collectionID,
                onBytes: onProgress)
        }
        try await context.timer.measure(.verify) {
            let verifier = CopyVerifier(store: context.stores.milvus, paths: paths)
            for kind in LogKind.allCases where kind == .delta || !unit.isL0 {
                try await verifier.verify(kind, of: unit.segments, below: unit.prefix(kind, in: paths))
            }
        }
    }

    /// Removes the directory.
    func remove() async { await Staging.remove(paths.directory, context) }

    /// Removes all directories of a restore. For when it has failed and its workers are gone: before that they may still be
    /// writing.
    static func removeAll(of context: JobContext) async { await remove(prefix(context), context) }

    /// The directory of a collection, whose name is one that ``RestoreSelection`` has let pass: it is no path.
    static func directory(for target: CollectionName, prefix: String) -> String {
        "\(prefix)\(target.database)-\(target.collection)"
    }

    /// What the directories of one restore begin with. Its id is a random one.
    static func prefix(_ context: JobContext) -> String { "restore-temp-\(context.id)-" }

    /// Also done when the job was cancelled, but then not for longer than the store gets on with it. What cannot be removed is
    /// told and left: the job's record stays as well, and the next restore removes both.
    private static func remove(_ prefix: String, _ context: JobContext) async {
        guard !context.configuration.restore.keepTempFiles else { return }
        let patience: Duration = Task.isCancelled ? .seconds(5) : .seconds(600)
        await context.timer.measure(.cleanUp) {
            await Task {
                do {
                    let done = Atomic<Int64>(0)
                    let watchdog = StallWatchdog(interval: .seconds(1))
                    try await watchdog.watch(
                        "removal of temporary files", timeout: patience, progress: { done.load(ordering: .relaxed) }
                    ) {
                        try await context.stores.milvus.deleteAll(prefix: prefix) {
                            done.add(1, ordering: .relaxed)
                        }
                    }
                } catch {
                    context.logger.warn(
                        "temporary files are left",
                        [
                            "bucket": context.stores.milvus.identity.bucket, "prefix": prefix,
                            "error": BackupError(wrapping: error),
                        ])
                }
            }.value
        }
    }
}
