/// A bucket and a root in it, as in `backups/nightly`; `backups` alone is the whole bucket.
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
}
