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

    /// - Parameter key: the directory's, with a slash at its end; empty for the root.
    mutating func visit(_ directory: LocalDirectory, key: String) throws(BackupError) {
        _ = try visit(directory, Array(key.utf8))
    }

    /// False when the page is full.
    private mutating func visit(_ directory: LocalDirectory, _ key: [UInt8]) throws(BackupError) -> Bool {
        for entry in try directory.entries() {
            let isDone = entry.isDirectory ? try visit(entry, of: directory, key) : try add(entry, of: directory, key)
            guard isDone else { return false }
        }
        return true
    }

    private mutating func visit(
        _ entry: LocalEntry, of parent: LocalDirectory, _ parentKey: [UInt8]
    ) throws(BackupError) -> Bool {
        let key = parentKey + entry.name
        guard key.starts(with: prefix) || prefix.starts(with: key) else { return true }
        let isBelowPrefix = key.count > prefix.count && key.starts(with: prefix)
        if let after {
            let isBegun = after.starts(with: key)
            // All of it came before, or it was shown as a prefix.
            if !isBegun && !after.lexicographicallyPrecedes(key) { return true }
            if isBegun && isFolding && isBelowPrefix { return true }
        }
        // It may have gone since its parent was read.
        guard let directory = try parent.child(try entry.text(in: parent)) else { return true }
        guard isFolding && isBelowPrefix else { return try visit(directory, key) }
        guard try DirectoryWalk.hasObjects(directory) else { return true }
        guard hasRoom() else { return false }
        page.commonPrefixes.append(String(decoding: key, as: UTF8.self))
        last = key
        return true
    }

    private mutating func add(
        _ entry: LocalEntry, of directory: LocalDirectory, _ parentKey: [UInt8]
    ) throws(BackupError) -> Bool {
        let key = parentKey + entry.name
        guard key.starts(with: prefix) else { return true }
        if let after, !after.lexicographicallyPrecedes(key) { return true }
        let name = try entry.text(in: directory)
        guard let status = try directory.status(of: name),
            let info = LocalFile.information(String(decoding: key, as: UTF8.self), status)
        else { return true }
        guard hasRoom() else { return false }
        page.objects.append(info)
        last = key
        return true
    }

    /// When the page is full, it says where the next one begins.
    private mutating func hasRoom() -> Bool {
        guard page.objects.count + page.commonPrefixes.count >= limit else { return true }
        page.continuation = String(decoding: last, as: UTF8.self)
        return false
    }

    private static func hasObjects(_ directory: LocalDirectory) throws(BackupError) -> Bool {
        for entry in try directory.entries() {
            if !entry.isDirectory { return true }
            if let child = try directory.child(try entry.text(in: directory)), try hasObjects(child) { return true }
        }
        return false
    }
}
