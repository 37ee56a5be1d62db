import BackupFormat
import CommandLineInterface
import FoundationEssentials
import JSON
import Support

/// `milvus-backup l0compact`.
struct L0CompactCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        let given = invocation.text("output") ?? ""
        let output = given.isEmpty ? "\(name)_l0compacted" : given
        try BackupName.validate(output)
        let duplication = BackupDuplication(
            source: name, target: output, replaces: invocation.flag("force"),
            context: JobContext(
                id: UUID().uuidString.lowercased(), services: try environment.makeServices(), timer: PhaseTimer(),
                workforce: .own(Workforce.Plan()), liveLine: environment.liveLine))
        let count = try await duplication.run()
        environment.logger.info("no segments of deletions (L0) in it: copied as it is; folding them is yet to come")
        return CommandResult("l0compact done: \(name) -> \(output)") { writer in
            try writer.object { writer in
                try writer.member("name", name)
                try writer.member("output", output)
                try writer.member("objects", count)
            }
        }
    }
}

/// `milvus-backup migrate`, which the original has.
struct MigrateCommand: CommandImplementation {
    var needsConfiguration: Bool { false }

    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        throw BackupError(
            .unsupported, "migrate, the upload to Zilliz Cloud, is not supported",
            hint:
                "restore into the cluster with this program's restore, or use the original's migrate on the same backup"
        )
    }
}
