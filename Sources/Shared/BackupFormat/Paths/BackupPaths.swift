/// Where everything of one backup lies in the backup's bucket.
package struct BackupPaths: Sendable, Hashable {
    /// `ROOT/`, or empty: the backups of a root are the common prefixes below it.
    package let rootPrefix: String
    /// `ROOT/NAME/`.
    package let directory: String

    /// - Parameters:
    ///   - root: root of all backups; may be empty.
    ///   - name: a name that has been checked; see ``BackupName``.
    package init(root: String, name: String) {
        rootPrefix = directoryPrefix(root)
        directory = directoryPrefix(joinPath(root, name))
    }

    // MARK: Metadata

    /// `ROOT/NAME/meta/`.
    package var metadataDirectory: String { directory + "meta/" }

    /// The key of a metadata file. Readers look for it as a prefix, so nothing else may begin like it.
    package func metadata(_ file: MetadataFile) -> String { metadataDirectory + file.name }

    // MARK: Data

    /// `ROOT/NAME/bundle/`: what Milvus exports in the snapshot format.
    package var bundleDirectory: String { directory + "bundle/" }

    /// `ROOT/NAME/binlogs/`.
    package var binlogDirectory: String { directory + "binlogs/" }

    /// Prefix of the logs of a collection: `…/binlogs/insert_log/COLLECTION/`.
    package func collectionDirectory(_ kind: LogKind, collectionID: Int64) -> String {
        "\(binlogDirectory)\(kind.directory)/\(collectionID)/"
    }

    /// Prefix of the logs of a segment: `…/binlogs/insert_log/COLLECTION/PARTITION/GROUP/SEGMENT/`.
    ///
    /// - Parameter groupID: 0 leaves its level out, and so does the partition −1.
    package func segmentDirectory(
        _ kind: LogKind, collectionID: Int64, partitionID: Int64, groupID: Int64, segmentID: Int64
    ) -> String {
        let partition = partitionDirectory(
            kind, collectionID: collectionID, partitionID: partitionID, groupID: groupID)
        return "\(partition)\(segmentID)/"
    }

    package func segmentDirectory(_ kind: LogKind, of segment: SegmentBackup) -> String {
        segmentDirectory(
            kind, collectionID: segment.collectionID, partitionID: segment.partitionID, groupID: segment.groupID,
            segmentID: segment.segmentID)
    }

    /// Where the log of a source key is copied to.
    package func key(_ source: SourceKey, groupID: Int64) -> String {
        let directory = segmentDirectory(
            source.kind, collectionID: source.collectionID, partitionID: source.partitionID, groupID: groupID,
            segmentID: source.segmentID)
        return source.kind == .insert ? "\(directory)\(source.fieldID)/\(source.logID)" : "\(directory)\(source.logID)"
    }

    private func partitionDirectory(
        _ kind: LogKind, collectionID: Int64, partitionID: Int64, groupID: Int64
    ) -> String {
        let partition = "\(collectionDirectory(kind, collectionID: collectionID))\(partitionID)/"
        return groupID == 0 || partitionID == SegmentBackup.allPartitions ? partition : "\(partition)\(groupID)/"
    }

    // MARK: Import

    /// What an import of segments that are no level-0 segments names:
    /// `…/binlogs/insert_log/COLLECTION/PARTITION/GROUP/`, whose children are the segments. A partition without groups
    /// is one import, and so is each of its groups.
    package func importDirectory(
        _ kind: LogKind, collectionID: Int64, partitionID: Int64, groupID: Int64
    ) -> String {
        partitionDirectory(kind, collectionID: collectionID, partitionID: partitionID, groupID: groupID)
    }

    /// What the import of a level-0 segment names: the directory of its group, which is its own, or of the segment
    /// where there is no group. Milvus finds the logs below it either way.
    package func l0ImportDirectory(of segment: SegmentBackup) -> String {
        let partition = partitionDirectory(
            .delta, collectionID: segment.collectionID, partitionID: segment.partitionID, groupID: 0)
        return "\(partition)\(segment.segmentID)/"
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
