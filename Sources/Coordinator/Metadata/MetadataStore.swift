import BackupFormat
import ObjectStorage
import Support

/// The metadata files of backups in the backup store.
struct MetadataStore: Sendable {
    let store: any ObjectStore
    /// Root of the backups in the store.
    let backupRoot: String

    // MARK: Writing

    /// Writes all files of a backup. The one that makes it a backup comes last.
    ///
    /// - Parameter milvusRoot: root of the Milvus whose data was backed up.
    func write(_ backup: BackupInfo, milvusRoot: String) async throws {
        let writer = MetadataWriter(milvusRoot: milvusRoot)
        let paths = BackupPaths(root: backupRoot, name: backup.name)
        for file in MetadataFile.writeOrder(for: backup.format) {
            try await store.putStreamed(paths.metadata(file)) { sink in try writer.write(file, of: backup, to: sink) }
        }
    }

    // MARK: Reading

    /// Whether there is a finished backup of this name.
    func exists(_ name: String) async throws -> Bool {
        try await store.hasObjects(prefix: BackupPaths(root: backupRoot, name: name).metadata(.backup))
    }

    /// Whether there is any object of a backup of this name, finished or not.
    func hasAnything(_ name: String) async throws -> Bool {
        try await store.hasObjects(prefix: BackupPaths(root: backupRoot, name: name).directory)
    }

    /// Reads a backup.
    ///
    /// - Throws: `notFound` when there is none, `corrupted` with file and place when its metadata is damaged.
    func read(_ name: String, options: MetadataReadOptions) async throws -> BackupInfo {
        let paths = BackupPaths(root: backupRoot, name: name)
        do {
            if try await store.head(paths.metadata(.full)) != nil {
                return try await store.getStreamed(paths.metadata(.full)) { source in
                    try MetadataReader.readFull(source, options: options)
                }
            }
            return try await readLevels(paths, options: options)
        } catch let error as BackupError where error.code == .notFound {
            throw BackupError(
                .notFound, "backup \(name) not found", hint: "`list` shows the backups that are there", cause: error)
        } catch let error as BackupError where error.code == .corrupted {
            throw error.prefixed("backup \(name) cannot be read")
        }
    }

    /// The four files of backups that have no `full_meta.json` are small by today's measure: each is read into memory.
    private func readLevels(_ paths: BackupPaths, options: MetadataReadOptions) async throws -> BackupInfo {
        let files = try await mapInParallel(MetadataFile.levels, limit: 4) { file in
            let pipe = BytePipe()
            _ = try await store.get(paths.metadata(file), range: nil, ifMatch: nil, into: pipe)
            return try await pipe.collect(limit: 1 << 30)
        }
        return try await onDedicatedThread {
            let sources = files.map { bytes -> () -> [UInt8]? in
                var rest: [UInt8]? = bytes
                return {
                    defer { rest = nil }
                    return rest
                }
            }
            return try MetadataReader.readLevels(
                backup: sources[0], collections: sources[1], partitions: sources[2], segments: sources[3],
                options: options)
        }
    }

    /// Bytes of everything below `meta/`.
    func metadataSize(_ name: String) async throws -> Int64 {
        var size: Int64 = 0
        try await store.forEachPage(prefix: BackupPaths(root: backupRoot, name: name).metadataDirectory) { page in
            for object in page.objects { size += object.size }
        }
        return size
    }

    // MARK: All backups

    /// The names of the directories below the backup root, in order.
    func directoryNames() async throws -> [String] {
        let root = BackupPaths.rootDirectory(backupRoot)
        var names: [String] = []
        try await store.forEachPage(prefix: root, delimiter: "/") { page in
            names += page.commonPrefixes.map { String($0.dropFirst(root.count).dropLast()) }
        }
        return names.filter { !$0.isEmpty }
    }

    /// Deletes everything of a backup, its metadata first so that nobody restores what is going away.
    ///
    /// - Returns: the number of objects deleted; 0 when there was nothing of this name.
    func delete(_ name: String) async throws -> Int {
        let paths = BackupPaths(root: backupRoot, name: name)
        guard try await hasAnything(name) else { return 0 }
        var present: Set<String> = []
        try await store.forEachPage(prefix: paths.metadataDirectory) { page in
            present.formUnion(page.objects.map(\.key))
        }
        let files = MetadataFile.allCases.reversed().map(paths.metadata).filter(present.contains)
        if !files.isEmpty { try await store.delete(files) }
        return try await files.count + store.deleteAll(prefix: paths.directory)
    }
}
