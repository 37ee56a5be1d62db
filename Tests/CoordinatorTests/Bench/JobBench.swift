import BackupFormat
import Configuration
import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization

@testable import Coordinator
@testable import MilvusClient

/// A Milvus with two collections and their logs in its bucket, to be backed up, and to be restored into.
struct JobBench: Sendable {
    let milvus: FakeMilvus
    let bench: ServiceBench

    var source: MemoryObjectStore { bench.milvusStore }
    var backups: MemoryObjectStore { bench.backupStore }
    var metadata: MetadataStore { bench.services.metadata }

    init(
        hasBackupBucket: Bool = true, limits: StoreLimits = StoreLimits(),
        _ adjust: (inout Configuration) -> Void = { _ in }
    ) {
        milvus = FakeMilvus {
            $0.databases = [
                "default": ["items": JobBench.collection("items", id: 1)],
                "shop": ["orders": JobBench.collection("orders", id: 2)],
            ]
        }
        bench = ServiceBench(milvus: milvus, hasBackupBucket: hasBackupBucket, limits: limits, adjust)
        for collection: Int64 in [1, 2] {
            for segment in 1...3 {
                let place = "\(collection)/\(collection * 10)/\(collection * 100 + Int64(segment))"
                for field in [0, 1, 100, 101] { put("insert_log/\(place)/\(field)/\(7000 + field)", 100 + field) }
                if segment == 1 { put("delta_log/\(place)/8000", 20) }
            }
        }
    }

    func put(_ path: String, _ size: Int) {
        source.set("files/\(path)", (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ path.utf8.count) })
    }

    /// Three flushed segments in one partition, and one that was dropped.
    private static func collection(_ name: String, id: Int64) -> FakeMilvus.Collection {
        var collection = FakeMilvus.Collection(id: id)
        collection.schema = Milvus.CollectionSchema(BackupFormat.CollectionSchema.sample(name))
        collection.partitions = [("_default", id * 10), ("empty", id * 10 + 1)]
        collection.segments = (1...4).map { number in
            var segment = Milvus.PersistentSegment()
            segment.id = id * 100 + Int64(number)
            segment.collectionID = id
            segment.partitionID = id * 10
            segment.rowCount = 5
            segment.state = number == 4 ? .dropped : .flushed
            return segment
        }
        var index = Milvus.IndexDescription()
        index.name = "by_emb"
        index.fieldName = "emb"
        index.parameters = [Milvus.KeyValuePair("index_type", "HNSW"), Milvus.KeyValuePair("metric_type", "L2")]
        collection.indexes = [index]
        return collection
    }

    @discardableResult
    func backUp(
        _ name: String = "nightly", workforce: Workforce.Plan = .init(),
        _ change: (inout BackupRequest) throws -> Void = { _ in }
    ) async throws -> JobOutcome<BackupInfo> {
        var request = BackupRequest(name: name)
        try change(&request)
        return try await BackupJob(request: request, context: bench.context(workforce: workforce)).run()
    }

    @discardableResult
    func restore(
        _ name: String = "nightly", workforce: Workforce.Plan = .init(),
        _ change: (inout RestoreRequest) throws -> Void = { _ in }
    ) async throws -> JobOutcome<[CollectionName]> {
        var request = RestoreRequest(backupName: name)
        try change(&request)
        return try await RestoreJob(request: request, context: bench.context(workforce: workforce)).run()
    }

    /// Forgets what was asked so far.
    func forgetCalls() { milvus.state.withLock { $0.calls = [] } }

    func setTrouble(_ trouble: @escaping @Sendable (FakeMilvus.Call, Int) -> FakeMilvus.Trouble?) {
        milvus.state.withLock { $0.trouble = trouble }
    }

    func collections(_ database: String) -> [String] {
        milvus.state.withLock { $0.databases[database]?.keys.sorted() ?? [] }
    }
}
