import BackupFormat
import MilvusClient
import ObjectStorage
import Support
import Synchronization

/// Finds the logs of a collection's segments in Milvus' bucket.
///
/// Partitions are listed in parallel: one of no more than a thousand logs as a whole, however many segments they
/// belong to, a larger one by its segments. Logs of segments that Milvus did not name (dropped, compacted away) are
/// passed over.
///
/// That a field has no logs would be noticed; that deletions have none, nothing tells, and their rows would come back. So
/// deletions are listed twice: what one listing of a store that lags behind does not show, another one may.
struct SegmentLogLister: Sendable {
    let store: any ObjectStore
    let paths: MilvusPaths
    /// Fields of which every segment with rows has logs: a listing that shows none is not complete.
    var requiredFields: Set<Int64> = []
    /// Partitions listed at the same time.
    var parallelism = 16
    var listing = SegmentListing()
    /// How often a partition is listed that does not show what it must have.
    var retry = RetryPolicy(attempts: 4, initialDelay: .milliseconds(100))

    /// The segments with their logs, in the order given.
    ///
    /// - Throws: `corrupted` when a segment has rows and no logs, or when a field has logs missing.
    func logs(of segments: [Milvus.PersistentSegment], collectionID: Int64) async throws -> [SegmentBackup] {
        let partitions = Dictionary(grouping: segments, by: \.partitionID)
        let listed = try await mapInParallel(Array(partitions), limit: parallelism) { partition, members in
            // A store that does not answer is asked again by whoever asks this.
            try await withRetries(retry, after: .corrupted) {
                try await logs(collectionID: collectionID, partitionID: partition, segments: members)
            }
        }
        var bySegment: [Int64: SegmentBackup] = [:]
        for segment in listed.joined() { bySegment[segment.segmentID] = segment }
        return segments.compactMap { bySegment[$0.id] }
    }

    private func logs(
        collectionID: Int64, partitionID: Int64, segments: [Milvus.PersistentSegment]
    ) async throws -> [SegmentBackup] {
        let found = FoundLogs(segments, collectionID: collectionID, paths: paths)
        func list(_ kind: LogKind) async throws {
            let prefix = paths.partitionPrefix(kind, collectionID: collectionID, partitionID: partitionID)
            try await listing.forEachPage(
                of: store, below: prefix, directories: { Set(segments.map { "\(prefix)\($0.id)/" }) },
                check: found.check
            ) { page in try found.add(page) }
        }
        if partitionID != SegmentBackup.allPartitions { try await list(.insert) }
        var listings = 0
        repeat {
            if listings > 1 { try await Task.sleep(for: retry.initialDelay) }
            if listings > 0 { found.rememberDeletions() }
            try await list(.delta)
            listings += 1
        } while listings < 2 || (listings < Self.maximumListings && segments.contains { lacksDeletions($0, found) })
        return try segments.compactMap { segment in
            guard var logs = found[segment.id] else { return nil }
            logs.finish(level: segment.level)
            return try logs.checked(requiredFields: requiredFields) ? logs : nil
        }
    }

    /// How often deletions are listed, at most.
    private static let maximumListings = 4

    /// A segment of level 0 has deletions, or it would not have been written.
    private func lacksDeletions(_ segment: Milvus.PersistentSegment, _ found: FoundLogs) -> Bool {
        // Servers before 2.4.7 do not tell levels.
        let isL0 =
            segment.level == .l0 || (segment.level == .legacy && segment.partitionID == SegmentBackup.allPartitions)
        return isL0 && found[segment.id]?.deltaLogs.isEmpty == true
    }
}

/// The logs of a partition's segments, put together from several listings at a time.
private final class FoundLogs: Sendable {
    private struct Deletion: Hashable {
        var segmentID: Int64
        var logID: Int64
    }

    private struct State {
        var segments: [Int64: SegmentBackup]
        /// Bytes of all that was listed.
        var size: Int64 = 0
        /// What earlier listings have shown.
        var deletions: Set<Deletion> = []
    }

    private let paths: MilvusPaths
    private let state: Mutex<State>

    init(_ segments: [Milvus.PersistentSegment], collectionID: Int64, paths: MilvusPaths) {
        self.paths = paths
        let empty = segments.map { ($0.id, SegmentBackup($0, collectionID: collectionID)) }
        state = Mutex(State(segments: Dictionary(empty, uniquingKeysWith: { first, _ in first })))
    }

    subscript(segmentID: Int64) -> SegmentBackup? { state.withLock { $0.segments[segmentID] } }

