import ShardProtocol
import Support

/// Checks a whole assignment before the first byte of it is copied.
package struct ShardRules: Sendable {
    private let roots: StorageRoots
    private let storages: Set<StorageID>
    private let sharesBucket: Bool

    /// - Parameters:
    ///   - storages: those this worker has a store for.
    ///   - sharesBucket: whether both storage ids are the same bucket of the same backend.
    package init(roots: StorageRoots, storages: Set<StorageID>, sharesBucket: Bool) {
        self.roots = roots
        self.storages = storages
        self.sharesBucket = sharesBucket
    }

    /// Why this worker does not touch the shard; nil when it may.
    package func refusal(of assignment: Assignment) -> ShardFailure? {
        let shard = assignment.shard
        var key = shard.tasks.first.map { shard.sourceKey(of: $0) } ?? shard.sourcePrefix
        do throws(BackupError) {
            let rules = try KeyRules(roots: roots, backupName: assignment.backupName, sharesBucket: sharesBucket)
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
                guard task.part == nil else {
                    throw BackupError(.unsupported, "\"\(key)\": this worker copies whole objects only")
                }
            }
            return nil
        } catch {
            return ShardFailure(
                lease: assignment.lease, key: key, message: error.description, code: error.code.description,
                isRetryable: error.isRetryable)
        }
    }
}

extension Shard {
    /// The whole source key of a task.
    package func sourceKey(of task: CopyTask) -> String { sourcePrefix + task.source }

    /// The whole destination key of a task.
    package func destinationKey(of task: CopyTask) -> String { destinationPrefix + (task.destination ?? task.source) }
}
