import BackupFormat
import ObjectStorage
import Support

/// Looks whether the metadata files of a backup are there, can be read and agree.
struct MetadataCheck: Sendable {
    struct Finding: Sendable {
        /// The best there is; nil when nothing can be read.
        var backup: BackupInfo?
        /// Each in one line.
        var problems: [String] = []
    }

    let metadata: MetadataStore
    let name: String

    private var paths: BackupPaths { BackupPaths(root: metadata.backupRoot, name: name) }

    /// - Throws: what the store throws; damage is a finding.
    func run() async throws -> Finding {
        var finding = Finding()
        let present = try await presentFiles()
        let full = try await reading(&finding) {
            present.contains(.full) ? try await metadata.readFull(paths, options: .everything) : nil
        }
        // Old versions wrote no file of the whole tree; others may write nothing else.
        let format = full?.format ?? .binlog
        let levelFiles = MetadataFile.levels.filter { MetadataFile.writeOrder(for: format).contains($0) }
        let missing = levelFiles.filter { !present.contains($0) }
        finding.problems += missing.map { "\(paths.metadata($0)) is missing" }
        guard missing.isEmpty, format == .binlog else {
            finding.backup = full
            return finding
        }
        let levels = try await reading(&finding) { try await metadata.readLevels(paths, options: .everything) }
        finding.backup = full ?? levels
        if let full, let levels, let difference = full.difference(from: levels) {
            finding.problems.append("the metadata files do not agree: \(difference)")
        }
        return finding
    }

    private func presentFiles() async throws -> Set<MetadataFile> {
        let present = try await mapInParallel(MetadataFile.allCases, limit: MetadataFile.allCases.count) { file in
            try await metadata.store.head(paths.metadata(file)) != nil
        }
        return Set(zip(MetadataFile.allCases, present).compactMap { $1 ? $0 : nil })
    }

    /// Nil, and a problem, for what is damaged.
    private func reading(
        _ finding: inout Finding, _ read: () async throws -> BackupInfo?
    ) async throws -> BackupInfo? {
        do {
            return try await read()
        } catch let error as BackupError where error.code == .corrupted {
            finding.problems.append(error.message)
            return nil
        }
    }
}

extension BackupInfo {
    /// The first thing in which two readings of a backup's metadata differ, as far as a restore cares; nil when there is none.
    func difference(from other: BackupInfo) -> String? {
        guard id == other.id, name == other.name else { return "they are of different backups" }
        let names = [self, other].map { $0.collections.map { "\($0.collectionID) \($0.qualifiedName)" }.sorted() }
        guard names[0] == names[1] else { return "they have different collections" }
        let others = Dictionary(
            other.collections.map { ($0.collectionID, $0) }, uniquingKeysWith: { first, _ in first })
        for collection in collections {
            guard let other = others[collection.collectionID] else { continue }
            let partitions = [collection, other].map { $0.partitions.map { "\($0.partitionID) \($0.name)" }.sorted() }
            guard partitions[0] == partitions[1] else {
                return "they have different partitions of \(collection.qualifiedName)"
            }
            if let difference = collection.segmentDifference(from: other) { return difference }
        }
        return nil
    }
}

extension CollectionBackup {
    fileprivate func segmentDifference(from other: CollectionBackup) -> String? {
        let lists = [self, other].map { $0.partitions.flatMap(\.segments) + $0.l0Segments }
        let others = Dictionary(lists[1].map { ($0.segmentID, $0) }, uniquingKeysWith: { first, _ in first })
        guard lists[0].count == lists[1].count else { return "they have different segments of \(qualifiedName)" }
        for segment in lists[0] {
            guard let other = others[segment.segmentID] else {
                return "only one of them has segment \(segment.segmentID) of \(qualifiedName)"
            }
            let agree = LogKind.allCases.allSatisfy { kind in
                segment.logs(kind).binlogs.elementsEqual(other.logs(kind).binlogs)
            }
            guard agree, segment.groupID == other.groupID, segment.partitionID == other.partitionID else {
                return "they have different logs of segment \(segment.segmentID) of \(qualifiedName)"
            }
        }
        return nil
    }
}
