import BackupFormat
import ObjectStorage
import Support

/// The temporary files of restores whose process has died, at the top of Milvus' bucket.
///
/// A directory `restore-temp-ID-…` is removed when the record `restore-temp-ID/job.json` tells of a process that is not at
/// work any more. One without a record may be another program's and is left. The record itself stays for a week, so that
/// clients can learn what became of the restore, and with it the journal: `restore --resume` needs that, and copies again what
/// was staged.
struct AbandonedFiles: Sendable {
    /// How long the record of a restore that was cut off stays.
    private static let memory: Int64 = 7 * 86_400
    private static let prefix = "restore-temp-"

    let store: any ObjectStore
    let logger: Logger

    /// Removes them. What cannot be removed is left for the next time.
    ///
    /// - Parameter own: the restore that asks.
    func sweep(own: String? = nil) async {
        do {
            let directories = try await directories()
            var living: Set<String> = []
            var dead: [JobRecord] = []
            let judged = try await mapInParallel(directories, limit: 16) { try await judge($0, own) }
            for case (let record, let isDead)? in judged {
                if isDead { dead.append(record) } else { living.insert(record.id) }
            }
            if let own { living.insert(own) }
            for record in dead {
                try await clear(record, Self.abandoned(of: record.id, in: directories, living: living))
            }
        } catch {
            let failure = BackupError(wrapping: error)
            guard failure.code != .canceled else { return }
            logger.info("temporary files of earlier restores were not looked for", ["error": failure.description])
        }
    }

    /// The directories of a restore that is over; those that may belong to a living one are not among them.
    static func abandoned(of id: String, in directories: [String], living: Set<String>) -> [String] {
        directories.filter { directory in
            directory.hasPrefix("\(prefix)\(id)-")
                && !living.contains { directory == prefix + $0 || directory.hasPrefix("\(prefix)\($0)-") }
        }
    }

    private func directories() async throws -> [String] {
        var directories: [String] = []
        try await store.forEachPage(prefix: Self.prefix, delimiter: "/") { page in
            directories += page.commonPrefixes.map { String($0.dropLast()) }
        }
        return directories
    }

    /// The restore whose record is in a directory, and whether its files may go; nil when there is no record.
    private func judge(_ directory: String, _ own: String?) async throws -> (JobRecord, Bool)? {
        let key = "\(directory)/job.json"
        guard directory != Self.prefix + (own ?? ""), let record = try? await JobRecord.read(from: store, key: key),
            JobRecord.restoreKey(id: record.id) == key
        else { return nil }
        guard !record.keepsFiles else { return (record, false) }
        if case .over(let record) = try await JobRecord.observe(in: store, key: key, logger: logger) {
            return (record, true)
        }
        return (record, false)
    }

    private func clear(_ record: JobRecord, _ directories: [String]) async throws {
        let key = JobRecord.restoreKey(id: record.id)
        // Meanwhile somebody may have begun to go on with it.
        guard try await JobRecord.read(from: store, key: key) == record else { return }
        for directory in directories {
            try await store.abortUploads(below: "\(directory)/")
            try await store.deleteAll(prefix: "\(directory)/")
        }
        if !directories.isEmpty {
            logger.info(
                "temporary files of a restore that was cut off are removed",
                ["id": record.id, "backup": record.name, "host": record.host])
        }
        if Timestamp.now().seconds - record.start > Self.memory {
            try await store.deleteAll(prefix: RestoreJournal.prefix(id: record.id))
            try await store.delete([key])
        } else if record.failure.isEmpty {
            var ended = record
            ended.failure = record.explanation
            try await ended.write(to: store, key: key)
        }
    }
}
