import CommandLineInterface
import Configuration
import ConfiguredWorker
import Glibc
import HTTP
import ShardProtocol
import Support

/// One run of the program: from its arguments to its exit code.
struct Program: Sendable {
    let arguments: [String]
    var reloading = LimitReloading()

    /// Results go to standard output, everything else to standard error.
    func run() async -> ExitCode {
        do {
            return try await runCommand()
        } catch {
            // Whatever a call that was cut off says of it: the user knows why.
            let failure = Task.isCancelled ? BackupError(.canceled, "canceled") : BackupError(wrapping: error)
            writeAll("Error: \(failure.description)\n", to: STDERR_FILENO)
            // Also when the arguments could not be understood: who asks for JSON reads nothing else.
            if arguments.contains("--json") { print(CommandResult.document(of: failure)) }
            return ExitCode(failure)
        }
    }

    private func runCommand() async throws -> ExitCode {
        if arguments == ["--version"] {
            print(VersionCommand.text)
            return .success
        }
        switch try CommandTree.root.parse(arguments, width: Terminal.width(of: STDOUT_FILENO)) {
        case .help(let text):
            print(text)
            return .success
        case .run(let invocation):
            guard let command = CommandTree.implementation(of: invocation.path) else {
                throw BackupError(.usage, "no command given", hint: "\"milvus-backup help\" lists the commands")
            }
            let result =
                if let remote = try remoteCommand(invocation) {
                    try await remote.run(invocation)
                } else {
                    try await command.run(invocation, try environment(invocation, of: command))
                }
            if !result.isPrinted, !result.text.isEmpty || invocation.flag("json") {
                print(invocation.flag("json") ? try result.document() : result.text)
            }
            guard let failure = result.failure else { return result.exitCode }
            writeAll("Error: \(failure.description)\n", to: STDERR_FILENO)
            return ExitCode(failure)
        }
    }

    /// Commands that a server can carry out, when there is one. No configuration is needed for that.
    private func remoteCommand(_ invocation: Invocation) throws(BackupError) -> RemoteCommand? {
        guard [["create"], ["restore"], ["list"], ["get"], ["delete"], ["verify"]].contains(invocation.path) else {
            return nil
        }
        let variables = processEnvironment()
        let address = invocation.text("server") ?? variables["MILVUS_BACKUP_SERVER"] ?? ""
        guard !address.isEmpty else { return nil }
        let liveLine = Terminal.isInteractive(STDERR_FILENO) ? LiveLine() : nil
        let server = try RemoteServer(
            address, token: Secret(variables["MILVUS_BACKUP_API_TOKEN"] ?? ""), http: CurlHTTPClient())
        let logger = Logger(label: "backup", level: .info, sinks: [StandardErrorSink { liveLine?.clear() }])
        for warning in invocation.warnings { logger.warn(warning) }
        return RemoteCommand(server: server, logger: logger, liveLine: liveLine)
    }

    private func environment(
        _ invocation: Invocation, of command: any CommandImplementation
    ) throws(BackupError) -> CommandEnvironment {
        guard command.needsConfiguration else {
            return CommandEnvironment(configuration: Configuration(), logger: .silent, liveLine: nil)
        }
        var (configuration, warnings) = try Configuration.load(
            path: invocation.text("config"), overrides: invocation.texts("set"), environment: processEnvironment())
        let limits = TransferLimits(configuration.transfer)
        // An option of those commands that copy.
        if [["create"], ["restore"]].contains(invocation.path), let text = invocation.text("bandwidth") {
            do throws(BackupError) {
                configuration.transfer.bandwidth = try TransferSettings.bandwidth(text)
            } catch {
                throw BackupError(.usage, "--\(error.message)")
            }
        }
        let liveLine = Terminal.isInteractive(STDERR_FILENO) ? LiveLine() : nil
        let logger = try makeLogger(configuration.log, liveLine)
        for warning in invocation.warnings + warnings { logger.warn(warning) }
        var environment = CommandEnvironment(configuration: configuration, logger: logger, liveLine: liveLine)
        environment.didMakeServices = { [reloading] in reloading.begin($0, known: limits) }
        return environment
    }

    private func makeLogger(_ settings: LogSettings, _ liveLine: LiveLine?) throws(BackupError) -> Logger {
        var sinks: [any LogSink] = []
        if settings.console { sinks.append(StandardErrorSink { liveLine?.clear() }) }
        if !settings.path.isEmpty {
            sinks.append(
                try FileSink(
                    path: settings.path, maximumSize: Int(settings.maximumFileSize),
                    maximumBackups: settings.maximumBackups, maximumDays: settings.maximumDays))
        }
        return Logger(label: "backup", level: settings.level, sinks: sinks)
    }
}

/// What a command gets besides its options.
struct CommandEnvironment: Sendable {
    let configuration: Configuration
    let logger: Logger
    let liveLine: LiveLine?
    /// Where a command prints what is too long to be returned.
    var output: @Sendable ([UInt8]) -> Void = { writeAll($0, to: STDOUT_FILENO) }

    /// Told of the services that a command works with.
    var didMakeServices: @Sendable (Services) -> Void = { _ in }

    func makeServices() throws(BackupError) -> Services {
        let services = try Services(configuration, logger: logger)
        didMakeServices(services)
        return services
    }
}

/// What is behind a command of the command line.
protocol CommandImplementation: Sendable {
    /// False for a command that must work where there is no configuration.
    var needsConfiguration: Bool { get }

    /// - Throws: ``BackupError``, whose text is all that the user gets to see.
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult
}

extension CommandImplementation {
    var needsConfiguration: Bool { true }
}
