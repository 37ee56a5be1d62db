import BackupFormat
import Support

/// Everything a backup should have: the records of its manifest, and then the logs of its metadata. One by one and as often
/// as they are asked for, since no more of them than the compressed manifest and the metadata is in memory.
struct ExpectedObjects: Sendable, Sequence {
    /// A record and its number, which grows from one to the next.
    typealias Element = (record: ManifestRecord, number: UInt32)

    /// More than any backup has: what is compressed may stand for more than there is memory.
    private static let maximumRecords: UInt32 = 1 << 26

    let paths: BackupPaths
    /// As it is stored; nil for a backup without one.
    let manifest: [UInt8]?
    /// What the metadata has of logs.
    let segments: [SegmentBackup]
    /// Whether anything tells what belongs to the backup.
    let isKnown: Bool
    /// The collections that are looked at; nil for all of them.
    let collections: Set<Int64>?

    init(paths: BackupPaths, manifest: [UInt8]?, metadata: BackupInfo?, collections: Set<Int64>? = nil) {
        self.paths = paths
        self.manifest = manifest
        self.collections = collections
        isKnown = manifest != nil || metadata != nil
        segments = (metadata?.collections ?? []).filter { collections?.contains($0.collectionID) ?? true }
            .flatMap { $0.partitions.flatMap(\.segments) + $0.l0Segments }
    }

    /// Where the objects lie.
    var prefixes: [String] {
        guard let collections else { return [paths.directory] }
        return collections.sorted().flatMap { id in
            LogKind.allCases.map { paths.collectionPrefix($0, collectionID: id) }
        }
    }

    private func isWanted(_ record: ManifestRecord) -> Bool {
        guard let collections else { return true }
        return paths.parse(paths.directory + record.key).map { collections.contains($0.source.collectionID) } ?? false
    }

    /// The logs of the metadata as records without ETags.
    private var logs: some Sequence<ManifestRecord> {
        segments.lazy.flatMap { segment in
            LogKind.allCases.lazy.flatMap { kind in
                segment.logs(kind).binlogs.lazy.map { log in
                    ManifestRecord(
                        key: "binlogs/" + paths.relativePath(kind, log, of: segment), size: log.size)
                }
            }
        }
    }

    // MARK: The table

    /// Reads all records once.
    ///
    /// - Returns: the table, and how many logs the metadata has that the manifest does not have, or has with another size.
    /// - Throws: `corrupted` for a damaged manifest, `unsupported` for one of a later release.
    func table() throws -> (table: ObjectTable, unrecorded: Int) {
        var (table, number) = try manifestTable()
        var additional = ObjectTable()
        if manifest == nil { additional.reserve(logs.reduce(0) { count, _ in count + 1 }) }
        var unrecorded = 0
        for record in logs {
            let recorded = manifest == nil ? nil : table.entry(record.key[...])
            if recorded == nil { additional.add(record, number: number) }
            // Some versions record no sizes.
            if recorded.map({ record.size > 0 && $0.size != record.size }) ?? true { unrecorded += 1 }
            number += 1
        }
        table.merge(additional)
        return (table, manifest == nil ? 0 : unrecorded)
    }

    /// The records of the manifest, and the number that follows theirs.
    private func manifestTable() throws -> (ObjectTable, UInt32) {
        var table = ObjectTable()
        var number: UInt32 = 0
        guard let manifest else { return (table, number) }
        let reader = try ManifestReader(manifest)
        while let record = try reader.next() {
            if isWanted(record) { table.add(record, number: number) }
            number += 1
            guard number < Self.maximumRecords else {
                throw BackupError(.corrupted, "manifest: it has more than \(Self.maximumRecords) records")
            }
        }
        table.seal()
        return (table, number)
    }

    // MARK: Sequence

    func makeIterator() -> AnyIterator<Element> {
        // What the manifest has was read once before: it cannot fail any more.
        let reader = manifest.flatMap { try? ManifestReader($0) }
        var logs = self.logs.makeIterator()
        var number: UInt32 = 0
        return AnyIterator {
            while let record = (try? reader?.next()) ?? nil {
                defer { number += 1 }
                if isWanted(record) { return (record, number) }
            }
            guard let log = logs.next() else { return nil }
            defer { number += 1 }
            return (log, number)
        }
    }
}
