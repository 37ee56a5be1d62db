import Glibc
import Support

/// Collects one page of a listing from a tree of directories, in the order of the keys' bytes. Blocks.
struct DirectoryWalk {
    private let prefix: [UInt8]
    /// Whether directories right below the prefix are shown instead of what is in them.
    private let isFolding: Bool
    /// The last entry of the page before: a key, or a prefix with a slash at its end.
    private let after: [UInt8]?
    private let limit: Int
    private(set) var page = ObjectPage()
    private var last: [UInt8] = []

    init(prefix: String, isFolding: Bool, after: String?, limit: Int) {
        self.prefix = Array(prefix.utf8)
        self.isFolding = isFolding
        self.after = after.map { Array($0.utf8) }
        self.limit = limit
    }

    /// - Parameter directory: with a slash at its end; empty for the working directory.
    mutating func visit(_ directory: String) throws(BackupError) { _ = try visit(Array(directory.utf8)) }

    /// False when the page is full.
    private mutating func visit(_ directory: [UInt8]) throws(BackupError) -> Bool {
        for entry in try DirectoryEntry.all(in: directory) {
            let path = directory + entry.name
            guard entry.isDirectory ? try visit(child: path) : try add(file: path) else { return false }
        }
        return true
    }

    private mutating func visit(child path: [UInt8]) throws(BackupError) -> Bool {
        guard path.starts(with: prefix) || prefix.starts(with: path) else { return true }
        let isBelowPrefix = path.count > prefix.count && path.starts(with: prefix)
        if let after {
            let isBegun = after.starts(with: path)
            // All of it came before, or it was shown as a prefix.
            if !isBegun && !after.lexicographicallyPrecedes(path) { return true }
            if isBegun && isFolding && isBelowPrefix { return true }
        }
        guard isFolding && isBelowPrefix else { return try visit(path) }
        guard try DirectoryWalk.hasObjects(path) else { return true }
        guard hasRoom() else { return false }
        page.commonPrefixes.append(String(decoding: path, as: UTF8.self))
        last = path
        return true
    }

    private mutating func add(file path: [UInt8]) throws(BackupError) -> Bool {
        guard path.starts(with: prefix) else { return true }
        if let after, !after.lexicographicallyPrecedes(path) { return true }
        guard let key = String(validating: path, as: UTF8.self) else {
            throw BackupError(
                .unsupported, "the file name \(quoted(String(decoding: path, as: UTF8.self))) is not UTF-8")
        }
        // It may have gone since the directory was read.
        guard let info = try LocalFile.information(key) else { return true }
        guard hasRoom() else { return false }
        page.objects.append(info)
        last = path
        return true
    }

    /// When the page is full, it says where the next one begins.
    private mutating func hasRoom() -> Bool {
        guard page.objects.count + page.commonPrefixes.count >= limit else { return true }
        page.continuation = String(decoding: last, as: UTF8.self)
        return false
    }

    private static func hasObjects(_ directory: [UInt8]) throws(BackupError) -> Bool {
        for entry in try DirectoryEntry.all(in: directory) {
            if !entry.isDirectory { return true }
            if try hasObjects(directory + entry.name) { return true }
        }
        return false
    }
}

/// A file or directory.
private struct DirectoryEntry {
    /// A directory's ends with a slash, which gives the order of keys.
    var name: [UInt8]
    var isDirectory: Bool

    /// Regular files, links to files, and directories, in order; nothing when there is no such directory. Links to
    /// directories are left out: they could lead in circles.
    static func all(in directory: [UInt8]) throws(BackupError) -> [DirectoryEntry] {
        let path = directory.isEmpty ? "." : String(decoding: directory, as: UTF8.self)
        guard let stream = opendir(path) else {
            let error = LocalFile.failure("list", path)
            if error.code == .notFound { return [] }
            throw error
        }
        defer { closedir(stream) }
        var entries: [DirectoryEntry] = []
        while let entry = readdir(stream) {
            let name = name(of: entry)
            if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { continue }
            if name.starts(with: NewFile.temporaryPrefix.utf8) { continue }
            switch kind(of: entry, name, in: stream) {
            case S_IFDIR: entries.append(DirectoryEntry(name: name + [UInt8(ascii: "/")], isDirectory: true))
            case S_IFREG, S_IFLNK: entries.append(DirectoryEntry(name: name, isDirectory: false))
            default: continue
            }
        }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }

    private static func name(of entry: UnsafeMutablePointer<dirent>) -> [UInt8] {
        withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
    }

    private static func kind(
        of entry: UnsafeMutablePointer<dirent>, _ name: [UInt8], in stream: OpaquePointer
    ) -> mode_t {
        switch Int(entry.pointee.d_type) {
        case Int(DT_REG): return S_IFREG
        case Int(DT_DIR): return S_IFDIR
        case Int(DT_LNK): return S_IFLNK
        case Int(DT_UNKNOWN): break
        default: return 0
        }
        // Some file systems do not tell.
        var status = stat()
        let name = name.map { CChar(bitPattern: $0) } + [0]
        return fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? status.st_mode & S_IFMT : 0
    }
}
