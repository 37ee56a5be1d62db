import BackupFormat
import FoundationEssentials
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
    /// Names one run of the job: a run that goes on with another one's work has the same id and an owner of its own.
    var owner = UUID().uuidString.lowercased()
    /// Whether what it leaves is to stay (`restore.keepTempFiles`).
    var keepsFiles = false
    /// Why the job has failed; empty while it runs, and when it was killed.
    var failure = ""
    /// What the store called the record when it was read.
    var etag = ""

    /// The end of the year 9999: up to it one can reckon with times.
    static let latestTime: Int64 = 253_402_300_799

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
        start = min(max(0, try value.int64("start_time") ?? 0), JobRecord.latestTime)
        beat = try value.int64("beat") ?? 0
        process = try value.string("process") ?? ""
        owner = try value.string("owner") ?? ""
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
        try await store.put(key, body: .bytes(try serialized()))
    }

    func serialized() throws -> [UInt8] {
        try JSONWriter.bytes(layout: .indented) { writer in
            try writer.object { writer in
                try writer.member("id", id)
                try writer.member("name", name)
                try writer.member("host", host)
                try writer.member("start_time", start)
                try writer.member("beat", beat)
                try writer.memberIfSet("process", process)
                try writer.member("owner", owner)
                if keepsFiles { try writer.member("keep_files", true) }
                try writer.memberIfSet("failure", failure)
            }
        }
    }

    /// Nil when there is none.
    static func read(from store: any ObjectStore, key: String) async throws -> JobRecord? {
        do {
            return try await store.read(key, limit: 1 << 20) { bytes, info in
                var record = try JobRecord(parsing: bytes, name: key)
                record.etag = info.etag
                return record
            }
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

    /// What is known of a job from its record alone.
    enum Observation {
        /// There is no record.
        case absent
        /// It has failed, or the process that wrote the record is not at work any more.
        case over(JobRecord)
        case atWork(JobRecord)
    }

    /// Finds out whether the process that wrote a record is at work. Clocks of hosts play no part.
    static func observe(in store: any ObjectStore, key: String, logger: Logger) async throws -> Observation {
        guard let first = try await read(from: store, key: key) else { return .absent }
        if first.isOver { return .over(first) }
        logger.info(
            "watching whether the process that began this is still at work",
            ["host": first.host, "seconds": patience.components.seconds])
        let end = ContinuousClock.now + patience
        while ContinuousClock.now < end {
            try await Task.sleep(for: .seconds(1))
            guard let record = try await read(from: store, key: key) else { return .absent }
            if !record.failure.isEmpty { return .over(record) }
            if record != first { return .atWork(record) }
        }
        return .over(first)
    }

    /// Whether it is certain, without watching, that nobody is at work.
    var isOver: Bool { !failure.isEmpty || ProcessIdentity(text: process)?.hasEnded() ?? false }

    /// Waits until it is clear that the process that wrote the record is not at work any more.
    ///
    /// - Parameter work: what a user is told that it does, as in "backup nightly is being made".
    /// - Returns: the record it has left.
    /// - Throws: `alreadyExists` when it is at work.
    static func waitUntilDead(
        in store: any ObjectStore, key: String, work: String, logger: Logger
    ) async throws -> JobRecord? {
        switch try await observe(in: store, key: key, logger: logger) {
        case .absent: return nil
        case .over(let record): return record
        case .atWork(let record): throw record.inTheWay(of: work)
        }
    }

    func inTheWay(of work: String) -> BackupError {
        BackupError(.alreadyExists, "\(work) on \(host)", hint: "wait for it, or stop it first")
    }
}
