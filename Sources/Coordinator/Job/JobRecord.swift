import BackupFormat
import JSON
import ObjectStorage
import Support

/// What lies in a store while a job runs, so that others can tell what became of it when its process dies.
///
/// That of a backup is `claim.json` in the backup's directory; one that failed leaves its reason there. That of a restore is
/// `restore-temp-ID/job.json` in Milvus' bucket.
struct JobRecord: Sendable, Hashable {
    var id: String
    /// Of the backup.
    var name: String
    var host: String
    /// Seconds since 1970.
    var start: Int64
    /// Why the job has failed; empty while it runs, and when it was killed.
    var failure = ""

    init(id: String, name: String) {
        self.id = id
        self.name = name
        host = hostName()
        start = Timestamp.now().seconds
    }

    /// What a client is told when the job is not one of its server's own.
    var explanation: String {
        failure.isEmpty
            ? "begun at \(Timestamp(seconds: start).iso8601) on \(host) and never finished: interrupted, or another process is at work"
            : failure
    }

    // MARK: In a store

    /// Where the record of a restore lies.
    static func restoreKey(id: String) -> String { "restore-temp-\(id)/job.json" }

    func write(to store: any ObjectStore, key: String) async throws {
        let bytes = try JSONWriter.bytes(layout: .indented) { writer in
            try writer.object { writer in
                try writer.member("id", id)
                try writer.member("name", name)
                try writer.member("host", host)
                try writer.member("start_time", start)
                try writer.memberIfSet("failure", failure)
            }
        }
        try await store.put(key, body: .bytes(bytes))
    }

    /// Nil when there is none.
    static func read(from store: any ObjectStore, key: String) async throws -> JobRecord? {
        do {
            let pipe = BytePipe()
            _ = try await store.get(key, range: nil, ifMatch: nil, into: pipe)
            let value = try JSONValue(parsing: try await pipe.collect(limit: 1 << 20), name: key)
            var record = JobRecord(id: try value.string("id") ?? "", name: try value.string("name") ?? "")
            record.host = try value.string("host") ?? ""
            record.start = try value.int64("start_time") ?? 0
            record.failure = try value.string("failure") ?? ""
            return record
        } catch let error as BackupError where error.code == .notFound {
            return nil
        }
    }
}

extension JobContext {
    /// Runs `body` with a record of it in a store: gone at its good end, and when the process dies the only thing that tells of
    /// it.
    ///
    /// - Parameter keepsFailure: whether the record of a job that failed stays, with the reason.
    func recorded<Result: Sendable>(
        _ name: String, in store: any ObjectStore, key: String, keepsFailure: Bool,
        _ body: () async throws -> Result
    ) async throws -> Result {
        var record = JobRecord(id: id, name: name)
        try await record.write(to: store, key: key)
        do {
            let result = try await body()
            try await store.delete([key])
            return result
        } catch {
            record.failure = Task.isCancelled ? "canceled" : BackupError(wrapping: error).description
            await end(record, in: store, key: key, keepsFailure: keepsFailure)
            throw error
        }
    }

    /// In a task of its own: this is done also when the job was cancelled.
    private func end(_ record: JobRecord, in store: any ObjectStore, key: String, keepsFailure: Bool) async {
        await Task {
            do {
                if keepsFailure {
                    try await record.write(to: store, key: key)
                } else {
                    try await store.delete([key])
                }
            } catch {
                logger.warn("the record of a failed job is not up to date", ["key": key])
            }
        }.value
    }
}
