/// A bucket and a root in it, as in `backups/nightly`; `backups` alone is the whole bucket. For `local` a directory.
package struct BucketRoot: Sendable, Hashable {
    package var bucket: String
    /// Without slashes at either end; may be empty.
    package var root: String

    /// Nil when `text` has no bucket, or a root with an empty segment, `.` or `..`.
    package init?(_ text: String) {
        var rest = text[...]
        if rest.last == "/" { rest.removeLast() }
        let segments = rest.split(separator: "/", omittingEmptySubsequences: false)
        guard let bucket = segments.first, !segments.contains(where: { ["", ".", ".."].contains($0) }) else {
            return nil
        }
        self.bucket = String(bucket)
        root = segments.dropFirst().joined(separator: "/")
    }

    /// Nil when `text` is not of the form above or, for a directory, not an absolute path.
    package init?(_ text: String, isDirectory: Bool) {
        guard isDirectory else {
            self.init(text)
            return
        }
        guard text.hasPrefix("/") else { return nil }
        self.init(String(text.dropFirst()))
        bucket = root.isEmpty ? "/\(bucket)" : "/\(bucket)/\(root)"
        root = ""
    }
}

extension StorageSettings {
    /// The same store, with its objects in another place.
    package func moved(to place: BucketRoot) -> StorageSettings {
        var settings = self
        settings.bucketName = place.bucket
        settings.rootPath = provider == .local ? place.bucket : place.root
        return settings
    }
}
