import BackupFormat
import Configuration
import MilvusClient
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support
import Synchronization

/// Backs up one collection after the other, in three steps that the strategy of the backup puts together.
struct CollectionBackupTask: Sendable {
    let backupName: String
    let context: JobContext
    let dispatcher: Dispatcher
    let pause: GarbageCollectionPause
    let journal: BackupJournal
    let features: ServerFeatures
    /// Nil when etcd is not to be asked.
    var etcd: MilvusEtcd?

    private var timer: PhaseTimer { context.timer }
    private var milvus: MilvusClient { context.milvus }
    private var backupPaths: BackupPaths {
        BackupPaths(root: context.configuration.backup.storage.keyRoot, name: backupName)
    }

    /// Nil for a collection whose data lies outside of Milvus.
    func describe(_ name: CollectionName) async throws -> CollectionBackup? {
        context.monitor.begin(name)
        let described = try await timer.measureMilvus(.describe) { try await milvus.describeForBackup(name) }
        guard var collection = described else { return nil }
        if let etcd {
            let plain = collection
            collection = try await timer.measure(.describe) { try await etcd.complete(plain) }
        }
        collection.id = context.id
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
        try await pause.begin(collection: collection.collectionID)
        let (planned, moment) = try await copyWhatStays(of: collection)
        context.monitor.finish(planned.qualifiedName)
        try await pause.end(collection: collection.collectionID)
        context.logger.info(
            "collection copied",
            [
                "collection": planned.qualifiedName, "segments": planned.segmentCount,
                "size": formattedBytes(planned.size), "as of": moment.iso8601,
            ])
        return planned
    }

    /// How often the segments of a collection are listed, when objects disappear while they are copied.
    private static let maximumListings = 5

    /// Compaction replaces segments, and garbage collection removes what was replaced: when an object is gone, the segments
    /// are listed again and what was not copied yet is copied. All that is recorded is of one listing, the last.
    ///
    /// - Returns: the collection, and when it was listed.
    private func copyWhatStays(of collection: CollectionBackup) async throws -> (CollectionBackup, Timestamp) {
        let finished = CopiedObjects(journal.earlier)
        var seen: [Int64: SegmentBackup] = [:]
        var listings = 1
        while true {
            let moment = Timestamp.now()
            let planned = try await CollectionInventory(context: context, features: features).taken(of: collection)
            do {
                try await copy(planned, finished)
                let verifier = CopyVerifier(
                    store: context.stores.backup, paths: backupPaths, copied: finished.value,
                    listing: context.listing)
                let changed = try await timer.measure(.verify) { try await verifier.verify(planned) }
                guard let first = changed.first else {
                    try await remove(seen, except: planned)
                    return (planned, moment)
                }
                guard listings < Self.maximumListings else { throw overwritten(first.key) }
                listings += 1
                for object in changed { finished.forget(object, in: backupPaths) }
                context.logger.warn(
                    "objects have other bytes than their copies had, and are copied again",
                    ["collection": planned.qualifiedName, "objects": changed.count, "first": first.key])
            } catch let error as BackupError where error.code == .notFound && listings < Self.maximumListings {
                listings += 1
                for segment in planned.segments { seen[segment.segmentID] = segment }
                context.logger.warn(
                    "an object is gone that was to be copied: the segments of the collection are listed again",
                    ["collection": planned.qualifiedName, "error": error.message])
            }
        }
    }

    private func overwritten(_ key: String) -> BackupError {
        BackupError(
            .corrupted, "\(key) is written by somebody else while the backup is made",
            hint: "look for agents of another coordinator; then go on with --resume")
    }

