import Glibc
import Support

/// An open file that is read. Blocks: for threads of its own.
final class LocalFile {
    let descriptor: Int32

    init(reading path: String) throws(BackupError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LocalFile.failure("read", path) }
    }

    deinit { close(descriptor) }

    func information(_ key: String) throws(BackupError) -> ObjectInfo {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw LocalFile.failure("read", key) }
        guard let info = LocalFile.information(key, status) else { throw LocalFile.missing(key) }
        return info
    }

    /// nil when there is no regular file.
    static func information(_ key: String) throws(BackupError) -> ObjectInfo? {
        var status = stat()
        guard stat(key, &status) == 0 else {
            let error = failure("read", key)
            if error.code == .notFound { return nil }
            throw error
        }
        return information(key, status)
    }

    /// nil when it is no regular file.
    static func information(_ key: String, _ status: stat) -> ObjectInfo? {
        guard status.st_mode & S_IFMT == S_IFREG else { return nil }
        return ObjectInfo(key: key, size: Int64(status.st_size), etag: etag(status))
    }

    /// Every write makes a new file, so that its number and time tell whether it is still the same.
    static func etag(_ status: stat) -> String {
        let nanoseconds = Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec)
        return
            "\(String(status.st_ino, radix: 16))-\(String(nanoseconds, radix: 16))-\(String(status.st_size, radix: 16))"
    }

    /// Reads `range` into `pipe` and ends it. A reader that leaves ends this, too.
    func send(_ range: Range<Int64>, to pipe: BytePipe, name: String) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var position = range.lowerBound
        do throws(BackupError) {
            while position < range.upperBound {
                let wanted = min(buffer.count, Int(range.upperBound - position))
                let count = pread(descriptor, buffer.baseAddress, wanted, off_t(position))
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { throw LocalFile.failure("read", name) }
                guard count > 0 else {
                    throw BackupError(.corrupted, "file \(quoted(name)) has become shorter while it was read")
                }
                try pipe.writeBlocking(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                position += Int64(count)
            }
            pipe.finish()
        } catch {
            pipe.fail(error)
        }
    }

    static func delete(_ key: String) throws(BackupError) {
        guard unlink(key) != 0 else { return }
        // A directory is no object.
        if errno == EISDIR { return }
        let error = failure("delete", key)
        if error.code != .notFound { throw error }
    }

    static func missing(_ key: String) -> BackupError { BackupError(.notFound, "file \(quoted(key)) does not exist") }

    /// What `errno` says.
    static func failure(_ verb: String, _ path: String) -> BackupError {
        let number = errno
        let message = "cannot \(verb) \(quoted(path)): \(String(cString: strerror(number)))"
        switch number {
        case ENOENT: return missing(path)
        // A part of the path is a file: for a reader, nothing is there.
        case ENOTDIR where verb != "write": return missing(path)
        case EACCES, EPERM, EROFS: return BackupError(.permissionDenied, message)
        case ENOTDIR, EISDIR, ENAMETOOLONG, ELOOP, ENOTEMPTY, EEXIST, EINVAL:
            return BackupError(.invalidArgument, message)
        case ENOSPC, EDQUOT: return BackupError(.remoteFailure, message, hint: "free space on the disk")
        case EMFILE, ENFILE, ENOMEM, EAGAIN: return BackupError(.unavailable, message, isRetryable: true)
        default: return BackupError(.remoteFailure, message)
        }
    }
}
