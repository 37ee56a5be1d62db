import BackupFormat
import CommandLineInterface
import FoundationEssentials
import Support

/// `milvus-backup restore`.
struct RestoreCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws {
        let request = try RestoreRequest(invocation)
        let timer = PhaseTimer()
        let context = JobContext(
            id: UUID().uuidString.lowercased(), services: try environment.makeServices(), timer: timer,
            workforce: .own(try Workforce.Plan(invocation, environment.configuration)), liveLine: environment.liveLine)
        let outcome = try await RestoreJob(request: request, context: context).run()
        let report = timer.report()
        print("backup \(request.backupName): \(counted(outcome.result.count, "collection")) restored")
        JobSummary(shares: outcome.shares, times: report).print()
        print("duration:\(formatted(report.whole.seconds, decimals: 2)) s")
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
        guard !dropsExistingCollections || !skipsCreation else {
            throw BackupError(
                .usage, "drop_exist_collection and skip_create_collection cannot be true at the same time")
        }
    }
}