    func add(_ page: ObjectPage) throws(BackupError) {
        try state.withLock { state throws(BackupError) in
            for object in page.objects where !object.key.hasSuffix("/") {
                let key = try parsed(object)
                guard object.size <= BackupInfo.maximumSize - state.size else {
                    let what = "\(object.key) in Milvus' bucket"
                    throw BackupError(.corrupted, "\(what) cannot have \(object.size) bytes")
                }
                state.size += object.size
                let deletion = Deletion(segmentID: key.segmentID, logID: key.logID)
                if key.kind == .delta, state.deletions.contains(deletion) { continue }
                state.segments[key.segmentID]?.add(key, size: object.size)
            }
        }
    }

    /// Looks whether there is anything but directories of segments. If Milvus had logs elsewhere, they would not be found,
    /// and that deletions are not found nothing tells.
    func check(_ page: ObjectPage) throws(BackupError) {
        let objects = page.objects.map(\.key).filter { !$0.hasSuffix("/") }
        let directories = page.commonPrefixes.filter { Int64($0.dropLast().split(separator: "/").last ?? "") == nil }
        if let key = (objects + directories).first { throw notALog(key) }
    }

    private func notALog(_ key: String) -> BackupError {
        BackupError(.corrupted, "\(key) in Milvus' bucket is not the path of a log")
    }

    /// From now on, deletions that were found are passed over.
    func rememberDeletions() {
        state.withLock { state in
            for segment in state.segments.values {
                for log in segment.deltaLogs.binlogs {
                    state.deletions.insert(Deletion(segmentID: segment.segmentID, logID: log.logID))
                }
            }
        }
    }

    private func parsed(_ object: ObjectInfo) throws(BackupError) -> SourceKey {
        guard let key = paths.parse(object.key) else { throw notALog(object.key) }
        return key
    }
}

extension SegmentBackup {
    /// From this version of its storage on Milvus 2.6 packs several fields into one log.
    fileprivate static let packedStorageVersion: Int64 = 2

    init(_ segment: Milvus.PersistentSegment, collectionID: Int64) {
        self.init(segmentID: segment.id, collectionID: collectionID, partitionID: segment.partitionID)
        rowCount = segment.rowCount
        groupID = partitionID == SegmentBackup.allPartitions ? 0 : segmentID
        storageVersion = segment.storageVersion
        virtualChannel = segment.insertChannel
    }

    fileprivate mutating func add(_ key: SourceKey, size: Int64) {
        switch key.kind {
        case .insert: insertLogs.append(Binlog(fieldID: key.fieldID, logID: key.logID, size: size))
        case .delta: deltaLogs.append(Binlog(logID: key.logID, size: size))
        }
        self.size += size
    }

    /// Servers before 2.4.7 do not tell levels: a segment of deletions only is one of level 0.
    fileprivate mutating func finish(level: Milvus.SegmentLevel) {
        let hasOnlyDeletions = insertLogs.isEmpty && (!deltaLogs.isEmpty || partitionID == SegmentBackup.allPartitions)
        isL0 = level == .l0 || (level == .legacy && hasOnlyDeletions)
        // The original writes an empty list of delta logs as one element without content.
        if deltaLogs.isEmpty { deltaLogs = .emptyField }
    }

    /// False for a segment without rows and logs, which is left out.
    fileprivate func checked(requiredFields: Set<Int64>) throws -> Bool {
        if isL0 { return true }
        if insertLogs.isEmpty {
            guard rowCount > 0 else { return false }
            throw BackupError(
                .corrupted,
                "segment \(segmentID) of collection \(collectionID) has \(rowCount) rows and no insert logs",
                hint: "Milvus may be compacting; try again", isRetryable: true)
        }
        var missing = storageVersion < SegmentBackup.packedStorageVersion ? requiredFields : []
        var expected: (field: Int64, count: Int)?
        try insertLogs.forEachField { fieldID, logs in
            missing.remove(fieldID)
            if let expected, expected.count != logs.count {
                throw BackupError(
                    .corrupted,
                    "segment \(segmentID) of collection \(collectionID) has \(logs.count) logs of field \(fieldID) "
                        + "and \(expected.count) of field \(expected.field)",
                    hint: "Milvus may be compacting; try again", isRetryable: true)
            }
            expected = expected ?? (fieldID, logs.count)
        }
        if let field = missing.min() {
            throw BackupError(
                .corrupted,
                "segment \(segmentID) of collection \(collectionID) has \(rowCount) rows and no logs of field \(field)",
                hint: "Milvus may be compacting; try again", isRetryable: true)
        }
        return true
    }
}
