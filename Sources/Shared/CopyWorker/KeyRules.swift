import ShardProtocol
import Support

/// What a worker may read and write. It holds whatever a coordinator says: these rules are this host's own.
///
/// - It reads only below the configured roots.
/// - It writes to `backup` only below `<backup root>/<backup name>/`.
///   Where both storages are one bucket, never below Milvus' own root either, unless the backup root is a directory in there.
/// - It writes to `milvus` only below `restore-temp-*/` at the top of the bucket, and never below Milvus' own root. (A root
///   that is the whole bucket leaves `restore-temp-*/`: Milvus keeps nothing there.)
/// - It verifies only what lies below `<backup root>/<backup name>/` in `backup`.
/// - A key is plain: segments between single slashes, none of them `.` or `..`, no control characters, 1024 bytes at most.
package struct KeyRules: Sendable {
    /// Bytes of a key, at most: S3's limit.
    package static let maximumKeyLength = 1024
    /// Bytes of a backup's name, at most.
    package static let maximumNameLength = 255

    private let roots: StorageRoots
    private let backupName: String
    private let sharesBucket: Bool

    /// - Parameters:
    ///   - backupName: the backup that is made or restored.
    ///   - sharesBucket: whether both storage ids are the same bucket of the same backend.
    /// - Throws: ``BackupError/Code/invalidArgument`` when the name is none that a backup can have.
    package init(roots: StorageRoots, backupName: String, sharesBucket: Bool) throws(BackupError) {
        guard KeyRules.isValidName(backupName) else {
            throw BackupError(
                .invalidArgument,
                "\"\(KeyRules.shown(backupName))\" is no name of a backup: one without slashes and control "
                    + "characters, at most \(KeyRules.maximumNameLength) bytes")
        }
        self.roots = roots
        self.backupName = backupName
        self.sharesBucket = sharesBucket
    }

    /// - Throws: ``BackupError/Code/invalidArgument``, naming key and rule.
    package func checkRead(_ key: String, on storage: StorageID) throws(BackupError) {
        try checkShape(key, on: storage)
        let root = roots[storage]
        guard root.isEmpty || KeyRules.isBelow(key, "\(root)/") else {
            throw refusal(key, storage, "is not below the root \"\(root)/\"; this worker reads nothing else")
        }
    }

    /// - Throws: ``BackupError/Code/invalidArgument``, naming key and rule.
    package func checkWrite(_ key: String, on storage: StorageID) throws(BackupError) {
        try checkShape(key, on: storage)
        switch storage {
        case .backup:
            guard KeyRules.isBelow(key, backupDirectory) else {
                throw refusal(
                    key, storage, "is not below \"\(backupDirectory)\"; this worker writes nothing else there")
            }
            guard !sharesBucket || isOutsideOfMilvus(key) else {
                throw refusal(key, storage, "is below Milvus' own root \"\(roots.milvus)/\" in the same bucket")
            }
        case .milvus:
            guard KeyRules.isStaging(key) else {
                throw refusal(
                    key, storage, "is not below \"restore-temp-*/\"; this worker writes nothing else there")
            }
            guard roots.milvus.isEmpty || !KeyRules.isBelow(key, "\(roots.milvus)/") else {
                throw refusal(key, storage, "is below Milvus' own root \"\(roots.milvus)/\"")
            }
        }
    }

    /// Checks a key that is read for its digest, which tells of its content: only the backup's own objects are.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument``, naming key and rule.
    package func checkVerification(
        _ key: String, on storage: StorageID, destination: StorageID
    ) throws(BackupError) {
        try checkShape(key, on: storage)
        guard storage == .backup, destination == .backup, KeyRules.isBelow(key, backupDirectory) else {
            throw refusal(key, storage, "is not below \"\(backupDirectory)\"; this worker verifies nothing else")
        }
    }

    private var backupDirectory: String { roots.backup.isEmpty ? "\(backupName)/" : "\(roots.backup)/\(backupName)/" }

    /// Checks one task of a shard: both keys, the direction, and that it goes somewhere else.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument``, naming key and rule.
    package func check(
        source: String, on sourceStorage: StorageID, destination: String, on destinationStorage: StorageID
    ) throws(BackupError) {
        guard sourceStorage != destinationStorage else {
            throw refusal(source, sourceStorage, "would be copied inside one storage; this worker copies to the other")
        }
        try checkRead(source, on: sourceStorage)
        try checkWrite(destination, on: destinationStorage)
        guard !sharesBucket || !source.utf8.elementsEqual(destination.utf8) else {
            throw refusal(source, sourceStorage, "is its own destination: both storages are the same bucket")
        }
    }

    /// In one bucket a backup could have the name of Milvus' root, or, with one root for both, of one of its directories.
    private func isOutsideOfMilvus(_ key: String) -> Bool {
        roots.milvus.isEmpty || !KeyRules.isBelow(key, "\(roots.milvus)/")
            || KeyRules.isBelow(roots.backup, "\(roots.milvus)/")
    }

    // MARK: Shapes

    private func checkShape(_ key: String, on storage: StorageID) throws(BackupError) {
        guard !key.isEmpty else { throw refusal(key, storage, "is empty") }
        guard key.utf8.count <= KeyRules.maximumKeyLength else {
            throw refusal(key, storage, "has more than \(KeyRules.maximumKeyLength) bytes")
        }
        guard !key.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }) else {
            throw refusal(key, storage, "has a control character")
        }
        for segment in key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard !segment.isEmpty else {
                throw refusal(key, storage, "has an empty segment: a slash at an end, or two together")
            }
            guard !segment.elementsEqual(".".utf8), !segment.elementsEqual("..".utf8) else {
                throw refusal(key, storage, "has the segment \"\(String(Substring(segment)))\"")
            }
        }
    }

    /// Bytes are compared, not characters: to Swift two spellings of an accented letter are equal, to a store they are not.
    private static func isBelow(_ key: String, _ directory: String) -> Bool {
        key.utf8.starts(with: directory.utf8) && key.utf8.count > directory.utf8.count
    }

    /// Whether the first segment is `restore-temp-` with something after it, and something comes below.
    private static func isStaging(_ key: String) -> Bool {
        let prefix = "restore-temp-".utf8
        guard let slash = key.utf8.firstIndex(of: UInt8(ascii: "/")) else { return false }
        let first = key.utf8[..<slash]
        return first.starts(with: prefix) && first.count > prefix.count
    }

    /// Whether the name is one plain segment of a key. Other tools are more liberal with names than we are, and their backups
    /// can be restored.
    private static func isValidName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= maximumNameLength
            && !name.unicodeScalars.contains { $0 == "/" || $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }
    }

    // MARK: Messages

    private func refusal(_ key: String, _ storage: StorageID, _ rule: String) -> BackupError {
        BackupError(.invalidArgument, "refused: key \"\(KeyRules.shown(key))\" on \(storage.rawValue) \(rule)")
    }

    private static func shown(_ text: String) -> String {
        let escaped = text.escapingControlCharacters
        return escaped.utf8.count <= maximumKeyLength ? escaped : "\(escaped.prefix(200))…"
    }
}
