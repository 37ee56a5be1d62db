import Glibc
import Support

/// The directory that a local store stays below, and the rules of its keys.
struct LocalRoot: Sendable {
    /// Without a slash at the end; empty for the working directory.
    let path: String
    /// What every key begins with: the path and a slash, or nothing.
    private let prefix: String

    init(_ root: String) throws(BackupError) {
        let isAbsolute = root.hasPrefix("/")
        let parts = root.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else {
            throw BackupError(.configuration, "the root directory \(quoted(root)) must be given without \"..\"")
        }
        path = (isAbsolute ? "/" : "") + parts.joined(separator: "/")
        prefix = path.isEmpty || path == "/" ? path : "\(path)/"
    }

    /// - Throws: ``BackupError/Code/invalidArgument`` for what is no key below this root.
    func check(_ key: String) throws(BackupError) {
        try LocalRoot.checkParts(key)
        let isBelow = key.utf8.starts(with: prefix.utf8) && key.utf8.count > prefix.utf8.count
        guard isBelow, !prefix.isEmpty || !key.hasPrefix("/") else {
            throw BackupError(.invalidArgument, "\(quoted(key)) is not below the root directory \(quoted(path))")
        }
    }

    /// Refuses what a file system would take for another path.
    static func checkParts(_ key: String) throws(BackupError) {
        guard !key.isEmpty, key.utf8.count <= 1024, !key.utf8.contains(0) else {
            throw BackupError(.invalidArgument, "a key has 1 to 1024 bytes, none of them zero")
        }
        let relative = key.utf8.first == UInt8(ascii: "/") ? key.utf8.dropFirst() : key.utf8[...]
        for part in relative.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            let isPlain = !part.isEmpty && !part.elementsEqual(".".utf8) && !part.elementsEqual("..".utf8)
            guard isPlain, !part.starts(with: NewFile.temporaryPrefix.utf8) else {
                throw BackupError(.invalidArgument, "\(quoted(key)) cannot be the path of an object's file")
            }
        }
    }

    /// The deepest directory that holds all keys with this prefix: with a slash at its end, or empty.
    func directory(forListing prefix: String) throws(BackupError) -> String {
        // A prefix that ends within the root's own path means everything below the root.
        guard !self.prefix.utf8.starts(with: prefix.utf8) else { return self.prefix }
        let directory: String
        if let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/")) {
            directory = String(prefix[...slash])
            try check("\(directory)x")
        } else {
            directory = ""
            try check("x")
        }
        return directory
    }

    /// Removes the directories that a deletion has emptied, from the innermost up to the root.
    func removeEmptyDirectories(above key: String) {
        var directory = Substring(key)
        while let slash = directory.utf8.lastIndex(of: UInt8(ascii: "/")) {
            directory = directory[..<slash]
            guard directory.utf8.count > path.utf8.count, rmdir(String(directory)) == 0 else { return }
        }
    }
}
