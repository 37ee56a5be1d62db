import BackupFormat
import MilvusClient
import Support

/// What became of an import that an earlier run has begun.
enum ImportFate: Sendable, Hashable {
    case completed
    /// It goes on under this id of a task or job.
    case running(String)
}

/// How a restore goes on with one collection: a pure decision.
enum CollectionContinuation: Sendable, Hashable {
    /// Nothing was done yet.
    case fresh
    /// What is there is this restore's own, and cannot be relied on: it is dropped and made again.
    case anew
    /// It is ready for its data. Imports by their directories; those that are not among them were not begun. Tasks that
    /// are to be ignored are none of this restore's.
    case goesOn([[String]: ImportFate], ignoring: Set<Int64>)
    case finished
}

extension CollectionContinuation {
    /// What Milvus knows of a collection now; nil for one that is not there.
    struct Present: Sendable, Hashable {
        var collectionID: Int64
        /// Whether there was ever a row in it.
        var hasSegments: Bool
    }

    /// - Parameters:
    ///   - history: nil for a collection of which the journal knows nothing.
    ///   - fates: of the imports that are not done by the journal; those that cannot be told are not among them.
    ///   - planned: the directories of all imports there are to be.
    /// - Throws: `alreadyExists` when a collection that this restore has not made would have to be dropped.
    init(
        _ target: CollectionName, _ history: RestoreJournal.History?, _ present: Present?,
        fates: [[String]: ImportFate],
        planned: Set<[String]>, request: RestoreRequest
    ) throws(BackupError) {
        guard let history else {
            self = .fresh
            return
        }
        if history.stage == .completed {
            self = .finished
            return
        }
        let isSame = history.collectionID != 0 && present?.collectionID == history.collectionID
        let known = CollectionContinuation.known(history, fates, planned)
        guard !request.skipsCreation else {
            self = try CollectionContinuation.intoForeign(target, history, isSame ? known : nil)
            return
        }
        guard let present else {
            self = .anew
            return
        }
        guard history.collectionID != 0 else {
            // It was about to be made. One that has never had a row is no loss, whoever has made it.
            guard request.dropsExistingCollections || !present.hasSegments else {
                throw CollectionContinuation.foreign(target)
            }
            self = .anew
            return
        }
        guard isSame else { throw CollectionContinuation.foreign(target) }
        guard history.stage == .ready, let known else {
            self = .anew
            return
        }
        self = .goesOn(known, ignoring: Set(history.earlierTasks))
    }

    /// Nil when it cannot be told of every import whether its rows are, or will be, there.
    private static func known(
        _ history: RestoreJournal.History, _ fates: [[String]: ImportFate], _ planned: Set<[String]>
    ) -> [[String]: ImportFate]? {
        var known: [[String]: ImportFate] = [:]
        for statement in history.imports {
            guard planned.contains(statement.files), let fate = statement.isDone ? .completed : fates[statement.files]
            else { return nil }
            known[statement.files] = fate
        }
        return known
    }

    private static func intoForeign(
        _ target: CollectionName, _ history: RestoreJournal.History, _ known: [[String]: ImportFate]?
    ) throws(BackupError) -> CollectionContinuation {
        if history.imports.isEmpty { return .fresh }
        guard let known else {
            throw BackupError(
                .alreadyExists,
                "restore: it cannot be told which rows have reached \(target), and the collection is your own "
                    + "(--skip_create_collection), so it is not made again",
                hint: "empty it and restore it without --resume")
        }
        return .goesOn(known, ignoring: Set(history.earlierTasks))
    }

    private static func foreign(_ target: CollectionName) -> BackupError {
        BackupError(
            .alreadyExists, "restore: collection \(target) was not made by this restore",
            hint: "drop or rename it and try again, or restore without --resume under another name")
    }
}

extension CollectionContinuation {
    /// What became of an import, by its directories; nil for one that was not begun.
    func fate(of files: [String]) -> ImportFate? {
        if case .goesOn(let known, _) = self { known[files] } else { nil }
    }
}

extension RestoreJournal.Import {
    /// Which of the tasks that Milvus remembers is this import; nil when that cannot be told, or when it has failed.
    ///
    /// - Parameter earlier: tasks that are none of this restore's.
    func fate(in tasks: [Milvus.ImportTask], ignoring earlier: Set<Int64>) -> ImportFate? {
        let candidates = tasks.filter { candidate in
            if !task.isEmpty { return String(candidate.id) == task }
            let listed = candidate.info("files") ?? ""
            return !earlier.contains(candidate.id) && files.allSatisfy { $0.isEmpty || listed.contains($0) }
        }
        guard candidates.count == 1, let found = candidates.first, !found.state.isFailure else { return nil }
        return found.state == .completed ? .completed : .running(String(found.id))
    }
}

extension RestoreRequest {
    /// What must be the same when a restore is gone on with, by the names of the options.
    func description(of selection: RestoreSelection) -> [String: String] {
        [
            "name": backupName, "the backup of that name": selection.backupID,
            "the choice and the names of collections": selection.items.map { "\($0.source.qualifiedName):\($0.target)" }
                .sorted()
                .joined(separator: ","),
            "rebuild_index": "\(restoresIndexes)", "use_auto_index": "\(usesAutoIndex)",
            "drop_exist_collection": "\(dropsExistingCollections)", "drop_exist_index": "\(dropsExistingIndexes)",
            "skip_create_collection": "\(skipsCreation)", "meta_only": "\(metaOnly)",
            "use_v2_restore": "\(usesImportJobs)", "truncateBinlogByTs": "\(truncatesAtCheckpoints)",
        ]
    }

    /// - Throws: `invalidArgument` when a restore that was begun with other options cannot be gone on with like this.
    static func check(_ now: [String: String], against begun: [String: String], id: String) throws(BackupError) {
        guard !begun.isEmpty, let other = now.keys.sorted().first(where: { now[$0] != begun[$0] }) else { return }
        throw BackupError(
            .invalidArgument, "restore \(id) was begun with other options: \(other)",
            hint: "go on with the options it was begun with")
    }
}
