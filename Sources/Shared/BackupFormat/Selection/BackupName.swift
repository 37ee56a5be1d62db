import Support

/// The rules for names of backups.
package enum BackupName {
    private static let maximumLength = 128

    /// Checks a name that is to be given to a new backup: ASCII letters, digits and underscores, no digit first, at
    /// most 128 of them.
    ///
    /// - Throws: `invalidArgument` with the original's words.
    package static func validate(_ name: String) throws(BackupError) {
        guard !name.isEmpty else { throw BackupError(.invalidArgument, "backup name is required") }
        if name.unicodeScalars.contains(where: { $0.properties.isWhitespace }) {
            throw BackupError(.invalidArgument, "backup name should not contain whitespace")
        }
        if name.utf8.count > maximumLength {
            throw BackupError(.invalidArgument, "backup name length should not exceed \(maximumLength)")
        }
        guard let first = name.utf8.first, isLetter(first) || first == UInt8(ascii: "_") else {
            throw BackupError(.invalidArgument, "backup name should start with an underscore or letter")
        }
        guard name.utf8.allSatisfy(isWordByte) else {
            throw BackupError(
                .invalidArgument, "backup name should only contain numbers, letters and underscores")
        }
    }

    /// Checks the name of a backup that should exist. Other tools may have been more liberal, but a name is never a
    /// path.
    ///
    /// - Throws: `invalidArgument`.
    package static func validateExisting(_ name: String) throws(BackupError) {
        guard !name.isEmpty else { throw BackupError(.invalidArgument, "backup name is required") }
        let isPath = name == "." || name == ".." || name.utf8.contains(UInt8(ascii: "/"))
        let hasControl = name.unicodeScalars.contains { $0.properties.generalCategory == .control }
        guard !isPath, !hasControl, name.utf8.count <= 255 else {
            throw BackupError(
                .invalidArgument, "a backup name is no path and has no control characters",
                hint: "list the backups to see their names")
        }
    }

    /// The name of a backup for which none was given: `backup_2024_10_04_12_30_00_123456789`, in UTC.
    package static func generated(at time: Timestamp) -> String { "backup_\(stamp(time))" }

    /// The id of a restore for which none was given: `restore_2024_10_04_12_30_00_123456789`, in UTC.
    package static func generatedRestoreID(at time: Timestamp) -> String { "restore_\(stamp(time))" }

    /// The nanoseconds are not padded.
    private static func stamp(_ time: Timestamp) -> String {
        let utc = time.utc
        let parts = [utc.month, utc.day, utc.hour, utc.minute, utc.second].map { padded($0, 2) }
        return "\(padded(utc.year, 4))_\(parts.joined(separator: "_"))_\(time.nanoseconds)"
    }
}

/// `[A-Za-z]`.
func isLetter(_ byte: UInt8) -> Bool {
    byte | 0x20 >= UInt8(ascii: "a") && byte | 0x20 <= UInt8(ascii: "z")
}

/// `[A-Za-z0-9_]`, the `\w` of the original's rules.
func isWordByte(_ byte: UInt8) -> Bool {
    isLetter(byte) || (byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")) || byte == UInt8(ascii: "_")
}
