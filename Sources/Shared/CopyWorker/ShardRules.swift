import ObjectStorage
import ShardProtocol
import Support

/// Checks a whole assignment before the first byte of it is copied.
package struct ShardRules: Sendable {
    private let roots: StorageRoots
    private let storages: Set<StorageID>
    private let sharesBucket: Bool
    private let places: [BackupPlace: Bool]

    /// - Parameters:
    ///   - storages: those this worker has a store for.
    ///   - sharesBucket: whether both storage ids are the same bucket of the same backend.
    ///   - places: where backups may lie when an assignment says where, and whether that is in Milvus' bucket.
    package init(
        roots: StorageRoots, storages: Set<StorageID>, sharesBucket: Bool, places: [BackupPlace: Bool] = [:]
    ) {
        self.roots = roots
        self.storages = storages
        self.sharesBucket = sharesBucket
        self.places = places
    }

    /// Why this worker does not touch the shard; nil when it may.
    package func refusal(of assignment: Assignment) -> ShardFailure? {
        let shard = assignment.shard
        var key = shard.tasks.first.map { shard.sourceKey(of: $0) } ?? shard.sourcePrefix
        do throws(BackupError) {
            let rules = try keyRules(of: assignment)
            for storage in [shard.source, shard.destination] where !storages.contains(storage) {
                throw BackupError(.configuration, "this worker has no storage \"\(storage.rawValue)\"")
            }
            for task in shard.tasks {
                key = shard.sourceKey(of: task)
                if shard.operation == .verify {
                    try rules.checkVerification(key, on: shard.source, destination: shard.destination)
                } else {
                    let destination = shard.destinationKey(of: task)
                    try rules.check(source: key, on: shard.source, destination: destination, on: shard.destination)
                }
                guard task.size >= 0 else {
                    throw BackupError(.invalidArgument, "\"\(key)\" has the size \(task.size)")
                }
                let isVerified = shard.operation == .verify
                if let flaw = !isVerified ? task.flaw : task.part.map({ _ in "is to be verified in parts" }) {
                    throw BackupError(.invalidArgument, "\"\(key)\" \(flaw)".escapingControlCharacters)
                }
            }
            return nil
        } catch {
            return ShardFailure(
                lease: assignment.lease, key: key, message: error.description, code: error.code.description,
                isRetryable: error.isRetryable)
        }
    }

    private func keyRules(of assignment: Assignment) throws(BackupError) -> KeyRules {
        guard let place = assignment.backupPlace else {
            return try KeyRules(roots: roots, backupName: assignment.backupName, sharesBucket: sharesBucket)
        }
        // What counts is this worker's own spelling of it: texts can be equal and differ in their bytes.
        guard let index = places.index(forKey: place) else {
            throw BackupError(
                .permissionDenied,
                "refused: \(place) is not in agent.allowedRoots of this worker".escapingControlCharacters)
        }
        let own = StorageRoots(milvus: roots.milvus, backup: places[index].key.root)
        return try KeyRules(roots: own, backupName: assignment.backupName, sharesBucket: places[index].value)
    }
}

extension Shard {
    /// The whole source key of a task.
    package func sourceKey(of task: CopyTask) -> String { sourcePrefix + task.source }

    /// The whole destination key of a task.
    package func destinationKey(of task: CopyTask) -> String { destinationPrefix + (task.destination ?? task.source) }
}

extension CopyTask {
    /// Characters of an upload's id or an ETag, at most. Stores have made ids of several hundred.
    private static let maximumTextLength = 2048

    /// What is wrong with its ETag or its part; nil when nothing is.
    fileprivate var flaw: String? {
        if let etag, !CopyTask.isPlain(etag) { return "has an ETag that is none" }
        guard let part else { return nil }
        guard !part.uploadID.isEmpty, CopyTask.isPlain(part.uploadID) else { return "has a part of no upload" }
        guard (1...StoreLimits().maximumParts).contains(part.number),
            part.count.map({ $0 >= part.number && $0 <= StoreLimits().maximumParts }) ?? true
        else { return "has the part number \(part.number)" }
        guard part.offset >= 0, part.length > 0, part.offset <= size, part.length <= size - part.offset else {
            return "has a part of \(part.length) bytes at \(part.offset), and \(size) bytes"
        }
        return nil
    }

    /// Both go into requests: printable ASCII.
    private static func isPlain(_ text: String) -> Bool {
        text.utf8.count <= maximumTextLength && text.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x22 }
    }
}
