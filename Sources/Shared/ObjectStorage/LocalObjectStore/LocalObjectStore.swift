import Support

/// A directory of this host whose files are the objects: the directory is the bucket, and a key is the path of a file below it.
///
/// Keys are taken literally: one with `.`, `..` or an empty part is refused. Symbolic links below the directory are no objects and
/// are not followed, and empty directories do not show. Objects cannot be uploaded in parts; in return they may have any size.
/// ETags change with every write, and say nothing of the content.
package struct LocalObjectStore: ObjectStore {
    package let identity: StoreIdentity
    package let limits: StoreLimits
    let root: LocalRoot

    /// - Parameter root: a directory, absolute or relative to the working directory.
    /// - Throws: ``BackupError/Code/configuration`` when the path is empty or has `..` in it.
    package init(root: String) throws(BackupError) {
        self.root = try LocalRoot(root)
        identity = StoreIdentity(provider: "local", endpoint: "", bucket: self.root.path)
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
        let root = root
        return try await onDedicatedThread {
            var walk = DirectoryWalk(
                prefix: prefix, isFolding: delimiter != nil, after: continuation, limit: min(max(limit, 1), 1000))
            if let directory = try root.directory(at: start.steps) { try walk.visit(directory, key: start.key) }
            return walk.page
        }
    }

    package func head(_ key: String) async throws -> ObjectInfo? {
        let steps = try root.steps(to: key)
        let root = root
        return try await onDedicatedThread {
            guard let directory = try root.directory(at: steps.dropLast()), let name = steps.last else { return nil }
            try directory.checkNoLink(name)
            return try directory.status(of: name).flatMap { LocalFile.information(key, $0) }
        }
    }

    package func get(
        _ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe
    ) async throws -> ObjectInfo {
        let steps = try root.steps(to: key)
        return try await withCheckedThrowingContinuation { continuation in
            // The thread goes on after this call has its answer, until all is read or the reader leaves.
            startThread {
                do {
                    let file = try LocalObjectStore.file(at: steps, below: root)
                    let info = file.information(key)
                    let wanted = try wantedRange(range, ifMatch, info)
                    continuation.resume(returning: info)
                    file.send(wanted, to: pipe)
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
    }

    private static func file(at steps: [String], below root: LocalRoot) throws(BackupError) -> LocalFile {
        guard let directory = try root.directory(at: steps.dropLast()), let name = steps.last else {
            throw LocalFile.missing(root.path(of: steps.joined(separator: "/")))
        }
        return try LocalFile(reading: name, in: directory)
    }

    private func wantedRange(
        _ range: Range<Int64>?, _ ifMatch: String?, _ info: ObjectInfo
    ) throws(BackupError) -> Range<Int64> {
        let path = quoted(root.path(of: info.key))
        if let ifMatch, ifMatch != info.etag {
            throw BackupError(.notFound, "file \(path) has changed since it was listed")
        }
        guard let range else { return 0..<info.size }
        guard range.isEmpty || (range.lowerBound >= 0 && range.lowerBound < info.size) else {
            throw BackupError(.invalidArgument, "file \(path) has no bytes \(range)")
        }
        return range.clamped(to: 0..<info.size)
    }

    // MARK: Writing

    @discardableResult
    package func put(_ key: String, body: ObjectBody) async throws -> StoredObject {
        try await put(key, body: body, condition: nil)
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        try await put(key, body: body, condition: condition)
    }

    private func put(_ key: String, body: ObjectBody, condition: WriteCondition?) async throws -> StoredObject {
        let steps = try root.steps(to: key)
        return try await withTaskCancellationHandler {
            try await write(steps, if: condition) { file in
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
        let steps = try root.steps(to: key)
        // Another local store may be the source, with a root of its own.
        let sourceRoot = try LocalRoot(source.bucket)
        let sourceSteps = try sourceRoot.steps(to: source.key)
        return try await write(steps, if: nil) { file in
            try file.write(try LocalObjectStore.file(at: sourceSteps, below: sourceRoot))
        }
    }

    /// Makes the object with the content that `body` writes; leaves nothing behind when that fails.
    private func write(
        _ steps: [String], if condition: WriteCondition?, _ body: @escaping @Sendable (NewFile) throws -> Void
    ) async throws -> StoredObject {
        let root = root
        return try await onDedicatedThread {
            let file = try NewFile(at: steps, below: root)
            do {
                try body(file)
                return try file.publish(if: condition)
            } catch {
                file.discard()
                root.removeEmptyDirectories(above: steps)
                throw error
            }
        }
    }

    package func delete(_ keys: [String]) async throws {
        let files = try keys.map { key in try self.root.steps(to: key) }
        let root = root
        try await onDedicatedThread {
            var failure: BackupError?
            for steps in files {
                do throws(BackupError) {
                    guard let name = steps.last else { continue }
                    try root.directory(at: steps.dropLast())?.removeFile(name)
                    root.removeEmptyDirectories(above: steps)
                } catch {
                    failure = failure ?? error
                }
            }
            if let failure { throw failure }
        }
    }

    package func createBucketIfMissing() async throws {
        let root = root
        try await onDedicatedThread { try root.make() }
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

    private var noUploads: BackupError { BackupError(.unsupported, "local storage takes objects as a whole only") }
}

/// `text` in quotes, safe to print.
func quoted(_ text: String) -> String { "\"\(text.escapingControlCharacters)\"" }
