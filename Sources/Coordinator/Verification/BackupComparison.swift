import BackupFormat
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support
import Synchronization

/// Compares what lies in a store with what a backup should have: first by a listing, then by its bytes.
///
/// Many tasks report to it at the same time.
final class BackupComparison: Sendable {
    private struct State {
        var table: ObjectTable
        var report: VerificationReport
    }

    let expected: ExpectedObjects
    private let state: Mutex<State>

    /// - Parameters:
    ///   - table: of `expected`.
    ///   - report: to which is added what is found.
    init(_ expected: ExpectedObjects, table: ObjectTable, report: VerificationReport) {
        self.expected = expected
        var report = report
        report.objects = table.count
        report.bytes = table.bytes
        state = Mutex(State(table: table, report: report))
    }

    private var directoryLength: Int { expected.paths.directory.utf8.count }

    /// The part of a key below the backup's directory.
    private func relative(_ key: String) -> Substring {
        key[key.utf8.index(key.startIndex, offsetBy: directoryLength)...]
    }

    /// Whatever a store answers.
    private func isInside(_ key: String) -> Bool { key.utf8.starts(with: expected.paths.directory.utf8) }

    // MARK: The listing

    /// Lists the store and compares. An ETag that differs is told by ``finish()``, or settled by the bytes before.
    func list(_ store: any ObjectStore) async throws {
        try await ParallelListing(store: store).forEachPage(below: expected.prefixes) { objects in
            self.state.withLock { state in
                for object in objects where self.isInside(object.key) { self.compare(object, &state) }
            }
        }
        try await lookForMissing(in: store)
    }

    /// A listing may lag behind what was written: what it does not show is asked for by name, unless that is very much.
    private func lookForMissing(in store: any ObjectStore) async throws {
        guard (1...1000).contains(state.withLock { $0.table.count(.unseen) }) else { return }
        var keys: [String] = []
        for (record, number) in expected where isUnseen(record, number) { keys.append(record.key) }
        try await forEachInParallel(keys, limit: 16) { key in
            guard let found = try await store.head(self.expected.paths.directory + key) else { return }
            self.state.withLock { self.compare(found, &$0) }
        }
    }

    private func isUnseen(_ record: ManifestRecord, _ number: UInt32) -> Bool {
        guard let entry = state.withLock({ $0.table.entry(record.key[...]) }) else { return false }
        return entry.number == number && entry.state == .unseen
    }

    private func compare(_ object: ObjectInfo, _ state: inout State) {
        let key = relative(object.key)
        switch state.table.see(key, size: object.size, etag: object.etag) {
        case .sound, .wrongETag: break
        case .wrongSize(let size):
            state.report.changed.add(key, "has \(object.size) bytes and should have \(size)")
        case .unknown:
            if isOwnFile(key) || key.hasSuffix("/") { return }
            if key.hasPrefix("binlogs/") { state.report.extra.add(key) } else { state.report.unrelated.add(key) }
        }
    }

    private func isOwnFile(_ key: Substring) -> Bool {
        let paths = expected.paths
        let own = [paths.manifest, paths.claim] + MetadataFile.allCases.map(paths.metadata)
        return key.hasPrefix(relative(paths.journalPrefix)) || own.contains { relative($0) == key }
    }

    // MARK: The bytes

    /// All there is to read, if everything is there.
    var amount: WorkAmount { state.withLock { WorkAmount(objects: $0.report.objects, bytes: $0.report.bytes) } }

    /// What is there and is to be read.
    ///
    /// - Parameter etagsAreMD5: whether ETags of this store tell of the content.
    func shards(limits: ShardLimits, etagsAreMD5: Bool) -> some Sequence<Shard> {
        let copies = expected.lazy.compactMap { record, number -> PlannedCopy? in
            self.reading(record, number, etagsAreMD5: etagsAreMD5)
        }
        return ShardSequence(copies: copies, cutter: ShardCutter(verifying: .backup, limits: limits))
    }

