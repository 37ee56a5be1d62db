import BackupFormat
import CommandLineInterface
import FoundationEssentials
import JSON
import Support

/// `milvus-backup restore`.
struct RestoreCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        try refuseArguments(invocation.arguments)
        let request = try RestoreRequest(invocation)
        let context = JobContext(
            id: invocation.text("resume") ?? UUID().uuidString.lowercased(), services: try environment.makeServices(),
            timer: PhaseTimer(),
            workforce: .own(try Workforce.Plan(invocation, environment.configuration)), liveLine: environment.liveLine,
            isVerbose: invocation.flag("verbose"))
        let job = RestoreJob(request: request, context: context)
        if invocation.flag("dry-run") { return try await job.estimate().result }
        let outcome = try await job.run()
        return JobSummary(
            headline: "backup \(request.backupName): \(counted(outcome.result.count, "collection")) restored",
            closing: [],
            members: { writer in
                try writer.member("restore") { writer in
                    try writer.object { writer in
                        try writer.member("id", context.id)
                        try writer.member("backup", request.backupName)
                        try writer.memberIfSet("collections", outcome.result.map(\.description))
                    }
                }
            },
            shares: outcome.shares, times: context.timer.report()
        ).result
    }

    private func refuseArguments(_ words: [String]) throws(BackupError) {
        guard let word = words.first else { return }
        guard word == "secondary" else {
            throw BackupError(
                .usage, "milvus-backup restore does not take \"\(word.escapingControlCharacters)\"",
                hint: "the backup's name stands behind -n")
        }
        throw BackupError(
            .unsupported, "restore secondary, into a cluster that is a replica, is not supported",
            hint: "restore without it makes ordinary collections")
    }
}

extension RestoreRequest {
    init(_ invocation: Invocation) throws {
        self.init(backupName: invocation.text("name") ?? "")
        try BackupName.validateExisting(backupName)
        let suffix = invocation.text("suffix") ?? ""
        let renames = invocation.text("rename") ?? ""
        guard suffix.isEmpty || renames.isEmpty else {
            throw BackupError(.usage, "suffix and rename flag cannot be set at the same time")
        }
        mapper = try renames.isEmpty ? NameMapper(suffix: suffix) : NameMapper(renames: renames)
        sourceFilter = try CollectionFilter(sourcesOf: invocation, collections: "collections")
        targetFilter = try CollectionFilter(rules: invocation.text("filter") ?? "")
        restoresIndexes = invocation.flag("rebuild_index")
        usesAutoIndex = invocation.flag("use_auto_index")
        dropsExistingCollections = invocation.flag("drop_exist_collection")
        dropsExistingIndexes = invocation.flag("drop_exist_index")
        skipsCreation = invocation.flag("skip_create_collection")
        metaOnly = invocation.flag("meta_only")
        skipsVerification = invocation.flag("skip-verify")
        restoresAliases = !invocation.flag("skip-aliases")
        loads = invocation.flag("load")
        restoresRBAC = invocation.flag("rbac")
        usesImportJobs = invocation.flag("use_v2_restore")
        if let id = invocation.text("resume") {
            resumes = true
            guard !id.isEmpty, RestoreBody.isPathSafe(id) else {
                throw BackupError(
                    .usage, "--resume needs the id of a restore: letters, digits, - and _, at most 128 of them")
            }
            guard !invocation.flag("dry-run") else {
                throw BackupError(.usage, "dry-run and resume cannot be set at the same time")
            }
        }
        guard !dropsExistingCollections || !skipsCreation else {
            throw BackupError(
                .usage, "drop_exist_collection and skip_create_collection cannot be true at the same time")
        }
    }
}
