import Support

/// A directory of this machine whose files are the objects.
///
/// Keys are paths of files below the root directory, absolute when the root is. They are taken literally: a key with `.`,
/// `..` or an empty part is refused, and so is one outside of the root. Empty directories do not show. Objects cannot be
/// uploaded in parts; in return they may have any size. ETags change with every write, and say nothing of the content.
package struct LocalObjectStore: ObjectStore {
    package let identity: StoreIdentity
    package let limits: StoreLimits
    let root: LocalRoot

    /// - Parameter root: a directory, absolute or relative to the working directory; it is made with the first object.
    /// - Throws: ``BackupError/Code/configuration`` when the path has `..` in it.
    package init(root: String) throws(BackupError) {
        self.root = try LocalRoot(root)
        identity = StoreIdentity(provider: "local", endpoint: "", bucket: "")
        var limits = StoreLimits()
        limits.maximumPutSize = 1 << 60
        limits.maximumCopySize = 1 << 60
        self.limits = limits
    }

    // MARK: Reading

    package func list(
        prefix: String, delimiter: String?, continuation: String?, limit: Int
    ) async throws -> ObjectPage {
        guard delimiter == nil || delimiter == "/" else {
            throw BackupError(.unsupported, "directories are listed with the delimiter / only")
        }
        let start = try root.directory(forListing: prefix)
        return try await onDedicatedThread {
            var walk = DirectoryWalk(
                prefix: prefix, isFolding: delimiter != nil, after: continuation, limit: min(max(limit, 1), 1000))
            try walk.visit(start)
            return walk.page
        }
    }

    package func head(_ key: String) async throws -> ObjectInfo? {
        try root.check(key)
        return try await onDedicatedThread { try LocalFile.information(key) }
    }

    package func get(
        _ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe
    ) async throws -> ObjectInfo {
        try root.check(key)
        return try await withCheckedThrowingContinuation { continuation in
            // The thread goes on after this call has its answer, until all is read or the reader leaves.
            startThread {
                do {
                    let file = try LocalFile(reading: key)
                    let info = try file.information(key)
                    let wanted = try wantedRange(range, ifMatch, info)
                    continuation.resume(returning: info)
                    file.send(wanted, to: pipe, name: key)
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }

    private func wantedRange(
        _ range: Range<Int64>?, _ ifMatch: String?, _ info: ObjectInfo
    ) throws(BackupError) -> Range<Int64> {
        if let ifMatch, ifMatch != info.etag {
            throw BackupError(.notFound, "file \(quoted(info.key)) has changed since it was listed")
        }
        guard let range else { return 0..<info.size }
        guard range.isEmpty || (range.lowerBound >= 0 && range.lowerBound < info.size) else {
            throw BackupError(.invalidArgument, "file \(quoted(info.key)) has no bytes \(range)")
        }
        return range.clamped(to: 0..<info.size)
    }

    // MARK: Writing

    @discardableResult
    package func put(_ key: String, body: ObjectBody) async throws -> StoredObject {
        try root.check(key)
        return try await withTaskCancellationHandler {
            try await write(key) { file in
                switch body {
                case .bytes(let bytes): _ = try bytes.withUnsafeBytes { all throws(BackupError) in try file.write(all) }
                case .pipe(let pipe, let length): try file.write(pipe, length: length)
                }
            }
        } onCancel: {
            // Wakes the thread when it waits for bytes.
            if case .pipe(let pipe, _) = body {
                pipe.cancel()
                pipe.fail(BackupError(.canceled, "canceled"))
            }
        }
    }

    @discardableResult
    package func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        try root.check(key)
        // Another local store may be the source, with a root of its own.
        try LocalRoot.checkParts(source.key)
        guard source.bucket == identity.bucket else {
            throw BackupError(.notFound, "local storage has no bucket \(quoted(source.bucket))")
        }
        return try await write(key) { file in
            try file.write(try LocalFile(reading: source.key), name: source.key)
        }
    }

    /// Makes the object with the content that `body` writes; leaves nothing behind when that fails.
    private func write(_ key: String, _ body: @escaping @Sendable (NewFile) throws -> Void) async throws -> StoredObject
    {
        let root = root
        return try await onDedicatedThread {
            let file = try NewFile(at: key)
            do {
                try body(file)
                return StoredObject(etag: try file.publish())
            } catch {
                file.discard()
                root.removeEmptyDirectories(above: key)
                throw error
            }
        }
    }

    package func delete(_ keys: [String]) async throws {
        for key in keys { try root.check(key) }
        let root = root
        try await onDedicatedThread {
            var failure: BackupError?
            for key in keys {
                do throws(BackupError) {
                    try LocalFile.delete(key)
                    root.removeEmptyDirectories(above: key)
                } catch {
                    failure = failure ?? error
                }
            }
            if let failure { throw failure }
        }
    }

    package func createBucketIfMissing() async throws {
        let root = root
        try await onDedicatedThread { try NewFile.makeDirectories(root.path) }
    }

    // MARK: Uploads in parts

    package func createMultipartUpload(_ key: String) async throws -> String { throw noUploads }

    package func uploadPart(
        _ key: String, uploadID: String, number: Int, body: ObjectBody
    ) async throws -> UploadedPart { throw noUploads }

    package func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart { throw noUploads }

    @discardableResult
    package func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject { throw noUploads }

    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {}

    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] { [] }

    private var noUploads: BackupError { BackupError(.unsupported, "local storage takes objects as a whole only") }
}

/// `text` in quotes, safe to print.
func quoted(_ text: String) -> String { "\"\(text.escapingControlCharacters)\"" }
