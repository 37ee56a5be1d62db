import BackupFormat
import Configuration
import MilvusClient
import ShardProtocol
import ShardScheduling
import Support

/// Backs up one collection after the other, in three steps that the strategy of the backup puts together.
struct CollectionBackupTask: Sendable {
    let backupName: String
    let context: JobContext
    let dispatcher: Dispatcher
    let pause: GarbageCollectionPause
    let journal: BackupJournal

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var backupPaths: BackupPaths {
        BackupPaths(root: context.configuration.backup.storage.rootPath, name: backupName)
    }

    /// Nil for a collection whose data lies outside of Milvus.
    func describe(_ name: CollectionName) async throws -> CollectionBackup? {
        context.monitor.begin(name)
        var collection = try await timer.measureMilvus(.describe) { try await milvus.describeForBackup(name) }
        collection?.id = context.id
        return collection
    }

    /// Brings a collection's data to storage, and records up to where.
    func flush(_ collection: CollectionBackup) async throws -> CollectionBackup {
        let name = collection.qualifiedName
        let flushed = try await timer.measureMilvus(.flush) {
            try await milvus.flushAndWait(name.collection, database: name.database)
        }
        var collection = collection
        collection.backupPhysicalTimestamp = UInt64(max(0, flushed.sealTime))
        collection.channelCheckpoints = flushed.channelCheckpoints.mapValues { base64Encoded($0.position) }
        collection.backupTimestamp = flushed.latestCheckpoint
        return collection
    }

    /// Copies what is in storage, and records it.
    func copyData(of collection: CollectionBackup) async throws -> CollectionBackup {
        await pause.begin(collection: collection.collectionID)
        let planned = try await CollectionInventory(context: context).taken(of: collection)
        var plan = CopyPlan(context, backupName: backupName)
        plan.finished = journal.earlier
        let (name, monitor) = (planned.qualifiedName, context.monitor)
        monitor.setSize(planned.size, of: name)
        await dispatcher.announce(plan.amount(of: planned), job: context.id)
        let journal = journal
        let copies = plan
        try await timer.measure(.copy) {
            try await dispatcher.copy(
                copies.shards(of: planned), job: context.id, lane: planned.collectionID, spreadsKeys: true,
                onFinished: { journal.add($0) }, onBytes: { monitor.advance(name, by: $0) })
        }
        try await timer.measure(.verify) {
            try await CopyVerifier(store: context.stores.backup, paths: backupPaths).verify(planned)
        }
        monitor.finish(name)
        await pause.end(collection: collection.collectionID)
        context.logger.info(
            "collection copied",
            [
                "collection": planned.qualifiedName, "segments": planned.segmentCount,
                "size": formattedBytes(planned.size),
            ])
        return planned
    }
}
