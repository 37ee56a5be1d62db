import BackupFormat
import Configuration
import MilvusClient
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support

/// Restores one collection: makes it, then stages and imports its data, group by group.
struct CollectionRestoreTask: Sendable {
    let item: RestoreSelection.Item
    /// Nil when no data is to be restored.
    let imports: ImportPlan?
    let request: RestoreRequest
    let server: ServerInfo
    let context: JobContext
    let dispatcher: Dispatcher
    let way: ImportWay
    let journal: RestoreJournal
    /// Where an earlier run has left off.
    let continuation: CollectionContinuation

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var target: CollectionName { item.target }
    private var source: CollectionBackup { item.source }

    func run() async throws {
        context.monitor.begin(target)
        do {
            try await restore()
            context.monitor.finish(target)
        } catch {
            context.monitor.finish(target, failure: BackupError(wrapping: error))
            throw error
        }
    }

    private func restore() async throws {
        if continuation == .finished {
            return context.logger.info("collection was restored before", ["from": source.qualifiedName, "to": target])
        }
        let earlier = try await prepare()
        if let imports { try await restoreData(imports, ignoring: earlier) }
        try await timer.measureMilvus(.createCollections) { try await finish() }
        try await journal.write(.completed, of: target)
        context.logger.info(
            "collection restored",
            ["from": source.qualifiedName, "to": target, "size": formattedBytes(source.size)])
    }

    // MARK: The collection

    /// Makes all that must be there before the data.
    ///
    /// - Returns: import tasks that are none of this restore's.
    private func prepare() async throws -> Set<Int64> {
        if case .goesOn(let known, let earlier) = continuation {
            context.logger.info(
                "going on with a collection", ["collection": target, "imports begun before": known.count])
            return earlier
        }
        if continuation == .anew {
            context.logger.info(
                "a collection is made again, since it cannot be told what is in it", ["collection": target])
            try await journal.forget(target)
        }
        return try await timer.measureMilvus(.createCollections) {
            try await journal.write(.begun, of: target)
            try await create()
            let id = try await milvus.describeCollection(target.collection, database: target.database).id
            try await journal.write(.made, of: target, collectionID: id)
            try await createIndexes()
            try await createPartitions()
            let earlier = try await earlierImports()
            try await journal.write(.ready, of: target, collectionID: id, earlier: earlier)
            return earlier
        }
    }

    private func create() async throws {
        guard !request.skipsCreation else { return }
        if request.dropsExistingCollections || continuation == .anew {
            await outwaitImports()
            try await milvus.dropCollection(target.collection, database: target.database)
        }
        for field in source.schema.fields where field.hasDamagedDefaultValue {
            context.logger.warn(
                "the default value of a field is damaged in this old backup and not restored",
                ["collection": target, "field": field.name])
        }
        let creation = CollectionCreation(source, target: target, server: server, changes: request.changes)
        try await milvus.createCollection(creation.request, database: target.database)
        for field in creation.addedFields {
            try await milvus.addCollectionField(field, collection: target.collection, database: target.database)
        }
        if creation.switchesFunctionCheckOn {
            try await milvus.alterCollection(
                target.collection, database: target.database, set: [CollectionCreation.functionCheckOn])
        }
    }

    /// Milvus 2.3 keeps trying to import into a collection that is gone, and whatever comes next waits for that, minutes
    /// long. So what is running may end first, within a bound.
    private func outwaitImports() async {
        guard !way.usesJobs else { return }
        let deadline = ContinuousClock.now + .seconds(60)
        while ContinuousClock.now < deadline {
            // A collection that is not there has none.
            let tasks = try? await milvus.listImportTasks(of: target.collection, database: target.database)
            guard let tasks, tasks.contains(where: { !$0.state.isFinal }) else { return }
            guard (try? await Task.sleep(for: .milliseconds(200))) != nil else { return }
        }
    }

