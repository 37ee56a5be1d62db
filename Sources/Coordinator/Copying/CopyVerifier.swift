import BackupFormat
import ObjectStorage
import Support

/// Compares what lies in a store with the plan, key by key and size by size.
///
/// The coordinator does this itself, by listing: no report of an agent is believed.
struct CopyVerifier: Sendable {
    let store: any ObjectStore
    /// Where the logs should be.
    let paths: BackupPaths

    /// - Throws: `corrupted` with the first object that is missing or has another size.
    func verify(_ collection: CollectionBackup) async throws {
        let segments = collection.partitions.flatMap(\.segments) + collection.l0Segments
        let id = collection.collectionID
        async let inserts: Void = verify(
            .insert, of: segments, below: paths.collectionPrefix(.insert, collectionID: id))
        async let deltas: Void = verify(.delta, of: segments, below: paths.collectionPrefix(.delta, collectionID: id))
        try await inserts
        try await deltas
    }

    /// Looks at the logs of some segments, which all lie below `prefix`.
    ///
    /// - Throws: `corrupted` with an object that is missing or has another size.
    func verify(_ kind: LogKind, of segments: [SegmentBackup], below prefix: String) async throws {
        var expected = ExpectedLogs(kind, segments: segments)
        guard !expected.isEmpty else { return }
        try await store.forEachPage(prefix: prefix) { page in
            for object in page.objects {
                guard let (key, groupID) = paths.parse(object.key) else { continue }
                guard let size = expected.found(key, groupID: groupID), size != object.size else { continue }
                throw wrongSize(object.key, found: object.size, expected: size)
            }
        }
        _ = try await mapInParallel(expected.missing, limit: 16) { segment, log in
            try await lookFor(paths.binlogRoot + paths.relativePath(kind, log, of: segment), size: log.size)
        }
    }

    /// Listings of some stores lag behind what was written, so what one does not show is asked for by its name.
    private func lookFor(_ key: String, size: Int64) async throws {
        guard let found = try await store.head(key) else {
            throw BackupError(.corrupted, "\(key) is missing in bucket \(bucket)")
        }
        guard found.size == size else { throw wrongSize(key, found: found.size, expected: size) }
    }

    private func wrongSize(_ key: String, found: Int64, expected: Int64) -> BackupError {
        BackupError(.corrupted, "\(key) in bucket \(bucket) has \(found) bytes and should have \(expected)")
    }

    private var bucket: String { "\"\(store.identity.bucket)\"" }
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
