import BackupFormat
import JSON
import Support

/// An answer of the interface: HTTP 200 whatever has happened, and a `code` that tells.
struct APIReply: Sendable {
    var requestID = ""
    var code = APICode.success
    var message = ""
    /// The `data`; nil for `null`.
    var data: (@Sendable (inout JSONWriter) throws -> Void)?
    /// Answers to some requests have no `data` at all.
    var hasData = true
    /// For `/list`: backups that are not finished; nil when nobody has asked.
    var unfinished: [UnfinishedBackup]?

    init(requestID: String = "", message: String = "", data: (@Sendable (inout JSONWriter) throws -> Void)? = nil) {
        self.requestID = requestID
        self.message = message
        self.data = data
    }

    init(_ error: BackupError, requestID: String = "", code: APICode? = nil) {
        self.requestID = requestID
        self.code = code ?? APICode(error)
        message = error.description
    }

    func bytes() throws -> [UInt8] {
        try JSONWriter.bytes { writer in
            try writer.object { writer in
                try writer.memberIfSet("requestId", requestID)
                try writer.memberIfSet("code", code.rawValue)
                try writer.memberIfSet("msg", message)
                guard hasData else { return }
                try writer.member("data") { writer in
                    if let data { try data(&writer) } else { try writer.null() }
                }
                guard let unfinished else { return }
                try writer.member("unfinished") { try $0.array(unfinished) { try $1.write(to: &$0) } }
            }
        }
    }
}

/// A verification as the interface shows it.
struct VerificationView: Sendable {
    var id: String
    var state: JobState
    var message = ""
    var start: Timestamp?
    var end: Timestamp?
    var progress: Int32
    /// Nil until it is known.
    var report: VerificationReport?

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("id", id)
            try writer.member("state_code", state.rawValue)
            try writer.memberIfSet("errorMessage", message)
            try writer.memberIfSet("start_time", start?.seconds ?? 0)
            try writer.memberIfSet("end_time", end?.seconds ?? 0)
            try writer.member("progress", progress)
            if let report { try writer.member("report") { try report.write(to: &$0) } }
        }
    }
}

/// A restore as the interface shows it.
struct RestoreView: Sendable {
    var id: String
    var state: JobState
    var message = ""
    var start: Timestamp?
    var end: Timestamp?
    var progress: Int32
    var parts: [JobMonitor.Part] = []

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.memberIfSet("id", id)
            try RestoreView.write(state, message, start, end, progress, to: &writer)
            try writer.memberIfSet("collection_restore_tasks", parts) { writer, part in
                try writer.object { writer in
                    try RestoreView.write(part.state, part.message, part.start, part.end, part.progress, to: &writer)
                    try writer.memberIfSet("target_db_name", part.name.database)
                    try writer.memberIfSet("target_collection_name", part.name.collection)
                }
            }
        }
    }

    private static func write(
        _ state: JobState, _ message: String, _ start: Timestamp?, _ end: Timestamp?, _ progress: Int32,
        to writer: inout JSONWriter
    ) throws {
        try writer.member("state_code", state.rawValue)
        try writer.memberIfSet("errorMessage", message)
        try writer.memberIfSet("start_time", start?.seconds ?? 0)
        try writer.memberIfSet("end_time", end?.seconds ?? 0)
        try writer.member("progress", progress)
    }
}
