import CFile
import Glibc
import Support

/// A file that is written under a hidden name and appears under its own when it is whole. Blocks: for threads of its own.
final class NewFile {
    /// Names that begin like this are not listed and cannot be keys.
    static let temporaryPrefix = ".milvus-backup-unfinished-"

    private let directory: LocalDirectory
    private let name: String
    private let temporaryName: String
    private let descriptor: Int32
    private var isPublished = false

    private var path: String { directory.path(of: name) }

    /// Makes the directories that are missing.
    ///
    /// - Parameter steps: from the root to the file.
    init(at steps: [String], below root: LocalRoot) throws(BackupError) {
        name = steps.last ?? ""
        temporaryName = NewFile.temporaryPrefix + String(UInt64.random(in: .min ... .max), radix: 16)
        var attempts = 0
        while true {
            attempts += 1
            do throws(BackupError) {
                let directory = try root.makeDirectory(at: steps.dropLast())
                let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC
                let opened = openat(directory.descriptor, temporaryName, flags, 0o666)
                guard opened >= 0 else { throw LocalFile.failure("write", directory.path(of: name)) }
                self.directory = directory
                descriptor = opened
                return
            } catch {
                // Somebody has removed the directory as an empty one in between; if it is not the root that is gone.
                guard error.code == .notFound, attempts < 100, access(root.path, F_OK) == 0 else { throw error }
            }
        }
    }

    deinit { close(descriptor) }

    /// Removes what was written, unless it is published.
    func discard() {
        if !isPublished { unlinkat(directory.descriptor, temporaryName, 0) }
    }

    /// - Returns: how many bytes these were.
    @discardableResult
    func write(_ bytes: UnsafeRawBufferPointer) throws(BackupError) -> Int {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw LocalFile.failure("write", path) }
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        return bytes.count
    }

    /// Exactly `length` bytes out of `pipe`.
    func write(_ pipe: BytePipe, length: Int64) throws(BackupError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var left = length
        while left > 0 {
            let count = try pipe.readBlocking(
                into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(buffer.count, Int(left))]))
            guard count > 0 else {
                throw BackupError(.corrupted, "the content of \(quoted(path)) ended \(left) bytes too early")
            }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            left -= Int64(count)
        }
    }

    /// All of `original`, with its mode: by the kernel, which shares the blocks where the file system can.
    func write(_ original: LocalFile) throws(BackupError) {
        fchmod(descriptor, original.mode)
        var left = original.size
        while left > 0 {
            let moved = cfile_copy_range(original.descriptor, descriptor, Int(min(left, 1 << 30)))
            if moved < 0 && errno == EINTR { continue }
            // Not with these two file systems: by hand, from where it stands.
            guard moved > 0 else { return try writeByHand(original) }
            left -= Int64(moved)
        }
    }

    private func writeByHand(_ original: LocalFile) throws(BackupError) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let count = read(original.descriptor, buffer.baseAddress, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw LocalFile.failure("copy", path) }
            if count == 0 { return }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Makes the file durable and visible.
    ///
    /// - Throws: ``BackupError/Code/alreadyExists`` when what is there is not as `condition` says.
    func publish(if condition: WriteCondition? = nil) throws(BackupError) -> StoredObject {
        guard fsync(descriptor) == 0 else { throw LocalFile.failure("write", path) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LocalFile.failure("write", path) }
        // What is looked at must still be there when the name is changed: one writer with a condition at a time.
        if condition != nil { try lockDirectory() }
        defer { if condition != nil { flock(directory.descriptor, LOCK_UN) } }
        try check(condition)
        guard renameat(directory.descriptor, temporaryName, directory.descriptor, name) == 0 else {
            throw LocalFile.failure("write", path)
        }
        isPublished = true
        fsync(directory.descriptor)
        return StoredObject(etag: LocalFile.etag(status))
    }

    private func lockDirectory() throws(BackupError) {
        while flock(directory.descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                throw BackupError(.unsupported, "the file system of \(quoted(directory.path)) knows no locks")
            }
        }
    }

    private func check(_ condition: WriteCondition?) throws(BackupError) {
        guard let condition else { return }
        let found = try directory.status(of: name).map(LocalFile.etag)
        switch condition {
        case .absent where found == nil: return
        case .unchanged(let etag) where found == etag: return
        case .absent, .unchanged:
            throw BackupError(
                .alreadyExists, "file \(quoted(path)) is there, or was changed by somebody else")
        }
    }
}
