/// One of the files below `meta/` of a backup.
package enum MetadataFile: String, Sendable, Hashable, CaseIterable {
    case collections = "collection_meta.json"
    case partitions = "partition_meta.json"
    case segments = "segment_meta.json"
    /// The whole tree. Backups since v0.4.0 have it.
    case full = "full_meta.json"
    /// The root alone. Readers take a backup for existing when it is there, so it is written last.
    case backup = "backup_meta.json"

    package var name: String { rawValue }

    /// The files of a backup in the order in which they are written.
    package static func writeOrder(for format: DataFormat) -> [MetadataFile] {
        format == .snapshot ? [.collections, .full, .backup] : [.collections, .partitions, .segments, .full, .backup]
    }

    /// The files from which a backup without ``full`` is put together.
    package static let levels: [MetadataFile] = [.backup, .collections, .partitions, .segments]
}
