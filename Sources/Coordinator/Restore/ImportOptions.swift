import BackupFormat
import MilvusClient
import Support

/// What Milvus is told of an import beside its directories.
struct ImportOptions: Sendable, Hashable {
    /// Rows with a later hybrid timestamp are left out; 0 for none.
    var endTimestamp: UInt64 = 0
    /// Of the database, where Milvus encrypts it; else empty.
    var encryptionZoneKey = ""

    /// As Milvus spells them.
    var pairs: [Milvus.KeyValuePair] {
        var pairs: [Milvus.KeyValuePair] = []
        if endTimestamp > 0 { pairs.append(Milvus.KeyValuePair("end_ts", String(endTimestamp))) }
        if !encryptionZoneKey.isEmpty { pairs.append(Milvus.KeyValuePair("ezk", encryptionZoneKey)) }
        return pairs
    }
}

extension ImportPlan {
    /// Leaves out what was written after the checkpoint of its channel, which is what the backup promises to have all of.
    ///
    /// - Throws: `unsupported` when the backup does not tell the channel of a segment, `corrupted` when it tells too little of
    ///   a channel.
    mutating func truncate(at checkpoints: [String: String]) throws(BackupError) {
        try forEachUnit { unit throws(BackupError) in
            if !unit.isL0, unit.groupID == 0 {
                throw BackupError(
                    .unsupported, "restore: truncate binlog by ts is not supported if group id is not set in backup")
            }
            let channels = Set(unit.segments.map(\.virtualChannel))
            guard let channel = channels.first, channels.count == 1, !channel.isEmpty else {
                throw BackupError(
                    .unsupported, "restore_collection: empty vch but truncate binlog by ts is set",
                    hint: "backups of Milvus before 2.5.8 do not tell the channels of segments: leave "
                        + "truncateBinlogByTs out")
            }
            unit.options.endTimestamp = try ImportPlan.timestamp(of: channel, checkpoints)
        }
    }

    mutating func set(encryptionZoneKey: String) {
        forEachUnit { $0.options.encryptionZoneKey = encryptionZoneKey }
    }

    private mutating func forEachUnit<Failure: Error>(
        _ change: (inout ImportUnit) throws(Failure) -> Void
    ) throws(Failure) {
        for index in rows.indices { try change(&rows[index]) }
        for index in partitionDeletions.indices { try change(&partitionDeletions[index]) }
        for index in collectionDeletions.indices { try change(&collectionDeletions[index]) }
    }

    private static func timestamp(
        of channel: String, _ checkpoints: [String: String]
    ) throws(BackupError) -> UInt64 {
        let name = channel.escapingControlCharacters
        guard let text = checkpoints[channel] else {
            throw BackupError(.corrupted, "restore_collection: failed to get vch \(name) checkpoint")
        }
        guard let bytes = base64Decoded(text), let position = try? Milvus.MessagePosition(serialized: bytes) else {
            throw BackupError(.corrupted, "the checkpoint of channel \(name) cannot be read")
        }
        return position.timestamp
    }
}
