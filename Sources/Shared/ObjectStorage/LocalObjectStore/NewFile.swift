import Glibc
import Support

/// A file that is written under a hidden name and appears under its own when it is whole. Blocks: for threads of its own.
final class NewFile {
    /// Names that begin like this are not listed and cannot be keys.
    static let temporaryPrefix = ".milvus-backup-unfinished-"

    private let key: String
    private let directory: String
    private let temporaryPath: String
    private let descriptor: Int32
    private var isPublished = false

    /// Makes the directories that are missing.
    init(at key: String) throws(BackupError) {
        self.key = key
        directory = key.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(key[...$0]) } ?? ""
        temporaryPath = "\(directory)\(NewFile.temporaryPrefix)\(String(UInt64.random(in: .min ... .max), radix: 16))"
        var attempts = 0
        while true {
            try NewFile.makeDirectories(directory)
            let opened = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
            if opened >= 0 {
                descriptor = opened
                return
            }
            attempts += 1
            // Somebody has removed the directory as an empty one in between.
            guard errno == ENOENT, attempts < 100 else { throw LocalFile.failure("write", key) }
        }
    }

    deinit { close(descriptor) }

    /// Removes what was written, unless it is published.
    func discard() {
        if !isPublished { unlink(temporaryPath) }
    }

    /// - Returns: how many bytes these were.
    @discardableResult
    func write(_ bytes: UnsafeRawBufferPointer) throws(BackupError) -> Int {
        var rest = bytes
        while !rest.isEmpty {
            let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw LocalFile.failure("write", key) }
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
                throw BackupError(.corrupted, "the content of \(quoted(key)) ended \(left) bytes too early")
            }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            left -= Int64(count)
        }
    }

    /// All of `original`, with its mode.
    func write(_ original: LocalFile, name: String) throws(BackupError) {
        var status = stat()
        guard fstat(original.descriptor, &status) == 0 else { throw LocalFile.failure("read", name) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw LocalFile.missing(name) }
        fchmod(descriptor, status.st_mode & 0o777)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let moved = sendfile(descriptor, original.descriptor, nil, 1 << 30)
            if moved == 0 { return }
            if moved < 0 { break }
        }
        // Not with these two file systems: by hand, from where it stands.
        while true {
            let count = read(original.descriptor, buffer.baseAddress, buffer.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw LocalFile.failure("read", name) }
            if count == 0 { return }
            try write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        }
    }

    /// Makes the file durable and visible.
    ///
    /// - Returns: its ETag.
    func publish() throws(BackupError) -> String {
        guard fsync(descriptor) == 0 else { throw LocalFile.failure("write", key) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, rename(temporaryPath, key) == 0 else {
            throw LocalFile.failure("write", key)
        }
        isPublished = true
        let parent = open(directory.isEmpty ? "." : directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if parent >= 0 {
            fsync(parent)
            close(parent)
        }
        return LocalFile.etag(status)
    }

    /// - Parameter path: may end with a slash; an empty one is the working directory.
    static func makeDirectories(_ path: String) throws(BackupError) {
        guard !path.isEmpty, access(path, F_OK) != 0 else { return }
        let bytes = Array(path.utf8)
        for (index, byte) in bytes.enumerated() where index > 0 {
            let isEnd = index == bytes.count - 1
            guard byte == UInt8(ascii: "/") || isEnd else { continue }
            let part = String(decoding: bytes[...index], as: UTF8.self)
            guard mkdir(part, 0o777) == 0 || errno == EEXIST else { throw LocalFile.failure("write", part) }
        }
    }
}
