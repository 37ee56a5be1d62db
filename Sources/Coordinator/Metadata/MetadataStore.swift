import BackupFormat
import JSON
import ObjectStorage
import Support
import Synchronization

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
            // Written last and deleted first: without it, what is there is no backup yet, or none any more.
            guard try await store.head(paths.metadata(.backup)) != nil else {
                throw BackupError(.notFound, "\(paths.metadata(.backup)) does not exist")
            }
            if try await store.head(paths.metadata(.full)) != nil {
                return try await readFull(paths, options: options)
            }
            return try await readLevels(paths, options: options)
        } catch let error as BackupError where error.code == .notFound {
            throw BackupError(
                .notFound, "backup \(name) not found", hint: "`list` shows the backups that are there", cause: error)
        } catch let error as BackupError where error.code == .corrupted {
            throw error.prefixed("backup \(name) cannot be read")
        }
    }

    /// - Throws: `corrupted` with file and place when it is damaged.
    func readFull(_ paths: BackupPaths, options: MetadataReadOptions) async throws -> BackupInfo {
        try await store.getStreamed(paths.metadata(.full)) { source in
            try MetadataReader.readFull(source, options: options)
        }
    }

    /// Of the four files of all versions only that of the segments grows with the data; the others are read into memory.
    ///
    /// - Throws: `corrupted` with file and place when one is damaged.
    func readLevels(_ paths: BackupPaths, options: MetadataReadOptions) async throws -> BackupInfo {
        let files = try await mapInParallel(MetadataFile.levels.dropLast(), limit: 4) { file in
            try await store.readWhole(paths.metadata(file), limit: 1 << 30).bytes
        }
        return try await store.getStreamed(paths.metadata(.segments)) { segments in
            let sources = files.map { bytes -> () -> [UInt8]? in
                var rest: [UInt8]? = bytes
                return {
                    defer { rest = nil }
                    return rest
                }
            }
            return try MetadataReader.readLevels(
                backup: sources[0], collections: sources[1], partitions: sources[2], segments: segments,
                options: options)
        }
    }

    /// The names of a backup's collections, without reading what the backup has of them.
    func collectionNames(_ name: String) async throws -> [CollectionName] {
        let key = BackupPaths(root: backupRoot, name: name).metadata(.collections)
        do {
            return try await store.getStreamed(key) { try MetadataReader.readCollections($0).map(\.qualifiedName) }
        } catch let error as BackupError where error.code == .notFound {
            // Readers need no more than full_meta.json, so others may have written no more.
            return try await read(name, options: .withoutBinlogs).collections.map(\.qualifiedName)
        }
    }

    /// Gives out everything that is recorded of a backup as one indented document, piece by piece: its logs may be a
    /// million.
    ///
    /// - Parameter milvusRoot: root of the Milvus whose data it is; backups that have no `full_meta.json` need it.
    func printAll(
        of name: String, milvusRoot: String, to output: @escaping @Sendable ([UInt8]) -> Void
    ) async throws {
        let key = BackupPaths(root: backupRoot, name: name).metadata(.full)
        guard try await store.head(key) != nil else {
            let backup = try await read(name, options: .everything)
            return try await onDedicatedThread {
                let writer = MetadataWriter(milvusRoot: milvusRoot)
                try writer.write(.full, of: backup, layout: .indented, to: output)
            }
        }
        // Damage shows now, and not in the middle of the output.
        _ = try await read(name, options: .withoutBinlogs)
        let sent = Mutex(0)
        try await store.getStreamed(key) { source in
            // After a connection that broke it begins anew: what is out already is passed over.
            var rest = sent.withLock { $0 }
            var indenter = JSONIndenter()
            while let piece = try source() {
                let text = indenter.indent(piece)
                let new = text.dropFirst(rest)
                rest -= text.count - new.count
                if !new.isEmpty { output(Array(new)) }
                sent.withLock { $0 += new.count }
            }
        }
    }

    /// Bytes of everything below `meta/`.
    func metadataSize(_ name: String) async throws -> Int64 {
        var size: Int64 = 0
        try await store.forEachPage(prefix: BackupPaths(root: backupRoot, name: name).metadataDirectory) { page in
            size = ([size] + page.objects.map(\.size)).sumOfSizes(\.self)
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

    /// The finished backups without their collections, in the order of their names.
    ///
    /// - Parameter onProblem: told of a backup that cannot be read; it is left out.
    func summaries(onProblem: @escaping @Sendable (BackupError) -> Void) async throws -> [BackupInfo] {
        try await mapInParallel(try await directoryNames(), limit: 32) { name -> BackupInfo? in
            let key = BackupPaths(root: backupRoot, name: name).metadata(.backup)
            do {
                return try await store.getStreamed(key) { try MetadataReader.readSummary($0) }
            } catch let error as BackupError where error.code == .notFound {
                return nil
            } catch let error as BackupError where error.code == .corrupted {
                onProblem(error.prefixed("backup \(name) cannot be read"))
                return nil
            }
        }.compactMap { $0 }
    }

    /// Deletes everything of a backup, its metadata first so that nobody restores what is going away. Uploads in parts that
    /// were never ended are ended.
    ///
    /// - Returns: the number of objects deleted; 0 when there was nothing of this name.
    func delete(_ name: String) async throws -> Int {
        let paths = BackupPaths(root: backupRoot, name: name)
        let files = try await store.deleteAll(prefix: paths.metadataDirectory)
        try await store.abortUploads(below: paths.directory)
        return files + (try await store.deleteAll(prefix: paths.directory))
    }
}
