import BackupFormat
import Compression
import Support

@testable import Coordinator
@testable import JSON
@testable import MilvusClient
@testable import ShardScheduling

/// `full_meta.json`, and what a restore would make of it.
func fuzzMetadata(_ bytes: [UInt8]) {
    _ = try? MetadataReader.readSummary(source(bytes, 3))
    _ = try? MetadataReader.readFull(source(bytes, 5), options: .withoutBinlogs)
    guard let backup = try? MetadataReader.readFull(source(bytes, bytes.count)) else { return }
    let writer = MetadataWriter(milvusRoot: "files")
    guard let written = try? writer.bytes(.full, of: backup) else { fatalError("what was read cannot be written") }
    guard let again = try? MetadataReader.readFull(source(written, 7)) else {
        fatalError("what was written cannot be read")
    }
    require((try? writer.bytes(.full, of: again)) == written, "what was written reads back as something else")
    _ = try? BackupBrief(backup: backup, metadataSize: 1).bytes(layout: .compact)
    plan(backup)
}

/// The four files of older backups, with a byte 1 between them.
func fuzzLevels(_ bytes: [UInt8]) {
    let files = bytes.split(separator: 1, maxSplits: 3, omittingEmptySubsequences: false).map(Array.init)
    guard files.count == 4 else { return }
    _ = try? MetadataReader.readCollections(source(files[1], 3))
    let backup = try? MetadataReader.readLevels(
        backup: source(files[0], 9), collections: source(files[1], 9), partitions: source(files[2], 9),
        segments: source(files[3], 9))
    if let backup { plan(backup) }
}

/// All decisions of a restore that come before the first request: none of them may name a place outside the backup.
private func plan(_ backup: BackupInfo) {
    var request = RestoreRequest(backupName: "nightly")
    request.restoresIndexes = true
    guard let selection = try? RestoreSelection(backup, request: request) else { return }
    let version = ServerVersion(2, 6, 11)
    let server = ServerInfo(version: "v2.6.11", resolvedVersion: version, features: ServerFeatures(of: version))
    try? selection.check(server)
    let paths = BackupPaths(root: "backup", name: "nightly")
    var amount = WorkAmount()
    for item in selection.items {
        let creation = CollectionCreation(item.source, target: item.target, server: server)
        _ = creation.request.serialized()
        for index in IndexCreation(item.source, target: item.target, usesAutoIndex: false).requests {
            _ = index.serialized()
        }
        let staging = BackupPaths(root: "", name: Staging.directory(for: item.target, prefix: "restore-temp-1-"))
        require(staging.directory.hasPrefix("restore-temp-1-"), "a name leads out of the staging directory")
        guard let imports = try? ImportPlan(item.source) else { continue }
        for batch in imports.batches(maximumSegments: 4, maximumDeletions: 2).flatMap({ $0 }) {
            require(batch.size >= 0, "a size is negative")
            check(batch.request(target: item.target, in: paths).files.joined())
        }
        for unit in imports.units {
            check(unit.request(collection: item.target.collection, in: paths).files.filter { !$0.isEmpty })
            amount += workAmount(of: unit.segments, limits: ShardLimits())
            let copies = plannedCopies(of: unit.segments) { kind, log, segment in
                let path = paths.relativePath(kind, log, of: segment)
                return (paths.binlogRoot + path, path)
            }
            for copy in copies { check([copy.source]) }
        }
    }
    if let rbac = selection.rbac { _ = Milvus.RBACMeta(rbac).serialized() }
}

private func check(_ paths: some Sequence<String>) {
    for path in paths {
        require(path.hasPrefix("backup/nightly/binlogs/"), "a restore reads outside the backup")
        require(!path.contains(".."), "a restore climbs")
    }
}

/// A manifest or a piece of a journal: the bytes as they are, and as the content of a frame.
func fuzzManifest(_ bytes: [UInt8]) {
    let (isRaw, rest) = choice(bytes, of: 2)
    let stream = isRaw == 1 ? rest : Zstd.compress(rest)
    var records: [ManifestRecord] = []
    guard let header = try? Manifest.read(source(stream, bytes.count), { records.append($0) }) else { return }
    guard let frames = try? Manifest.frame(header) + Manifest.frame(records) else {
        fatalError("records that were read cannot be written")
    }
    var again: [ManifestRecord] = []
    let headerAgain = try? Manifest.read(source(frames, 64), { again.append($0) })
    require(headerAgain == header && again == records, "a manifest reads back as another")
}

/// Compressed data of somebody else.
func fuzzCompressed(_ bytes: [UInt8]) {
    let limit = 4096
    if let content = try? Zstd.decompress(bytes, limit: limit) {
        require(content.count <= limit, "the limit is broken")
    }
    guard var reader = try? ZstdReader(source: source(bytes, bytes.count)) else { return }
    var read = 0
    while read < 1 << 20, let piece = try? reader.read() { read += piece.count }
}

/// What lies in a store while a job runs: a client is told of it.
func fuzzRecords(_ bytes: [UInt8]) {
    guard let record = try? JobRecord(parsing: bytes, name: "claim.json") else { return }
    _ = record.explanation
    _ = ProcessIdentity(text: record.process)?.hasEnded()
}
