/// Where logs lie in Milvus' bucket. Prefixes end with a slash.
package struct MilvusPaths: Sendable, Hashable {
    /// `ROOT/`, or empty.
    package let rootPrefix: String

    /// - Parameter root: root of Milvus' data; may be empty.
    package init(root: String) { rootPrefix = directoryPrefix(root) }

    /// Prefix of the logs of a collection: `ROOT/insert_log/COLLECTION/`.
    package func collectionPrefix(_ kind: LogKind, collectionID: Int64) -> String {
        "\(rootPrefix)\(kind.directory)/\(collectionID)/"
    }

    /// Prefix of the logs of a partition: `ROOT/insert_log/COLLECTION/PARTITION/`.
    package func partitionPrefix(_ kind: LogKind, collectionID: Int64, partitionID: Int64) -> String {
        "\(collectionPrefix(kind, collectionID: collectionID))\(partitionID)/"
    }

    /// Prefix of the logs of a segment: `ROOT/insert_log/COLLECTION/PARTITION/SEGMENT/`.
    package func segmentPrefix(_ kind: LogKind, of segment: SegmentBackup) -> String {
        rootPrefix + Self.segmentPath(kind, of: segment)
    }

    /// The key of a log below ``rootPrefix``: `insert_log/COLLECTION/PARTITION/SEGMENT/FIELD/LOG`.
    package func relativePath(_ kind: LogKind, _ log: Binlog, of segment: SegmentBackup) -> String {
        Self.segmentPath(kind, of: segment) + kind.logPath(fieldID: log.fieldID, logID: log.logID)
    }

    /// What the key of a log says; nil for any other key. Allocates nothing.
    package func parse(_ key: String) -> SourceKey? {
        SourceKey.parse(key, after: rootPrefix, mayHaveGroup: false)?.source
    }

    private static func segmentPath(_ kind: LogKind, of segment: SegmentBackup) -> String {
        "\(kind.directory)/\(segment.collectionID)/\(segment.partitionID)/\(segment.segmentID)/"
    }
}

extension LogKind {
    /// What follows the segment in the key of a log.
    func logPath(fieldID: Int64, logID: Int64) -> String { self == .insert ? "\(fieldID)/\(logID)" : "\(logID)" }
}
