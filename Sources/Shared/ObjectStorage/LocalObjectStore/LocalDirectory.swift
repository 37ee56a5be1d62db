import Glibc
import Support

/// An open directory. What is in it is reached by name and never by path, and links are not followed, so that nothing outside of
/// the root can be meant. Blocks: for threads of its own.
final class LocalDirectory {
    let descriptor: Int32
    /// For messages.
    let path: String

    /// The root of a store. This path alone may lead through links.
    init(at path: String) throws(BackupError) {
        descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LocalFile.failure("open", path) }
        self.path = path
    }

    private init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func path(of name: String) -> String { path == "/" ? "/\(name)" : "\(path)/\(name)" }

    /// nil when there is no directory of that name.
    func child(_ name: String) throws(BackupError) -> LocalDirectory? {
        let opened = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if opened >= 0 { return LocalDirectory(descriptor: opened, path: path(of: name)) }
        let error = LocalFile.failure("open", path(of: name))
        try checkNoLink(name)
        // A part of the path is a file: nothing is below it.
        if error.code == .notFound { return nil }
        throw error
    }

    func makeChild(_ name: String) throws(BackupError) -> LocalDirectory {
        if mkdirat(descriptor, name, 0o777) == 0 {
            // Else a power cut could take the new directory away with all that is in it.
            fsync(descriptor)
        } else if errno != EEXIST {
            throw LocalFile.failure("write", path(of: name))
        }
        let opened = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        if opened >= 0 { return LocalDirectory(descriptor: opened, path: path(of: name)) }
        let error = LocalFile.failure("write", path(of: name))
        try checkNoLink(name)
        throw error
    }

    /// nil when there is nothing of that name.
    func status(of name: String) throws(BackupError) -> stat? {
        var status = stat()
        if fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        let error = LocalFile.failure("read", path(of: name))
        if error.code == .notFound { return nil }
        throw error
    }

    /// - Throws: ``BackupError/Code/unsupported`` for a symbolic link.
    func checkNoLink(_ name: String) throws(BackupError) {
        guard let status = try status(of: name), status.st_mode & S_IFMT == S_IFLNK else { return }
        throw BackupError(
            .unsupported, "\(quoted(path(of: name))) is a symbolic link, and links below the root are not followed",
            hint: "put the files themselves there, or mount their directory there (mount --bind)")
    }

    /// False when it is not empty, or not there.
    func removeDirectory(_ name: String) -> Bool { unlinkat(descriptor, name, AT_REMOVEDIR) == 0 }

    /// Removes a file; one that is not there, and a directory, which is no object, count as removed.
    func removeFile(_ name: String) throws(BackupError) {
        guard unlinkat(descriptor, name, 0) != 0, errno != EISDIR else { return }
        let error = LocalFile.failure("delete", path(of: name))
        if error.code != .notFound { throw error }
    }

    /// What is in it, in the order of keys.
    ///
    /// - Parameter unfinished: whether unfinished files are shown, instead of those that are whole.
    func entries(unfinished: Bool = false) throws(BackupError) -> [LocalEntry] {
        let opened = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0, let stream = fdopendir(opened) else {
            let error = LocalFile.failure("list", path)
            if opened >= 0 { close(opened) }
            // It has just been removed, since it was empty.
            if error.code == .notFound { return [] }
            throw error
        }
        defer { closedir(stream) }
        var entries: [LocalEntry] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            switch kind(of: entry, name) {
            case S_IFDIR: entries.append(LocalEntry(name: name + [UInt8(ascii: "/")], isDirectory: true))
            case S_IFREG where name.starts(with: NewFile.temporaryPrefix.utf8) == unfinished:
                entries.append(LocalEntry(name: name, isDirectory: false))
            default: continue
            }
        }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    private func kind(of entry: UnsafeMutablePointer<dirent>, _ name: [UInt8]) -> mode_t {
        switch Int(entry.pointee.d_type) {
        case Int(DT_REG): return S_IFREG
        case Int(DT_DIR): return S_IFDIR
        case Int(DT_UNKNOWN): break
        default: return 0
        }
        // Some file systems do not tell.
        var status = stat()
        let name = name.map { CChar(bitPattern: $0) } + [0]
        return fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode & S_IFMT : 0
    }
}

/// A regular file or a directory. Links are left out: they are no objects.
struct LocalEntry {
    /// A directory's ends with a slash, which gives the order of keys.
    var name: [UInt8]
    var isDirectory: Bool

    /// - Throws: ``BackupError/Code/unsupported`` when the name is not UTF-8, which keys are.
    func text(in directory: LocalDirectory) throws(BackupError) -> String {
        let bytes = isDirectory ? name.dropLast() : name[...]
        guard let text = String(validating: bytes, as: UTF8.self) else {
            let shown = directory.path(of: String(decoding: bytes, as: UTF8.self))
            throw BackupError(.unsupported, "the file name \(quoted(shown)) is not UTF-8")
        }
        return text
    }
}
