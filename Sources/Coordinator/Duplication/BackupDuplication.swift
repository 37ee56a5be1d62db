import BackupFormat
import Configuration
import ConfiguredStores
import ConfiguredWorker
import ObjectStorage
import Support

/// Copies a backup that has no segments of deletions (L0) to another name in the same store.
struct BackupDuplication: Sendable {
    let source: String
    let target: String
    /// Whether what has the new name is deleted first.
    let replaces: Bool
    let context: JobContext

    private var metadata: MetadataStore { context.services.metadata }
    private var store: any ObjectStore { metadata.store }
    private var from: BackupPaths { BackupPaths(root: metadata.backupRoot, name: source) }
    private var to: BackupPaths { BackupPaths(root: metadata.backupRoot, name: target) }

    /// - Returns: the number of logs copied.
    /// - Throws: `unsupported` for a backup with segments of deletions, `alreadyExists`, `notFound`, `corrupted`.
    func run() async throws -> Int {
        guard source != target else {
            throw BackupError(.usage, "the new backup cannot have the name of the old one")
        }
        try await context.services.checkBackupBucket(makesBucket: false)
        var backup = try await metadata.read(source, options: .everything)
        try check(backup)
        try await verify(backup, at: from)
        try await makeRoom()
        backup.id = context.id
        backup.name = target
        for index in backup.collections.indices { backup.collections[index].id = context.id }
        let finished = backup
        let root = context.configuration.milvus.storage.rootPath
        return try await context.claiming(
            target, in: store, key: to.claim, work: "backup \(target) is being made", traces: to.directory
        ) { claim in
            let count = try await copyLogs()
            try await verify(finished, at: to)
            try await claim.check()
            try await metadata.write(finished, milvusRoot: root)
            return count
        }
    }

    private func check(_ backup: BackupInfo) throws(BackupError) {
        guard backup.format == .binlog else {
            throw BackupError(
                .unsupported,
                "backup \(source) is in the \"\(backup.format.rawValue)\" format, which has no L0 segments")
        }
        let compacted = backup.collections.first { collection in
            !collection.l0Segments.isEmpty || collection.partitions.contains { $0.segments.contains(where: \.isL0) }
        }
        guard let compacted else { return }
        throw BackupError(
            .unsupported,
            "collection \(compacted.qualifiedName) of backup \(source) has segments of deletions (L0), and folding them "
                + "into the rows is not supported yet",
            hint: "restore into Milvus 2.4 or later, which imports them as they are")
    }

    private func makeRoom() async throws {
        guard try await metadata.hasAnything(target) else { return }
        guard replaces else {
            throw BackupError(
                .alreadyExists, "backup with name \(target) already exist",
                hint: "name another with --output, or replace it with --force")
        }
        _ = try await metadata.delete(target)
    }

    /// Every object below `binlogs/`, the store doing the work wherever it can.
    private func copyLogs() async throws -> Int {
        let copier = context.services.equipment.copier
        // Without retries of its own, since the copier retries.
        let plain = context.services.equipment.stores.backup
        var count = 0
        try await store.forEachPage(prefix: from.binlogRoot) { page in
            let objects = page.objects.filter { !$0.key.hasSuffix("/") }
            count += objects.count
            try await forEachInParallel(objects, limit: context.configuration.transfer.concurrency) { object in
                let key = to.binlogRoot + object.key.dropFirst(from.binlogRoot.count)
                _ = try await copier.copy(
                    CopySource(store: plain, key: object.key, size: object.size, etag: object.etag),
                    to: CopyDestination(store: plain, key: key), mode: .auto)
            }
        }
        return count
    }

    private func verify(_ backup: BackupInfo, at paths: BackupPaths) async throws {
        let verifier = CopyVerifier(store: store, paths: paths)
        try await forEachInParallel(backup.collections, limit: 8) { collection in
            do {
                try await verifier.verify(collection)
            } catch {
                let place = paths == from ? source : target
                throw BackupError(wrapping: error).prefixed("backup \(place) is damaged")
            }
        }
    }
}
