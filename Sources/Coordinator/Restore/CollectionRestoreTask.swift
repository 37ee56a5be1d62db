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
        try await timer.measureMilvus(.createCollections) {
            try await create()
            try await createIndexes()
            try await createPartitions()
        }
        if let imports { try await restoreData(imports) }
        try await timer.measureMilvus(.createCollections) { try await finish() }
        context.logger.info(
            "collection restored",
            ["from": source.qualifiedName, "to": target, "size": formattedBytes(source.size)])
    }

    // MARK: The collection

    private func create() async throws {
        guard !request.skipsCreation else { return }
        if request.dropsExistingCollections {
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

    private func restoreData(_ imports: ImportPlan) async throws {
        context.monitor.setSize(source.size, of: target)
        let root = context.configuration.backup.storage.rootPath
        let backupPaths = BackupPaths(root: root, name: request.backupName)
        guard needsStaging else { return try await restore(imports, stagedBy: nil, at: backupPaths) }
        let staging = Staging(for: target, backup: backupPaths, context: context, dispatcher: dispatcher)
        try await restore(imports, stagedBy: staging, at: staging.paths)
        await staging.remove()
    }

    private func restore(_ imports: ImportPlan, stagedBy staging: Staging?, at paths: BackupPaths) async throws {
        if let staging { await staging.announce(imports.units) }
        let earlier = try await earlierImports()
        for stage in way.batches(of: imports) {
            // While Milvus imports some, others are being staged.
            try await forEachInParallel(stage, limit: 64) { batch in
                let (monitor, target) = (context.monitor, target)
                if let staging {
                    // To stage it is half of the way.
                    try await forEachInParallel(batch.units, limit: 16) { unit in
                        try await staging.stage(unit) { monitor.advance(target, by: $0 / 2) }
                    }
                }
                try await way.run(batch, into: target, from: paths, ignoring: earlier)
                monitor.advance(target, by: staging == nil ? batch.size : batch.size - batch.size / 2)
            }
        }
    }

    /// Imports of the same backup into a collection that was there before must not be taken for this restore's.
    private func earlierImports() async throws -> Set<Int64> {
        guard request.skipsCreation, !way.usesJobs else { return [] }
        let tasks = try await milvus.listImportTasks(of: target.collection, database: target.database)
        return Set(tasks.map(\.id))
    }

    /// Milvus imports out of its own bucket only.
    private var needsStaging: Bool {
        let (from, to) = (context.stores.backup.identity, context.stores.milvus.identity)
        return !from.isSameBackend(as: to) || from.bucket != to.bucket || context.transferMode == .streaming
    }
}
