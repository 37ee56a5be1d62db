import Glibc
import Support

/// An open file that is read. Blocks: for threads of its own.
final class LocalFile {
    let descriptor: Int32
    private let status: stat
    private let path: String

    /// - Throws: ``BackupError/Code/notFound`` when there is no regular file of that name.
    init(reading name: String, in directory: LocalDirectory) throws(BackupError) {
        path = directory.path(of: name)
        // Without waiting: a pipe somebody has put there has no bytes yet.
        let opened = openat(directory.descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        if opened < 0 {
            let error = LocalFile.failure("read", path)
            try directory.checkNoLink(name)
            throw error
        }
        var found = stat()
        guard fstat(opened, &found) == 0, found.st_mode & S_IFMT == S_IFREG else {
            close(opened)
            throw LocalFile.missing(path)
        }
        descriptor = opened
        status = found
    }

    deinit { close(descriptor) }

    var size: Int64 { Int64(status.st_size) }
    /// What others may do with it.
    var mode: mode_t { status.st_mode & 0o777 }

    func information(_ key: String) -> ObjectInfo { ObjectInfo(key: key, size: size, etag: LocalFile.etag(status)) }

    /// nil when there is no regular file.
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
    func send(_ range: Range<Int64>, to pipe: BytePipe) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        var position = range.lowerBound
        do throws(BackupError) {
            while position < range.upperBound {
                let wanted = min(buffer.count, Int(range.upperBound - position))
                let count = pread(descriptor, buffer.baseAddress, wanted, off_t(position))
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { throw LocalFile.failure("read", path) }
                guard count > 0 else {
                    throw BackupError(.corrupted, "file \(quoted(path)) has become shorter while it was read")
                }
                try pipe.writeBlocking(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                position += Int64(count)
            }
            pipe.finish()
        } catch {
            pipe.fail(error)
        }
    }

    static func missing(_ path: String) -> BackupError {
        BackupError(.notFound, "file \(quoted(path)) does not exist")
    }

    /// What `errno` says.
    static func failure(_ verb: String, _ path: String) -> BackupError {
        let number = errno
        let message = "cannot \(verb) \(quoted(path)): \(SystemError(number).text)"
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
