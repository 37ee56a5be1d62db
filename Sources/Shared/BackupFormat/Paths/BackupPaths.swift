/// Where everything of one backup lies in the backup's bucket. Directories and prefixes end with a slash.
package struct BackupPaths: Sendable, Hashable {
    /// `ROOT/NAME/`.
    package let directory: String
    /// `ROOT/NAME/binlogs/`.
    package let binlogRoot: String

    /// - Parameters:
    ///   - root: root of all backups; may be empty.
    ///   - name: a name that has been checked; see ``BackupName``.
    package init(root: String, name: String) {
        directory = directoryPrefix(joinPath(root, name))
        binlogRoot = directory + "binlogs/"
    }

    /// `ROOT/`, or empty: the backups of a root are the common prefixes below it.
    package static func rootDirectory(_ root: String) -> String { directoryPrefix(root) }

    // MARK: Metadata

    /// `ROOT/NAME/meta/`.
    package var metadataDirectory: String { directory + "meta/" }

    /// The key of a metadata file. Readers look for it as a prefix, so nothing else may begin like it.
    package func metadata(_ file: MetadataFile) -> String { metadataDirectory + file.name }

    // MARK: Data

    /// `ROOT/NAME/bundle/`: what Milvus exports in the snapshot format.
    package var bundleDirectory: String { directory + "bundle/" }

    /// Prefix of the logs of a collection: `…/binlogs/insert_log/COLLECTION/`.
    package func collectionPrefix(_ kind: LogKind, collectionID: Int64) -> String {
        "\(binlogRoot)\(kind.directory)/\(collectionID)/"
    }

    /// Prefix of the logs of a segment: `…/binlogs/insert_log/COLLECTION/PARTITION/GROUP/SEGMENT/`. A group id of 0
    /// leaves its level out, and so does the partition −1.
    package func segmentPrefix(_ kind: LogKind, of segment: SegmentBackup) -> String {
        binlogRoot + Self.segmentPath(kind, of: segment)
    }

    /// Where a log is copied to, below ``binlogRoot``: `insert_log/COLLECTION/PARTITION/GROUP/SEGMENT/FIELD/LOG`.
    package func relativePath(_ kind: LogKind, _ log: Binlog, of segment: SegmentBackup) -> String {
        Self.segmentPath(kind, of: segment) + kind.logPath(fieldID: log.fieldID, logID: log.logID)
    }

    /// What the key of a log of this backup says, and its group, 0 where there is none; nil for any other key.
    /// Allocates nothing.
    package func parse(_ key: String) -> (source: SourceKey, groupID: Int64)? {
        SourceKey.parse(key, after: binlogRoot, mayHaveGroup: true)
    }

    private static func segmentPath(_ kind: LogKind, of segment: SegmentBackup) -> String {
        let partition = partitionPath(
            kind, collectionID: segment.collectionID, partitionID: segment.partitionID, groupID: segment.groupID)
        return "\(partition)\(segment.segmentID)/"
    }

    private static func partitionPath(
        _ kind: LogKind, collectionID: Int64, partitionID: Int64, groupID: Int64
    ) -> String {
        let partition = "\(kind.directory)/\(collectionID)/\(partitionID)/"
        return groupID == 0 || partitionID == SegmentBackup.allPartitions ? partition : "\(partition)\(groupID)/"
    }

    // MARK: Import

    /// What an import of segments that are no level-0 segments names:
    /// `…/binlogs/insert_log/COLLECTION/PARTITION/GROUP/`, whose children are the segments. A partition without groups
    /// is one import, and so is each of its groups.
    package func importPrefix(
        _ kind: LogKind, collectionID: Int64, partitionID: Int64, groupID: Int64
    ) -> String {
        let path = Self.partitionPath(kind, collectionID: collectionID, partitionID: partitionID, groupID: groupID)
        return binlogRoot + path
    }

    /// What the import of a level-0 segment names: the directory of its group, which is its own, or of the segment
    /// where there is no group. Milvus finds the logs below it either way.
    package func l0ImportPrefix(of segment: SegmentBackup) -> String {
        let partition = Self.partitionPath(
            .delta, collectionID: segment.collectionID, partitionID: segment.partitionID, groupID: 0)
        return "\(binlogRoot)\(partition)\(segment.segmentID)/"
    }

    // MARK: Our own files

    // They lie directly in the directory, where no reader of any version looks.

    /// Claims the name while the backup is being made.
    package var claim: String { directory + "claim.json" }

    /// Every object of the finished backup with its size and checksum.
    package var manifest: String { directory + "manifest.zst" }

    /// Prefix of the pieces of the journal of a running backup.
    package var journalPrefix: String { directory + "journal-" }

    /// A piece of the journal.
    package func journal(_ piece: String) -> String { journalPrefix + piece }
}
