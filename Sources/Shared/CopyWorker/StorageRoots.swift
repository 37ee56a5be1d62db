import ShardProtocol

/// Below which prefix of its bucket each storage id lives, as this process is configured. Empty: the whole bucket.
package struct StorageRoots: Sendable, Hashable {
    package let milvus: String
    package let backup: String

    /// Slashes at either end do not matter.
    package init(milvus: String, backup: String) {
        self.milvus = StorageRoots.trimmed(milvus)
        self.backup = StorageRoots.trimmed(backup)
    }

    package subscript(_ storage: StorageID) -> String {
        switch storage {
        case .milvus: milvus
        case .backup: backup
        }
    }

    private static func trimmed(_ root: String) -> String {
        var text = root[...]
        while text.utf8.first == UInt8(ascii: "/") { text.removeFirst() }
        while text.utf8.last == UInt8(ascii: "/") { text.removeLast() }
        return String(text)
    }
}
