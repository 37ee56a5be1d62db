import CommandLineInterface
import JSON
import Support

/// `milvus-backup version`.
struct VersionCommand: CommandImplementation {
    static let text = "milvus-backup \(programVersion)"

    var needsConfiguration: Bool { false }

    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        CommandResult(VersionCommand.text) { try $0.object { try $0.member("version", programVersion) } }
    }
}

/// `milvus-backup completion`.
struct CompletionCommand: CommandImplementation {
    var needsConfiguration: Bool { false }

    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let name = invocation.arguments.first ?? ""
        guard let shell = Completion.Shell(rawValue: name) else {
            let shells = Completion.Shell.allCases.map(\.rawValue).joined(separator: ", ")
            throw BackupError(.usage, "no completion for \"\(name.escapingControlCharacters)\"", hint: "use \(shells)")
        }
        let script = Completion(CommandTree.root).script(for: shell)
        return CommandResult(script) { try $0.object { try $0.member("script", script) } }
    }
}
