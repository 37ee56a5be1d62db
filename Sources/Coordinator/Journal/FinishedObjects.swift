import BackupFormat
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support

/// What has been copied of a backup: by an earlier run, as its journal tells, and by this one.
struct FinishedObjects: Sendable {
    /// By hashes of key and size: sixteen bytes an object. Two that agree by chance are found when the copies are checked.
    private var known: [Int: ETagMark] = [:]
    /// What was read of a journal. All collections of a backup share this one table: what becomes of an object later is in the
    /// others.
    private var earlier: [Int: ETagMark] = [:]
    /// Of the earlier ones.
    private var forgotten: Set<Int> = []
    /// The compressed records.
    private(set) var frames: [UInt8] = []

    init() {}

    /// Records that are in memory at once.
    private static let batchSize = 2000

    var isEmpty: Bool { known.isEmpty && earlier.count == forgotten.count }
    /// Those that were copied again since they were read count twice.
    var count: Int { known.count + earlier.count - forgotten.count }

    /// - Parameter key: below the backup's directory.
    func contains(_ key: Substring, size: Int64) -> Bool { mark(of: Self.hash(key, size)) != nil }

    /// Whether an object certainly has other bytes than its copy had when it was looked at.
    func contradicts(_ key: Substring, size: Int64, etag: String) -> Bool {
        mark(of: Self.hash(key, size))?.isDifferent(from: ETagMark(etag)) == true
    }

    /// Adds what a shard has copied.
    mutating func add(_ finished: FinishedShard, in paths: BackupPaths) {
        let shard = finished.shard
        for (task, result) in zip(shard.tasks, finished.results) {
            let key = (shard.destinationPrefix + (task.destination ?? task.source)).dropFirst(paths.directory.count)
            known[Self.hash(key, task.size)] = ETagMark(result.etag ?? "")
        }
    }

    /// Has an object copied again.
    mutating func forget(_ key: Substring, size: Int64) {
        let hash = Self.hash(key, size)
        known[hash] = nil
        if earlier[hash] != nil { forgotten.insert(hash) }
    }

    private func mark(of hash: Int) -> ETagMark? {
        known[hash] ?? (forgotten.contains(hash) ? nil : earlier[hash])
    }

    /// Reads the pieces of a journal. One that is damaged is passed over: what it tells of is copied again.
    static func read(from store: any ObjectStore, paths: BackupPaths, logger: Logger) async throws -> FinishedObjects {
        var pieces: [String] = []
        try await store.forEachPage(prefix: paths.journalPrefix) { page in pieces += page.objects.map(\.key) }
        var finished = FinishedObjects()
        for piece in pieces {
            do {
                let told = try await store.getStreamed(piece) { try FinishedObjects(piece: $0) }
                finished.earlier.merge(told.known) { _, later in later }
                finished.frames += told.frames
            } catch let error as BackupError where error.code == .corrupted {
                logger.warn("a piece of the journal is damaged", ["key": piece, "error": error.description])
            }
        }
        return finished
    }

    /// Reads a piece. A small one may stand for very many records: never are more than a few of them in memory.
    init(piece source: @escaping () throws -> [UInt8]?) throws {
        var records: [ManifestRecord] = []
        func take() throws {
            for record in records { known[Self.hash(record.key[...], record.size)] = ETagMark(record.etag) }
            frames += try Manifest.frame(records)
            records.removeAll(keepingCapacity: true)
        }
        _ = try Manifest.read(source) { record in
            records.append(record)
            if records.count == Self.batchSize { try take() }
        }
        try take()
    }

    private static func hash(_ key: Substring, _ size: Int64) -> Int {
        var hasher = Hasher()
        hasher.combine(key)
        hasher.combine(size)
        return hasher.finalize()
    }
}

/// The beginning of an ETag: enough to see that it is another one.
private struct ETagMark: Sendable, Hashable {
    /// 48 bits of the digest, and its shape: 0 for one that says nothing, 1 for the MD5 of the content, else the parts and one.
    private let value: UInt64

    init(_ etag: String) {
        let (digest, shape): (String, Int)
        switch ETagShape(etag) {
        case .plain(let md5): (digest, shape) = (md5, 1)
        case .multipart(let md5, let parts): (digest, shape) = (md5, parts + 1)
        case .opaque: (digest, shape) = ("", 0)
        }
        let beginning = UInt64(digest.prefix(12), radix: 16) ?? 0
        value = shape < 1 << 16 ? beginning << 16 | UInt64(shape) : 0
    }

    private var shape: UInt64 { value & 0xffff }

    /// ETags of different shapes are no evidence.
    func isDifferent(from other: ETagMark) -> Bool { shape > 0 && shape == other.shape && value != other.value }
}
