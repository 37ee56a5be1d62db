import CommandLineInterface
import Configuration
import Glibc
import Support

/// One run of the program: from its arguments to its exit code.
struct Program: Sendable {
    let arguments: [String]
    let stop: StopSignal

    static let command = Command(
        "milvus-backup-agent",
        summary: "Copies what a milvus-backup coordinator hands out.",
        discussion: """
            Connects to a coordinator (milvus-backup create or restore with --listen), proves that it knows the same \
            token and sees the same object stores, and copies the objects that it is given. It may be started before \
            the coordinator, and connects again for as long as it runs, so one agent serves many backups. On SIGTERM or \
            SIGINT it gives its work back and ends.

            The access to the stores comes from its own configuration file: the coordinator sends no credentials. \
            Provider, bucket and root path of both stores must be the coordinator's; addresses may differ.
            """,
        options: [
            Option(
                "coordinator", placeholder: "HOST:PORT",
                help: "Where the coordinator listens (its --listen). Configuration: agent.coordinator."),
            Option(
                "config", placeholder: "FILE",
                help: "The configuration file; looked for at this path, then in $MILVUSCONF, then in ./configs.",
                defaultValue: "backup.yaml"),
            Option(
                "set", kind: .assignments, placeholder: "KEY=VALUE",
                help: "Overrides a value of the configuration file."),
            Option(
                "name", placeholder: "NAME",
                help: "The agent's name in logs and tables. Configuration: agent.name. Default: the host's name."),
            Option(
                "concurrency", placeholder: "N",
                help: "Objects copied at the same time. Configuration: agent.concurrency."),
            .flag("version", help: "Show the version."),
        ],
        examples: [
            Command.Example(
                "milvus-backup-agent --coordinator 10.0.0.1:9200 --config /etc/milvus-backup/backup.yaml",
                "work for a coordinator on another host")
        ])

    func run() async -> ExitCode {
        do {
            switch try Program.command.parse(arguments, width: 90) {
            case .help(let text): print(text)
            case .run(let invocation): try await run(invocation)
            }
            return .success
        } catch {
            let failure = BackupError(wrapping: error)
            writeAll("Error: \(failure.description)\n", to: STDERR_FILENO)
            return ExitCode(failure)
        }
    }

    private func run(_ invocation: Invocation) async throws {
        if invocation.flag("version") { return print("milvus-backup-agent \(programVersion)") }
        var (configuration, warnings) = try Configuration.load(
            path: invocation.text("config"), overrides: invocation.texts("set"), environment: processEnvironment())
        if let text = invocation.text("coordinator") {
            guard let address = HostPort(text) else {
                throw BackupError(.usage, "--coordinator needs HOST:PORT, not \"\(text.escapingControlCharacters)\"")
            }
            configuration.agent.coordinator = address
        }
        if let name = invocation.text("name") { configuration.agent.name = name }
        if let number = try invocation.integer("concurrency", in: 1...4096) { configuration.agent.concurrency = number }
        // An agent has no log file unless it is asked for one: several may share a directory and a configuration.
        let logger = Logger(label: "agent", level: configuration.log.level, sinks: [StandardErrorSink()])
        for warning in invocation.warnings + warnings { logger.warn(warning) }
        try await AgentService(configuration, logger: logger).run(until: stop)
    }
}
