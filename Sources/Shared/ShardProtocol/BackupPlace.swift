/// Where backups lie in the backup store: a bucket and a root in it.
///
/// An agent lists in its hello those that its own configuration allows besides the configured one (`agent.allowedRoots`); an
/// assignment names one when its backup does not lie where the agent is configured to look.
package struct BackupPlace: Sendable, Hashable, Codable, CustomStringConvertible {
    package let bucket: String
    /// Without leading, trailing and doubled slashes; empty for the whole bucket.
    package let root: String

    package init(bucket: String, root: String) {
        self.bucket = bucket
        self.root = root.split(separator: "/").joined(separator: "/")
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            bucket: try container.decode(String.self, forKey: .bucket),
            root: try container.decode(String.self, forKey: .root))
    }

    package var description: String { "bucket \"\(bucket)\" root \"\(root)\"" }
}

extension [StoreDescription] {
    /// Where the backups of the described stores lie.
    package var backupPlace: BackupPlace? {
        first { $0.storage == .backup }.map { BackupPlace(bucket: $0.bucket, root: $0.root) }
    }
}