    private func copy(_ planned: CollectionBackup, _ finished: CopiedObjects) async throws {
        var plan = CopyPlan(context, backupName: backupName)
        plan.finished = finished.value
        let (name, monitor) = (planned.qualifiedName, context.monitor)
        monitor.setSize(planned.size, of: name)
        await dispatcher.announce(plan.amount(of: planned), job: context.id)
        let (journal, paths, copies) = (journal, backupPaths, plan)
        var copying = ObjectCopies(
            context: context, dispatcher: dispatcher, source: .milvus, destination: .backup,
            lane: planned.collectionID)
        copying.spreadsKeys = true
        copying.survivesMissing = true
        copying.onFinished = { shard in
            journal.add(shard)
            finished.add(shard, in: paths)
        }
        copying.onBytes = { monitor.advance(name, by: $0) }
        try await timer.measure(.copy) { [copying] in
            try await copying.copy(large: copies.largeObjects(of: planned)) { copies.shards(of: planned) }
        }
    }

    /// Removes from the backup what was copied of segments that are not in it.
    private func remove(_ seen: [Int64: SegmentBackup], except planned: CollectionBackup) async throws {
        let kept = Set(planned.segments.map(\.segmentID))
        let replaced = seen.values.filter { !kept.contains($0.segmentID) }
        guard !replaced.isEmpty else { return }
        try await removeCopies(of: replaced)
    }

    private func removeCopies(of segments: [SegmentBackup]) async throws {
        journal.replaced()
        var keys: [String] = []
        for copy in plannedCopies(
            of: segments,
            keys: { [backupPaths] kind, log, segment in
                ("", backupPaths.binlogRoot + backupPaths.relativePath(kind, log, of: segment))
            })
        {
            keys.append(copy.destination)
            if keys.count == 1000 {
                try await context.stores.backup.delete(keys)
                keys = []
            }
        }
        if !keys.isEmpty { try await context.stores.backup.delete(keys) }
    }

    // MARK: Dropped meanwhile

    /// Runs a step of a collection's backup, and finds out why it fails.
    ///
    /// - Parameter id: 0 while it is not known.
    /// - Returns: nil for a collection that was dropped and is to be left out.
    func step(
        _ name: CollectionName, id: Int64 = 0, skipsMissing: Bool,
        _ body: () async throws -> CollectionBackup?
    ) async throws -> CollectionBackup? {
        do {
            return try await body()
        } catch let error as BackupError where error.code != .canceled {
            guard !Task.isCancelled, await isDropped(name, id: id) else { throw error }
            let dropped = BackupError(
                .notFound, "collection \(name) was dropped while it was backed up",
                hint: "--skip-missing leaves out what is dropped meanwhile")
            guard skipsMissing else { throw dropped }
            context.logger.warn(
                "a collection was dropped while it was backed up, and is left out", ["collection": name])
            context.monitor.finish(name, failure: BackupError(.notFound, "dropped while it was backed up; left out"))
            if id != 0 {
                journal.replaced()
                for kind in LogKind.allCases {
                    try await context.stores.backup.deleteAll(
                        prefix: backupPaths.collectionPrefix(kind, collectionID: id))
                }
            }
            return nil
        }
    }

    /// Whether there is certainly no such collection, or another one of its name.
    private func isDropped(_ name: CollectionName, id: Int64) async -> Bool {
        do {
            guard try await milvus.hasCollection(name.collection, database: name.database) else { return true }
            guard id != 0 else { return false }
            return try await milvus.describeCollection(name.collection, database: name.database).id != id
        } catch {
            return BackupError(wrapping: error).code == .notFound
        }
    }
}

extension CollectionBackup {
    /// All of them, those of deletions for all partitions at the end.
    var segments: [SegmentBackup] { partitions.flatMap(\.segments) + l0Segments }
}

/// What is copied of a collection: added to by several workers.
private final class CopiedObjects: Sendable {
    private let objects: Mutex<FinishedObjects>

    init(_ earlier: FinishedObjects) { objects = Mutex(earlier) }

    var value: FinishedObjects { objects.withLock { $0 } }

    func add(_ shard: FinishedShard, in paths: BackupPaths) { objects.withLock { $0.add(shard, in: paths) } }

    func forget(_ object: ObjectInfo, in paths: BackupPaths) {
        objects.withLock { $0.forget(object.key.dropFirst(paths.directory.count), size: object.size) }
    }
}
