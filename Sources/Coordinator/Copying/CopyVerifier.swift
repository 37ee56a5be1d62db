import BackupFormat
import ObjectStorage
import Support
import Synchronization

/// Compares what lies in a store with the plan, key by key and size by size.
///
/// The coordinator does this itself, by listing: no report of an agent is believed.
struct CopyVerifier: Sendable {
    let store: any ObjectStore
    /// Where the logs should be.
    let paths: BackupPaths
    /// What is known of the copies.
    var copied = FinishedObjects()
    var listing = SegmentListing()

    /// - Returns: objects with other bytes than their copies had. A worker that has lost its shard may write once more what
    ///   another one has copied since, and be gone before it can look at it.
    /// - Throws: `corrupted` with an object that is missing or has another size.
    @discardableResult
    func verify(_ collection: CollectionBackup) async throws -> [ObjectInfo] {
        let segments = collection.partitions.flatMap(\.segments) + collection.l0Segments
        let id = collection.collectionID
        async let inserts = verify(
            .insert, of: segments, below: paths.collectionPrefix(.insert, collectionID: id))
        async let deltas = verify(.delta, of: segments, below: paths.collectionPrefix(.delta, collectionID: id))
        return try await inserts + deltas
    }

    /// Looks at the logs of some segments, which all lie below `prefix`.
    ///
    /// - Returns: objects with other bytes than their copies had.
    /// - Throws: `corrupted` with an object that is missing or has another size.
    @discardableResult
    func verify(_ kind: LogKind, of segments: [SegmentBackup], below prefix: String) async throws -> [ObjectInfo] {
        let comparison = Mutex(Comparison(expected: ExpectedLogs(kind, segments: segments)))
        guard !comparison.withLock({ $0.expected.isEmpty }) else { return [] }
        // What is not in the plan does not matter, wherever it lies.
        try await listing.forEachPage(
            of: store, below: prefix, directories: { comparison.withLock { $0.expected.directories(in: paths) } }
        ) { page in
            try comparison.withLock { state throws(BackupError) in try compare(page, &state) }
        }
        let (missing, doubtful) = comparison.withLock { ($0.expected.missing, $0.doubtful) }
        _ = try await mapInParallel(missing, limit: 16) { segment, log in
            try await lookFor(paths.binlogRoot + paths.relativePath(kind, log, of: segment), size: log.size)
        }
        // A listing may be old; what the store says of the object itself counts.
        return try await mapInParallel(doubtful, limit: 16) { object in
            let found = try await lookFor(object.key, size: object.size)
            return isContradicted(found) ? found : nil
        }.compactMap { $0 }
    }

    private func compare(_ page: ObjectPage, _ comparison: inout Comparison) throws(BackupError) {
        for object in page.objects {
            guard let (key, groupID) = paths.parse(object.key) else { continue }
            guard let size = comparison.expected.found(key, groupID: groupID) else { continue }
            guard size == object.size else { throw wrongSize(object.key, found: object.size, expected: size) }
            if isContradicted(object) { comparison.doubtful.append(object) }
        }
    }

    private func isContradicted(_ object: ObjectInfo) -> Bool {
        let key = object.key.dropFirst(paths.directory.count)
        return copied.contradicts(key, size: object.size, etag: object.etag)
    }

    /// Listings of some stores lag behind what was written, so what one does not show is asked for by its name.
    @discardableResult
    private func lookFor(_ key: String, size: Int64) async throws -> ObjectInfo {
        guard let found = try await store.head(key) else {
            throw BackupError(.corrupted, "\(key) is missing in bucket \(bucket)")
        }
        guard found.size == size else { throw wrongSize(key, found: found.size, expected: size) }
        return found
    }

    private func wrongSize(_ key: String, found: Int64, expected: Int64) -> BackupError {
        BackupError(.corrupted, "\(key) in bucket \(bucket) has \(found) bytes and should have \(expected)")
    }

    private var bucket: String { "\"\(store.identity.bucket)\"" }
}

/// What a listing has shown so far.
private struct Comparison {
    var expected: ExpectedLogs
    /// Objects with other bytes than their copies had.
    var doubtful: [ObjectInfo] = []
}

/// The logs that should be in a listing. A listing has the logs of a segment in the order in which they were listed at the
/// source, so finding one is a step of a cursor and not a search.
private struct ExpectedLogs {
    private let kind: LogKind
    private var segments: [SegmentBackup] = []
    private var logs: [[Binlog]] = []
    private var indexOfSegment: [Int64: Int] = [:]
    private var isFound: [[Bool]] = []
    private var cursor: [Int] = []

    init(_ kind: LogKind, segments all: [SegmentBackup]) {
        self.kind = kind
        for segment in all {
            let own = Array(kind == .insert ? segment.insertLogs.binlogs : segment.deltaLogs.binlogs)
            guard !own.isEmpty else { continue }
            indexOfSegment[segment.segmentID] = segments.count
            segments.append(segment)
            logs.append(own)
            isFound.append([Bool](repeating: false, count: own.count))
            cursor.append(0)
        }
    }

    var isEmpty: Bool { segments.isEmpty }

    /// Where the logs should be.
    func directories(in paths: BackupPaths) -> Set<String> {
        Set(segments.map { paths.segmentPrefix(kind, of: $0) })
    }

    /// The size the log must have; nil when it is not in the plan.
    mutating func found(_ key: SourceKey, groupID: Int64) -> Int64? {
        guard let segment = indexOfSegment[key.segmentID], isPlace(of: segments[segment], key, groupID) else {
            return nil
        }
        let count = logs[segment].count
        for step in 0..<count {
            let index = (cursor[segment] + step) % count
            let log = logs[segment][index]
            // Old backups give lists of deletions fields that mean nothing.
            guard log.logID == key.logID, kind == .delta || log.fieldID == key.fieldID else { continue }
            cursor[segment] = index + 1
            isFound[segment][index] = true
            return log.size
        }
        return nil
    }

    /// Whether a key lies where the segment's logs belong: an import finds them by their directory.
    private func isPlace(of segment: SegmentBackup, _ key: SourceKey, _ groupID: Int64) -> Bool {
        let group = segment.partitionID == SegmentBackup.allPartitions ? 0 : segment.groupID
        return key.kind == kind && key.collectionID == segment.collectionID
            && key.partitionID == segment.partitionID && groupID == group
    }

    var missing: [(SegmentBackup, Binlog)] {
        zip(segments, zip(logs, isFound)).flatMap { segment, state in
            zip(state.0, state.1).filter { !$0.1 }.map { (segment, $0.0) }
        }
    }
}
