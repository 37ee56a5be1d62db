/// Where logs lie in Milvus' bucket.
package struct MilvusPaths: Sendable, Hashable {
    /// `root/`, or empty.
    package let rootPrefix: String

    /// - Parameter root: root of Milvus' data; may be empty.
    package init(root: String) { rootPrefix = directoryPrefix(root) }

    /// Prefix of the logs of a collection: `ROOT/insert_log/COLLECTION/`.
    package func collectionDirectory(_ kind: LogKind, collectionID: Int64) -> String {
        "\(rootPrefix)\(kind.directory)/\(collectionID)/"
    }

    /// Prefix of the logs of a segment: `ROOT/insert_log/COLLECTION/PARTITION/SEGMENT/`.
    package func segmentDirectory(
        _ kind: LogKind, collectionID: Int64, partitionID: Int64, segmentID: Int64
    ) -> String {
        "\(rootPrefix)\(kind.directory)/\(collectionID)/\(partitionID)/\(segmentID)/"
    }

    package func segmentDirectory(_ kind: LogKind, of segment: SegmentBackup) -> String {
        segmentDirectory(
            kind, collectionID: segment.collectionID, partitionID: segment.partitionID, segmentID: segment.segmentID)
    }

    /// The key of a log.
    package func key(_ source: SourceKey) -> String {
        let directory = segmentDirectory(
            source.kind, collectionID: source.collectionID, partitionID: source.partitionID,
            segmentID: source.segmentID)
        return source.kind == .insert ? "\(directory)\(source.fieldID)/\(source.logID)" : "\(directory)\(source.logID)"
    }
}