    private func createIndexes() async throws {
        if request.dropsExistingIndexes {
            for index in try await milvus.describeIndexes(of: target.collection, database: target.database) {
                try await milvus.dropIndex(index.name, of: target.collection, database: target.database)
            }
        }
        guard request.restoresIndexes else { return }
        let creation = IndexCreation(
            source, target: target, usesAutoIndex: request.usesAutoIndex, changes: request.changes)
        for index in creation.requests { try await milvus.createIndex(index, database: target.database) }
    }

    private func createPartitions() async throws {
        let present = Set(try await milvus.showPartitions(of: target.collection, database: target.database).map(\.name))
        for partition in source.partitions where !present.contains(partition.name) {
            try await milvus.createPartition(partition.name, of: target.collection, database: target.database)
        }
    }

    /// What can be done only when the data is there.
    private func finish() async throws {
        if request.restoresAliases { await createAliases() }
        guard request.loads, source.loadState != LoadState.notLoaded.rawValue else { return }
        try await milvus.loadCollection(target.collection, database: target.database)
    }

    /// An alias may be in use, by the original beside which this is restored for instance: it stays where it is.
    private func createAliases() async {
        for alias in source.aliases {
            do {
                try await milvus.createAlias(alias, collection: target.collection, database: target.database)
            } catch {
                context.logger.warn(
                    "alias not restored",
                    ["alias": alias, "collection": target, "why": BackupError(wrapping: error).description])
            }
        }
    }

    // MARK: The data

    private func restoreData(_ imports: ImportPlan, ignoring earlier: Set<Int64>) async throws {
        context.monitor.setSize(source.size, of: target)
        let paths = Staging.importPaths(for: target, backupName: request.backupName, context)
        guard Staging.isNeeded(in: context) else {
            return try await restore(imports, stagedBy: nil, at: paths, earlier)
        }
        let backup = BackupPaths(context, name: request.backupName)
        let staging = Staging(for: target, backup: backup, context: context, dispatcher: dispatcher)
        try await restore(imports, stagedBy: staging, at: paths, earlier)
        await staging.remove()
    }

    private func restore(
        _ imports: ImportPlan, stagedBy staging: Staging?, at paths: BackupPaths, _ earlier: Set<Int64>
    ) async throws {
        if let staging { await staging.announce(imports.units) }
        for (number, stage) in way.batches(of: imports).enumerated() {
            // While Milvus imports some, others are being staged.
            try await forEachInParallel(Array(stage.enumerated()), limit: 64) { index, batch in
                let note = ImportNote(
                    journal: journal, target: target, number: "\(number)-\(index)",
                    files: way.files(of: batch, into: target, from: paths))
                try await restore(batch, stagedBy: staging, at: paths, earlier, note)
            }
        }
    }

    private func restore(
        _ batch: ImportBatch, stagedBy staging: Staging?, at paths: BackupPaths, _ earlier: Set<Int64>,
        _ note: ImportNote
    ) async throws {
        let (monitor, target) = (context.monitor, target)
        switch continuation.fate(of: note.files) {
        case .completed: return monitor.advance(target, by: batch.size)
        case .running(let task):
            try await way.run(batch, into: target, from: paths, ignoring: earlier, running: task, note: note)
            return monitor.advance(target, by: batch.size)
        case nil: break
        }
        if let staging {
            // To stage it is half of the way.
            try await forEachInParallel(batch.units, limit: 16) { unit in
                try await staging.stage(unit, goesOn: request.resumes) { monitor.advance(target, by: $0 / 2) }
            }
        }
        try await way.run(batch, into: target, from: paths, ignoring: earlier, note: note)
        monitor.advance(target, by: staging == nil ? batch.size : batch.size - batch.size / 2)
    }

    /// Imports of the same backup into a collection that was there before must not be taken for this restore's.
    private func earlierImports() async throws -> Set<Int64> {
        guard request.skipsCreation || continuation == .anew, !way.usesJobs else { return [] }
        let tasks = try await milvus.listImportTasks(of: target.collection, database: target.database)
        return Set(tasks.map(\.id))
    }
}
