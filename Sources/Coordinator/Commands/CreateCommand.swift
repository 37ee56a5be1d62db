import BackupFormat
import CommandLineInterface
import FoundationEssentials
import JSON
import Support

/// `milvus-backup create`.
struct CreateCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let request = try BackupRequest(invocation)
        let context = JobContext(
            id: UUID().uuidString.lowercased(), services: try environment.makeServices(), timer: PhaseTimer(),
            workforce: .own(try Workforce.Plan(invocation, environment.configuration)), liveLine: environment.liveLine,
            isVerbose: invocation.flag("verbose"))
        let job = BackupJob(request: request, context: context)
        if invocation.flag("dry-run") { return try await job.estimate().result }
        let outcome = try await job.run()
        let backup = outcome.result
        let size = formattedBytes(backup.size)
        let omitted = context.monitor.parts.filter { $0.state == .failed }.map(\.name.description)
        return JobSummary(
            headline: "backup \(backup.name): \(counted(backup.collections.count, "collection")), \(size)"
                + (omitted.isEmpty ? "" : "; dropped meanwhile and left out: \(omitted.joined(separator: ", "))"),
            closing: ["create backup success"],
            members: { writer in
                try writer.member("backup") { writer in
                    try writer.object { writer in
                        try writer.member("id", backup.id)
                        try writer.member("name", backup.name)
                        try writer.member("collections", backup.collections.count)
                        try writer.member("size", backup.size)
                        try writer.memberIfSet("omitted", omitted)
                    }
                }
            },
            shares: outcome.shares, times: context.timer.report()
        ).result
    }
}

extension BackupRequest {
    init(_ invocation: Invocation) throws {
        let name = invocation.text("name") ?? ""
        self.init(name: name.isEmpty ? BackupName.generated(at: .now()) : name)
        try BackupName.validate(self.name)
        filter = try CollectionFilter(invocation, collections: "colls")
        resumes = invocation.flag("resume")
        if resumes, name.isEmpty { throw BackupError(.usage, "--resume needs the name of the backup: -n NAME") }
        skipsMissing = invocation.flag("skip-missing")
        verification = try Self.verification(invocation.text("verify") ?? "")
        includesRBAC = invocation.flag("rbac")
        try BackupRequest.checkFormat(invocation.text("format") ?? "")
        includesIndexExtra = invocation.flag("backup_index_extra")
        if let text = invocation.text("strategy"), !text.isEmpty {
            guard let strategy = Strategy(rawValue: text) else {
                let names = Strategy.allCases.map(\.rawValue).joined(separator: ", ")
                throw BackupError(.usage, "invalid strategy \(text), only support \(names)")
            }
            self.strategy = strategy
        } else if invocation.flag("meta_only") {
            strategy = .metaOnly
        } else if invocation.flag("force") {
            strategy = .skipFlush
        }
    }
}

extension BackupRequest {
    /// - Throws: `usage` for a word that says nothing.
    static func verification(_ text: String) throws(BackupError) -> VerificationReport.Depth? {
        guard !text.isEmpty else { return nil }
        guard let depth = VerificationReport.Depth(rawValue: text) else {
            throw BackupError(.usage, "invalid verify \(text.escapingControlCharacters), only support quick, deep")
        }
        return depth
    }

    /// - Throws: `unsupported` for the format of Milvus 3, `usage` for a word that is no format.
    static func checkFormat(_ text: String) throws(BackupError) {
        switch text {
        case "", "auto", "binlog": return
        case "snapshot":
            throw BackupError(
                .unsupported, "the snapshot format, which Milvus 3 exports by itself, is not supported yet",
                hint: "use --format binlog")
        default:
            throw BackupError(
                .usage, "invalid format \(text.escapingControlCharacters), only support auto, binlog")
        }
    }
}

extension CollectionFilter {
    /// `--filter` goes before `-a`, that before `-c`, that before `-d`.
    init(_ invocation: Invocation, collections: String) throws {
        if let rules = invocation.text("filter"), !rules.isEmpty {
            try self.init(rules: rules)
        } else {
            try self.init(sourcesOf: invocation, collections: collections)
        }
    }

    /// `-a` goes before `-c`, that before `-d`.
    init(sourcesOf invocation: Invocation, collections: String) throws {
        if let text = invocation.text("database_collections"), !text.isEmpty {
            try self.init(databaseCollections: text)
        } else if let names = invocation.text(collections), !names.isEmpty {
            try self.init(collections: names)
        } else {
            self.init(databases: invocation.text("databases") ?? "")
        }
    }
}