    private func reading(_ record: ManifestRecord, _ number: UInt32, etagsAreMD5: Bool) -> PlannedCopy? {
        guard let entry = state.withLock({ $0.table.entry(record.key[...]) }), entry.number == number,
            entry.state == .sound || entry.state == .doubtful
        else { return nil }
        // MD5 costs much more than CRC-32C, so it is asked for only where there is nothing else.
        var etag: String?
        if record.checksum.hasPrefix("md5:") {
            etag = String(record.checksum.dropFirst(4))
        } else if !entry.hasCRC32C, etagsAreMD5, !entry.etagText.isEmpty {
            etag = entry.etagText
        }
        let key = expected.paths.directory + record.key
        return PlannedCopy(source: key, destination: key, size: entry.size, etag: etag)
    }

    /// Takes what a worker has read.
    func add(_ finished: FinishedShard) {
        state.withLock { state in
            for (task, result) in zip(finished.shard.tasks, finished.results) {
                judge(relative(finished.shard.sourcePrefix + task.source), task, result, &state)
            }
        }
    }

    private func judge(_ key: Substring, _ task: CopyTask, _ result: TaskResult, _ state: inout State) {
        guard let entry = state.table.entry(key) else { return }
        if let damage = result.damage {
            state.table.set(.changed, of: key)
            return state.report.changed.add(key, "cannot be read: \(damage.escapingControlCharacters)")
        }
        state.report.objectsRead += 1
        state.report.bytesRead += task.size
        let found = result.checksum.flatMap { $0.kind == "crc32c" ? UInt32($0.value, radix: 16) : nil }
        if let found { state.table.learn(crc32c: found, of: key) }
        switch ContentVerdict(entry, expectedETag: task.etag, crc32c: found, etag: result.etag) {
        case .sound: state.table.set(.sound, of: key)
        case .changed(let text):
            state.table.set(.changed, of: key)
            state.report.changed.add(key, text)
        case .unproven: if entry.state == .sound { state.report.unproven += 1 }
        }
    }

    // MARK: The end

    /// What was found; objects that are missing and ETags that stayed doubtful are named now.
    func finish() -> VerificationReport {
        if state.withLock({ $0.table.count(.unseen) + $0.table.count(.doubtful) }) > 0 { name() }
        return state.withLock { state in
            state.report.sort()
            return state.report
        }
    }

    private func name() {
        for (record, number) in expected {
            state.withLock { state in
                let key = record.key[...]
                guard let entry = state.table.entry(key), entry.number == number else { return }
                switch entry.state {
                case .unseen: state.report.missing.add(key)
                case .doubtful: state.report.changed.add(key, "has another ETag than the recorded \(record.etag)")
                case .sound, .changed: return
                }
                state.table.set(.changed, of: key)
            }
        }
    }

    /// A manifest of what was found. Of the bytes only where they were read.
    ///
    /// - Parameter header: its first line.
    func manifest(_ header: ManifestHeader) throws -> [UInt8] {
        var bytes = try Manifest.frame(header)
        var records: [ManifestRecord] = []
        for (record, number) in expected {
            guard let entry = state.withLock({ $0.table.entry(record.key[...]) }), entry.number == number else {
                continue
            }
            records.append(
                ManifestRecord(
                    key: record.key, size: entry.size, etag: entry.etagText, checksum: entry.checksumText))
            if records.count == 10_000 {
                bytes += try Manifest.frame(records)
                records = []
            }
        }
        return bytes + (try Manifest.frame(records))
    }
}

/// What the bytes of an object say.
enum ContentVerdict: Sendable, Hashable {
    case sound
    case changed(String)
    case unproven

    /// - Parameters:
    ///   - expectedETag: that the bytes should give; nil when they were not asked for one.
    ///   - crc32c: of the bytes.
    ///   - etag: that the bytes give.
    init(_ entry: ObjectTable.Entry, expectedETag: String?, crc32c: UInt32?, etag: String?) {
        if entry.hasCRC32C, let crc32c {
            let isEqual = crc32c == entry.crc32c
            self = isEqual ? .sound : .changed("has other bytes: their CRC-32C is not the recorded one")
            return
        }
        switch ETagShape(etag).compared(to: ETagShape(expectedETag), boundariesAreEqual: entry.isETagRecorded) {
        case .equal: self = .sound
        case .different: self = .changed("has other bytes: their MD5 is not the recorded one")
        case .incomparable: self = .unproven
        }
    }
}

extension ObjectTable.Entry {
    fileprivate var checksumText: String {
        guard hasCRC32C else { return "" }
        let digits = String(crc32c, radix: 16)
        return "crc32c:" + String(repeating: "0", count: 8 - digits.count) + digits
    }
}
