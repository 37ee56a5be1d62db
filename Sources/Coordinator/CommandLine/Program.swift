import CommandLineInterface
import Configuration
import Glibc
import Support

/// One run of the program: from its arguments to its exit code.
struct Program: Sendable {
    let arguments: [String]

    /// Results go to standard output, everything else to standard error.
    func run() async -> ExitCode {
        do {
            switch try CommandTree.root.parse(arguments, width: Terminal.width(of: STDOUT_FILENO)) {
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
        if invocation.path == ["version"] { return print("milvus-backup \(programVersion)") }
        guard let command = CommandTree.implementation(of: invocation.path) else {
            throw BackupError(.usage, "no command given", hint: "\"milvus-backup help\" lists the commands")
        }
        let (configuration, warnings) = try Configuration.load(
            path: invocation.text("config"), overrides: invocation.texts("set"), environment: processEnvironment())
        let liveLine = Terminal.isInteractive(STDERR_FILENO) ? LiveLine() : nil
        let logger = try makeLogger(configuration.log, liveLine)
        for warning in invocation.warnings + warnings { logger.warn(warning) }
        try await command.run(
            invocation, CommandEnvironment(configuration: configuration, logger: logger, liveLine: liveLine))
    }

    private func makeLogger(_ settings: LogSettings, _ liveLine: LiveLine?) throws(BackupError) -> Logger {
        var sinks: [any LogSink] = []
        if settings.console { sinks.append(StandardErrorSink { liveLine?.clear() }) }
        if !settings.path.isEmpty {
            sinks.append(
                try FileSink(
                    path: settings.path, maximumSize: Int(settings.maximumFileSize),
                    maximumBackups: settings.maximumBackups))
        }
        return Logger(label: "backup", level: settings.level, sinks: sinks)
    }
}

/// What a command gets besides its options.
struct CommandEnvironment: Sendable {
    let configuration: Configuration
    let logger: Logger
    let liveLine: LiveLine?

    func makeServices() throws(BackupError) -> Services { try Services(configuration, logger: logger) }
}

/// What is behind a command of the command line.
protocol CommandImplementation: Sendable {
    /// - Throws: ``BackupError``, whose text is all that the user gets to see.
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws
}
