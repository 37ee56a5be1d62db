import BackupFormat
import Configuration
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
    /// Grows every few seconds as long as the process lives.
    var beat: Int64 = 0
    /// The process that does the job, as ``ProcessIdentity`` writes it; may be empty.
    var process = ""
    /// Whether what it leaves is to stay (`restore.keepTempFiles`).
    var keepsFiles = false
    /// Why the job has failed; empty while it runs, and when it was killed.
    var failure = ""

    init(id: String, name: String) {
        self.id = id
        self.name = name
        host = hostName()
        process = ProcessIdentity.current?.text ?? ""
        start = Timestamp.now().seconds
    }

    /// Reads a record that anybody may have written.
    init(parsing bytes: [UInt8], name: String) throws {
        let value = try JSONValue(parsing: bytes, name: name)
        self.init(id: try value.string("id") ?? "", name: try value.string("name") ?? "")
        host = try value.string("host") ?? ""
        // Up to the end of the year 9999: with such times one can reckon.
        start = min(max(0, try value.int64("start_time") ?? 0), 253_402_300_799)
        beat = try value.int64("beat") ?? 0
        process = try value.string("process") ?? ""
        keepsFiles = try value.bool("keep_files") ?? false
        failure = try value.string("failure") ?? ""
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
                try writer.member("beat", beat)
                try writer.memberIfSet("process", process)
                if keepsFiles { try writer.member("keep_files", true) }
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
            return try JobRecord(parsing: try await pipe.collect(limit: 1 << 20), name: key)
        } catch let error as BackupError where error.code == .notFound {
            return nil
        }
    }
}

extension JobRecord {
    /// How often a living process renews its record.
    static let interval = Duration.seconds(5)
    /// A record that does not change for so long is that of a process that has died.
    static let patience = Duration.seconds(20)

    /// Waits until it is clear that the process that wrote the record is not at work any more.
    ///
    /// - Throws: `alreadyExists` when it is at work.
    static func waitUntilDead(in store: any ObjectStore, key: String, logger: Logger) async throws {
        guard let record = try await observed(in: store, key: key, logger: logger) else { return }
        throw BackupError(
            .alreadyExists, "backup \(record.name) is being made on \(record.host)",
            hint: "wait for it, or stop it first")
    }

    /// The record, when the process that wrote it is at work; nil when it has died or there is no record. Clocks of hosts play no
    /// part.
    static func observed(in store: any ObjectStore, key: String, logger: Logger) async throws -> JobRecord? {
        guard let first = try await read(from: store, key: key), first.failure.isEmpty else { return nil }
        if ProcessIdentity(text: first.process)?.hasEnded() ?? false { return nil }
        logger.info(
            "watching whether the process that began this is still at work",
            ["host": first.host, "seconds": patience.components.seconds])
        let end = ContinuousClock.now + patience
        while ContinuousClock.now < end {
            try await Task.sleep(for: .seconds(1))
            guard let record = try await read(from: store, key: key), record.failure.isEmpty else { return nil }
            if record != first { return record }
        }
        return nil
    }
}

extension JobContext {
    /// Runs `body` with a record of it in a store: renewed while it runs, gone at its good end, and when the process dies the
    /// only thing that tells of it. When another process takes the record over, `body` is cancelled.
    ///
    /// - Parameter traces: what the keys of all that the job makes begin with. The record of a job that failed stays, with the
    ///   reason, when there is anything of it.
    func recorded<Result: Sendable>(
        _ name: String, in store: any ObjectStore, key: String, traces: String,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        var record = JobRecord(id: id, name: name)
        record.keepsFiles = configuration.restore.keepTempFiles
        let begun = record
        try await record.write(to: store, key: key)
        do {
            let result = try await withThrowingTaskGroup(of: Result?.self) { group in
                group.addTask { try await body() }
                group.addTask { try await renew(begun, in: store, key: key) }
                defer { group.cancelAll() }
                // The renewal ends only by throwing.
                while let result = try await group.next() { if let result { return result } }
                throw BackupError(.internalError, "the job has ended without a result")
            }
            try await store.delete([key])
            return result
        } catch {
            record.failure = Task.isCancelled ? "canceled" : BackupError(wrapping: error).description
            await end(record, in: store, key: key, traces: traces)
            throw error
        }
    }

    private func renew<Result>(_ record: JobRecord, in store: any ObjectStore, key: String) async throws -> Result? {
        var record = record
        while true {
            try await Task.sleep(for: JobRecord.interval)
            do {
                if let present = try await JobRecord.read(from: store, key: key), present.id != id {
                    throw BackupError(
                        .alreadyExists, "\(present.name) was taken over by a process on \(present.host)")
                }
                record.beat += 1
                try await record.write(to: store, key: key)
            } catch let error as BackupError where error.code != .alreadyExists && error.code != .canceled {
                logger.warn("the job's record cannot be renewed", ["key": key, "error": error.description])
            }
        }
    }

    /// In a task of its own: this is done also when the job was cancelled. What another process has taken over is its own, and a
    /// store that does not answer, which may be why the user has had enough, is not waited for.
    private func end(_ record: JobRecord, in store: any ObjectStore, key: String, traces: String) async {
        let ending = Task {
            do {
                if let present = try await JobRecord.read(from: store, key: key), present.id != id { return }
                if try await store.hasAnything(below: traces, besides: key) {
                    try await record.write(to: store, key: key)
                } else {
                    try await store.delete([key])
                }
            } catch {
                logger.warn("the record of a failed job is not up to date", ["key": key])
            }
        }
        let impatience = Task {
            try await Task.sleep(for: .seconds(3))
            ending.cancel()
        }
        await ending.value
        impatience.cancel()
    }
}

extension ObjectStore {
    /// Whether there is another object than `key` whose key begins with a prefix.
    fileprivate func hasAnything(below prefix: String, besides key: String) async throws -> Bool {
        let page = try await list(prefix: prefix, delimiter: nil, continuation: nil, limit: 10)
        return page.continuation != nil || page.objects.contains { $0.key != key && !$0.key.hasSuffix("/") }
    }
}
