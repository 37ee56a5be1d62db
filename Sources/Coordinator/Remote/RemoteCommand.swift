import BackupFormat
import CommandLineInterface
import JSON
import Support

/// A command that a running server carries out: its results are those of the command itself.
struct RemoteCommand: Sendable {
    let server: RemoteServer
    var logger = Logger.silent
    var liveLine: LiveLine?
    /// Between two questions how a job stands.
    var pause = Duration.seconds(1)

    /// - Throws: `usage` for a command that a server cannot carry out.
    func run(_ invocation: Invocation) async throws -> CommandResult {
        switch invocation.path {
        case ["create"]: return try await create(invocation)
        case ["restore"]: return try await restore(invocation)
        case ["list"]: return try await list(invocation)
        case ["get"]: return try await get(invocation)
        case ["delete"]: return try await delete(invocation)
        case ["verify"]: return try await verify(invocation)
        default:
            throw BackupError(
                .usage, "\(invocation.path.joined(separator: " ")) cannot be done by a server: leave out --server")
        }
    }

    // MARK: Stored backups

    private func list(_ invocation: Invocation) async throws -> CommandResult {
        var query: [(String, String)] = []
        if let collection = invocation.text("collection"), !collection.isEmpty {
            query.append(("collection_name", collection))
        }
        if invocation.flag("all") { query.append(("all", "true")) }
        let answer = try await server.ask("GET", "/list", query)
        let names = try answer.array("data")?.compactMap { try $0.string("name") } ?? []
        guard invocation.flag("all") else { return ListCommand.result(names, unfinishedNames: []) }
        guard let unfinished = try answer.array("unfinished")?.map(UnfinishedBackup.init) else {
            throw BackupError(.unsupported, "this server does not tell of unfinished backups", hint: "leave out --all")
        }
        return ListCommand.result(names, unfinishedNames: unfinished.map(\.name), unfinished: unfinished)
    }

    private func get(_ invocation: Invocation) async throws -> CommandResult {
        try RemoteBodies.refuse(["detail"], invocation)
        let name = try name(invocation)
        let data = try await server.ask("GET", "/get_backup", [("backup_name", name)])["data"] ?? .null
        let text = try JSONWriter.bytes(layout: .indented) { try $0.value(data) }
        return CommandResult(String(decoding: text, as: UTF8.self)) { try $0.value(data) }
    }

    private func delete(_ invocation: Invocation) async throws -> CommandResult {
        let name = try name(invocation)
        try await server.ask("DELETE", "/delete", [("backup_name", name)])
        return CommandResult("delete backup done") { try $0.object { try $0.member("name", name) } }
    }

    private func name(_ invocation: Invocation) throws -> String {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        return name
    }

    // MARK: Jobs

    private func create(_ invocation: Invocation) async throws -> CommandResult {
        let body = try RemoteBodies.create(invocation)
        let start = ContinuousClock.now
        let id = try await server.ask("POST", "/create", body: body).string("requestId") ?? ""
        let data = try await wait(for: id, "/get_backup", [("backup_id", id)])
        return result("create backup success\n", start, "backup", data)
    }

    private func restore(_ invocation: Invocation) async throws -> CommandResult {
        let body = try RemoteBodies.restore(invocation)
        let start = ContinuousClock.now
        let id = try await server.ask("POST", "/restore", body: body)["data"]?.string("id") ?? ""
        let data = try await wait(for: id, "/get_restore", [("id", id)])
        return result("", start, "restore", data)
    }

    private func verify(_ invocation: Invocation) async throws -> CommandResult {
        let body = try RemoteBodies.verify(invocation)
        let start = ContinuousClock.now
        let id = try await server.ask("POST", "/verify", body: body)["data"]?.string("id") ?? ""
        let data = try await wait(for: id, "/verify", [("id", id)])
        let report = try VerificationReport(data["report"] ?? .null)
        return VerifyCommand.result(of: report) { lines in
            result(
                (lines + [report.verdict, ""]).joined(separator: "\n"), start, "verification", data["report"] ?? .null)
        }
    }

    private func result(
        _ text: String, _ start: ContinuousClock.Instant, _ key: String, _ data: JSONValue
    ) -> CommandResult {
        let seconds = (ContinuousClock.now - start).seconds
        return CommandResult("\(text)duration:\(formatted(seconds, decimals: 2)) s") { writer in
            try writer.object { writer in
                try writer.member(key) { try $0.value(data) }
                try writer.member("seconds") { try $0.double(seconds) }
            }
        }
    }

    /// Asks how a job stands until it has ended, and shows it. When this process is stopped, so is the job.
    private func wait(for id: String, _ path: String, _ query: [(String, String)]) async throws -> JSONValue {
        guard !id.isEmpty else { throw BackupError(.protocolViolation, "the server names no job") }
        defer { liveLine?.clear() }
        do {
            while true {
                let data = try await server.ask("GET", path, query)["data"] ?? .null
                let state = JobState(rawValue: Int32(clamping: try data.int64("state_code") ?? 0))
                if state == .success { return data }
                if state == .failed {
                    throw BackupError(.remoteFailure, try data.string("errorMessage") ?? "the job has failed")
                }
                let progress = "job \(id): \(try data.int64("progress") ?? 0) %"
                if let liveLine { liveLine.show(progress) } else { logger.info(progress) }
                try await Task.sleep(for: pause)
            }
        } catch  where Task.isCancelled {
            // In a task of its own: this one does nothing any more.
            await Task { _ = try? await server.ask("POST", "/cancel", body: .object([.init("id", .string(id))])) }.value
            throw BackupError(.canceled, "canceled")
        }
    }
}
