import BackupFormat

/// What a user wants to know of a stored backup.
struct VerificationRequest: Sendable {
    var backupName: String
    var depth = VerificationReport.Depth.quick
    /// Whether a backup that is sound and has no manifest, or an unreadable one, gets one.
    var writesManifest = false
}
