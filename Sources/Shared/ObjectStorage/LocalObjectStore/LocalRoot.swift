import Glibc
import Support

/// The directory that a local store stays below, and the rules of its keys.
struct LocalRoot: Sendable {
    /// Without a slash at the end; `.` for the working directory.
    let path: String

    init(_ root: String) throws(BackupError) {
        let parts = root.split(separator: "/").filter { $0 != "." }
        guard !root.isEmpty, !root.utf8.contains(0) else {
            throw BackupError(.configuration, "rootPath is empty", hint: "name the directory that holds the files")
        }
        guard !parts.contains("..") else {
            throw BackupError(.configuration, "the root directory \(quoted(root)) must be given without \"..\"")
        }
        let isAbsolute = root.hasPrefix("/")
        path = (isAbsolute ? "/" : "") + (parts.isEmpty && !isAbsolute ? "." : parts.joined(separator: "/"))
    }

    /// Where a key's file is, for messages.
    func path(of key: String) -> String { path == "/" ? "/\(key)" : "\(path)/\(key)" }

    /// The steps from the root to a key's file.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument`` for what a file system would take for another path.
    func steps(to key: String) throws(BackupError) -> [String] {
        guard !key.isEmpty, key.utf8.count <= 1024, !key.utf8.contains(0) else {
            throw BackupError(.invalidArgument, "a key has 1 to 1024 bytes, none of them zero")
        }
        // Bytes are compared, not characters: to Swift a slash with an accent is another letter.
        let parts = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        for part in parts {
            let isPlain = !part.isEmpty && !part.elementsEqual(".".utf8) && !part.elementsEqual("..".utf8)
            guard isPlain, !part.starts(with: NewFile.temporaryPrefix.utf8) else {
                throw BackupError(
                    .invalidArgument, "\(quoted(key)) cannot be the path of a file below \(quoted(path))")
            }
        }
        return parts.map { String(Substring($0)) }
    }

    /// The deepest directory that holds all keys with this prefix, with a slash at its end, or empty; and the steps to it.
    func directory(forListing prefix: String) throws(BackupError) -> (key: String, steps: [String]) {
        guard let slash = prefix.utf8.lastIndex(of: UInt8(ascii: "/")) else { return ("", []) }
        return (String(prefix[...slash]), try steps(to: String(prefix[..<slash])))
    }

    // MARK: On the disk. Blocks.

    /// - Throws: ``BackupError/Code/notFound`` when the root itself is not there.
    func open() throws(BackupError) -> LocalDirectory {
        do throws(BackupError) {
            return try LocalDirectory(at: path)
        } catch {
            guard error.code == .notFound else { throw error }
            throw BackupError(
                .notFound, "the directory \(quoted(path)) does not exist", hint: "is everything mounted on this host?")
        }
    }

    /// nil when there is no such directory below the root.
    func directory<Steps: Sequence<String>>(at steps: Steps) throws(BackupError) -> LocalDirectory? {
        var directory = try open()
        for step in steps {
            guard let next = try directory.child(step) else { return nil }
            directory = next
        }
        return directory
    }

    /// Makes the directories that are missing below the root.
    func makeDirectory<Steps: Sequence<String>>(at steps: Steps) throws(BackupError) -> LocalDirectory {
        var directory = try open()
        for step in steps { directory = try directory.makeChild(step) }
        return directory
    }

    /// Makes the root itself.
    func make() throws(BackupError) {
        guard access(path, F_OK) != 0 else { return }
        let bytes = Array(path.utf8)
        for (index, byte) in bytes.enumerated() where index > 0 {
            let isEnd = index == bytes.count - 1
            guard byte == UInt8(ascii: "/") || isEnd else { continue }
            let part = String(decoding: bytes[...index], as: UTF8.self)
            guard mkdir(part, 0o777) == 0 || errno == EEXIST else { throw LocalFile.failure("make", part) }
        }
    }

    /// Removes the directories that a deletion has emptied, from the innermost up to the root.
    func removeEmptyDirectories(above steps: [String]) {
        var steps = steps.dropLast()
        while let name = steps.popLast() {
            guard let parent = try? directory(at: steps), parent.removeDirectory(name) else { return }
        }
    }
}
