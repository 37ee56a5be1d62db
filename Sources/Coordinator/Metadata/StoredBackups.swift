import BackupFormat
import JSON
import Support

/// A directory below the backup root that is no finished backup, and what its record tells of it.
struct UnfinishedBackup: Sendable, Hashable {
    let name: String
    /// `failed`; `unfinished` where a process is at work or has died; `unknown` where there is no record.
    let state: String
    var id = ""
    var host = ""
    /// Seconds since 1970.
    var start: Int64 = 0
    var failure = ""

    init(_ name: String, _ record: JobRecord?) {
        self.name = name
        state = record.map { $0.failure.isEmpty ? "unfinished" : "failed" } ?? "unknown"
        guard let record else { return }
        (id, host, start, failure) = (record.id, record.host, record.start, record.failure)
    }

    /// As ``write(to:)`` has written it.
    init(_ value: JSONValue) throws {
        name = try value.string("name") ?? ""
        state = try value.string("state") ?? "unknown"
        id = try value.string("id") ?? ""
        host = try value.string("host") ?? ""
        start = min(max(0, try value.int64("start_time") ?? 0), JobRecord.latestTime)
        failure = try value.string("failure") ?? ""
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("name", name)
            try writer.member("state", state)
            try writer.memberIfSet("id", id)
            try writer.memberIfSet("host", host)
            try writer.memberIfSet("start_time", start)
            try writer.memberIfSet("failure", failure)
        }
    }

    var line: String {
        let origin = "begun at \(Timestamp(seconds: start).iso8601) on \(host)"
        let text =
            switch state {
            case "unfinished": "\(origin), not finished: at work, or interrupted"
            case "failed": "\(origin), failed: \(failure)"
            default: "nothing is known of it"
            }
        return "\(name): \(text)".escapingControlCharacters
    }
}

extension MetadataStore {
    /// The names of all directories of backups, in order, finished ones apart from the others.
    func directories() async throws -> (finished: [String], unfinished: [String]) {
        let names = try await directoryNames()
        let isFinished = try await mapInParallel(names, limit: 32) { try await exists($0) }
        return zip(names, isFinished).reduce(into: ([], [])) { lists, entry in
            if entry.1 { lists.0.append(entry.0) } else { lists.1.append(entry.0) }
        }
    }

    /// What is known of directories that are no finished backups.
    func unfinished(_ names: [String]) async throws -> [UnfinishedBackup] {
        try await mapInParallel(names, limit: 32) { name in
            let key = BackupPaths(root: backupRoot, name: name).claim
            do {
                return UnfinishedBackup(name, try await JobRecord.read(from: store, key: key))
            } catch let error as BackupError where error.code == .corrupted {
                return UnfinishedBackup(name, nil)
            }
        }
    }

    /// Those backups that have a collection of this name: `coll` in any database, `db.coll` in that one.
    func having(_ collection: String, among backups: [String], _ logger: Logger) async throws -> [String] {
        try await mapInParallel(backups, limit: 8) { backup -> String? in
            do {
                let names = try await collectionNames(backup)
                return names.contains { $0.collection == collection || $0.description == collection } ? backup : nil
            } catch let error as BackupError where error.code == .notFound {
                // Deleted in the meantime.
                return nil
            } catch let error as BackupError where error.code == .corrupted {
                logger.warn("backup \(backup) cannot be read: \(error)")
                return nil
            }
        }.compactMap { $0 }
    }
}
