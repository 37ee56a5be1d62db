import CommandLineInterface
import Configuration
import Glibc
import JSON
import Support

/// `milvus-backup config migrate`.
struct ConfigMigrateCommand: CommandImplementation {
    var needsConfiguration: Bool { false }

    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let variables = processEnvironment()
        let file = try ConfigurationFile.find(
            invocation.text("config") ?? ConfigurationFile.defaultPath, environment: variables)
        let migration = try ConfigurationMigration(
            try ConfigurationFile.read(file), name: file, environment: variables)
        for move in migration.moves { writeAll("\(move)\n", to: STDERR_FILENO) }
        for warning in migration.warnings { writeAll("warning: \(warning)\n", to: STDERR_FILENO) }
        if invocation.flag("strict"), !migration.warnings.isEmpty {
            throw BackupError(
                .configuration, "\(counted(migration.warnings.count, "warning")) about \(file), and --strict was given")
        }
        let output = invocation.text("output") ?? "-"
        if output != "-", !output.isEmpty {
            try write(migration.text, to: output, replaces: invocation.flag("force"))
            writeAll("written to \(output)\n", to: STDERR_FILENO)
        }
        return CommandResult(output == "-" || output.isEmpty ? migration.text : "") { writer in
            try writer.object { writer in
                try writer.member("configuration", migration.text)
                try writer.memberIfSet("moves", migration.moves)
                try writer.memberIfSet("warnings", migration.warnings)
            }
        }
    }

    /// The file holds secrets: only its owner may read it.
    private func write(_ text: String, to path: String, replaces: Bool) throws(BackupError) {
        do throws(SystemError) {
            try writeWholeFile(Array(text.utf8), to: path, mode: 0o600, replaces: replaces)
        } catch {
            let exists = error.number == EEXIST
            throw BackupError(
                exists ? .alreadyExists : .configuration, "cannot write \(path): \(error.text)",
                hint: exists ? "--force replaces it" : nil)
        }
    }
}
