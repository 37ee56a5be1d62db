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
            Dials a coordinator (milvus-backup create or restore with --listen), proves that it sees the same object \
            stores, and copies the shards that it is given. It dials again for as long as it runs, so one agent serves \
            many backups. On SIGTERM it gives its shards back and ends.

            It reads its own access to the stores from its own configuration: the coordinator sends no credentials.
            """,
        options: [
            Option(
                "coordinator", placeholder: "HOST:PORT",
                help: "Where the coordinator listens. Configuration: agent.coordinator."),
            Option(
                "config", placeholder: "FILE",
                help: "The configuration; looked for here, in $MILVUSCONF and in ./configs.",
                defaultValue: "backup.yaml"),
            Option(
                "set", kind: .assignments, placeholder: "KEY=VALUE", help: "Overrides a value of the configuration."),
            Option(
                "name", placeholder: "NAME",
                help: "How the agent is called in logs and tables. Default: the host's name."),
            Option("concurrency", placeholder: "N", help: "Objects in flight. Configuration: agent.concurrency."),
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
