import BackupFormat
import Compression
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support
import Synchronization

/// What has been copied of a backup that is being made, in the backup's directory: every few seconds a piece, and every piece
/// the beginning of a manifest. So a backup whose coordinator died can be gone on with, and at its end the pieces together are
/// the manifest.
final class BackupJournal: Sendable {
    private struct State {
        /// Finished and not yet written.
        var pending: [ManifestRecord] = []
        /// Compressed records of all pieces: a few dozen bytes an object.
        var frames: [UInt8] = []
        var nextPiece = 1
        /// Whether there are records of objects that are not in the backup.
        var hasReplaced = false
        var isDiscarded = false
    }

    /// From one piece to the next. What is finished in between may be copied again after a crash.
    private static let interval = Duration.seconds(3)
    /// Records that make a piece before its time: what waits takes room.
    private static let largePiece = 20_000

    private let store: any ObjectStore
    private let paths: BackupPaths
    private let header: ManifestHeader
    private let logger: Logger
    private let state = Mutex(State())
    /// Without it nothing is written.
    let claim: JobClaim
    /// What an earlier run has finished.
    let earlier: FinishedObjects

    init(
        _ header: ManifestHeader, paths: BackupPaths, store: any ObjectStore, logger: Logger, claim: JobClaim,
        earlier: FinishedObjects = FinishedObjects()
    ) {
        self.header = header
        self.paths = paths
        self.store = store
        self.logger = logger
        self.claim = claim
        self.earlier = earlier
        state.withLock { $0.frames = earlier.frames }
    }

    /// Takes down a shard that is done.
    func add(_ finished: FinishedShard) {
        let shard = finished.shard
        let records = zip(shard.tasks, finished.results).map { task, result in
            let key = shard.destinationPrefix + (task.destination ?? task.source)
            return ManifestRecord(
                key: String(key.dropFirst(paths.directory.count)), size: task.size, etag: result.etag ?? "",
                checksum: result.checksum.map { "\($0.kind):\($0.value)" } ?? "")
        }
        state.withLock { $0.pending += records }
    }

    /// Says that some of what was copied does not belong to the backup any more.
    func replaced() { state.withLock { $0.hasReplaced = true } }

    /// Writes pieces until the task is cancelled. A piece that cannot be written is tried again with the next one.
    func keepWriting() async {
        var last = ContinuousClock.now
        while (try? await Task.sleep(for: Self.interval / 10)) != nil {
            let isLarge = state.withLock { $0.pending.count >= Self.largePiece }
            guard isLarge || last.duration(to: .now) >= Self.interval else { continue }
            last = .now
            do {
                try await write()
            } catch  where !Task.isCancelled {
                logger.warn("the journal cannot be written, trying again", ["error": BackupError(wrapping: error)])
                try? await Task.sleep(for: Self.interval)
            } catch {}
        }
    }

    private func write() async throws {
        let (records, number) = state.withLock { ($0.pending, $0.nextPiece) }
        guard !records.isEmpty else { return }
        let frame = try Manifest.frame(records)
        try await claim.check()
        // Names of different runs must differ: a later run would replace what an earlier one knows.
        let piece = paths.journal("\(header.id)-\(padded(number, 6)).zst")
        try await store.put(piece, body: .bytes(try Manifest.frame(header) + frame))
        let isDiscarded = state.withLock { state in
            guard !state.isDiscarded else { return true }
            state.pending.removeFirst(records.count)
            state.frames += frame
            state.nextPiece += 1
            return false
        }
        if isDiscarded { try await store.delete([piece]) }
    }

    /// Writes the manifest of a backup whose objects are all there.
    ///
    /// - Parameter backup: what belongs to it: an earlier run may have copied more.
    /// - Returns: the manifest, and the ETag that the store gave it.
    func writeManifest(of backup: BackupInfo) async throws -> (stored: StoredManifest, etag: String) {
        // At once: what is pending now may be among the frames a moment later.
        let (frames, pending) = state.withLock { state in
            defer { state.frames = [] }
            return (state.frames, state.pending)
        }
        var manifest = try Manifest.frame(header)
        manifest.reserveCapacity(manifest.count + frames.count)
        manifest += frames
        manifest += try Manifest.frame(pending)
        if !earlier.isEmpty || state.withLock({ $0.hasReplaced }) {
            manifest = try await onDedicatedThread { [manifest] in try self.part(of: manifest, in: backup) }
        }
        let stored = try await store.put(paths.manifest, body: .bytes(manifest))
        return (StoredManifest(bytes: manifest, key: paths.manifest), stored.etag)
    }

    /// The records of a run that went on with another one's work: those of segments that are in the backup.
    private func part(of manifest: [UInt8], in backup: BackupInfo) throws -> [UInt8] {
        let segments = Set(
            backup.collections.flatMap { $0.partitions.flatMap(\.segments) + $0.l0Segments }.map(\.segmentID))
        var source: [UInt8]? = manifest
        var kept: [ManifestRecord] = []
        var result = try Manifest.frame(header)
        _ = try Manifest.read({
            defer { source = nil }
            return source
        }) { record in
            guard let key = paths.parse(paths.directory + record.key)?.source, segments.contains(key.segmentID) else {
                return
            }
            kept.append(record)
            if kept.count == 10_000 {
                result += try Manifest.frame(kept)
                kept = []
            }
        }
        return result + (try Manifest.frame(kept))
    }

    /// Removes the pieces: a backup that is whole needs none.
    func remove() async throws { try await store.deleteAll(prefix: paths.journalPrefix) }

    /// Forgets everything, so that a later run begins anew.
    func discard() async throws {
        state.withLock { state in
            state = State()
            state.isDiscarded = true
        }
        try await remove()
    }
}
