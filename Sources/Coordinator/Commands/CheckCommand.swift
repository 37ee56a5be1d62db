import CommandLineInterface
import Configuration
import JSON
import Support

/// `milvus-backup check`.
struct CheckCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let parameters = environment.configuration.parameters
        switch invocation.arguments.first {
        case nil: break
        case "config":
            environment.logger.warn("check config is deprecated: use config show")
            return ParameterTable(parameters).result
        case "backup_yaml":
            let lines = parameters.map { "\($0.key): \($0.value)" }
            let text = ([String(repeating: "-", count: 80)] + lines).joined(separator: "\n")
            return CommandResult(text, json: ParameterTable(parameters).result.json)
        case let word?:
            throw BackupError(
                .usage, "check knows no \"\(word.escapingControlCharacters)\"", hint: "use check, or config show")
        }
        let services = try environment.makeServices()
        let address = services.configuration.server.address(port: try ServerCommand.portOfEnvironment())
        let ports = PortCheck(services.configuration, server: address, http: services.http)
        let report = await ConnectionCheck(services: services, ports: ports).run()
        var result = CommandResult("Configuration:\n\(ParameterTable(parameters).text)\n\n\(report.text)") {
            try report.write(to: &$0)
        }
        result.failure = report.failure
        return result
    }
}

/// `milvus-backup config show`.
struct ConfigShowCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        ParameterTable(environment.configuration.parameters).result
    }
}

/// The configuration as a table: what, which value, and where it comes from. Secrets are masked.
struct ParameterTable: Sendable {
    private let parameters: [ResolvedParameter]

    init(_ parameters: [ResolvedParameter]) { self.parameters = parameters }

    var text: String {
        let rows =
            [["PARAMETER", "VALUE", "SOURCE", "SOURCE_KEY"]]
            + parameters.map { [$0.name, $0.value, $0.source.rawValue, $0.sourceKey] }
        let widths = (0..<3).map { column in (rows.map { $0[column].count }.max() ?? 0) + 2 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0.padding(to: $1) }
            return (cells.joined() + row[3]).trimmingTrailingBlanks
        }.joined(separator: "\n")
    }

    var result: CommandResult {
        CommandResult(text) { writer in
            try writer.array(parameters) { writer, parameter in
                try writer.object { writer in
                    try writer.member("parameter", parameter.key)
                    try writer.member("value", parameter.value)
                    try writer.member("source", parameter.source.rawValue)
                    try writer.memberIfSet("source_key", parameter.sourceKey)
                }
            }
        }
    }
}

extension String {
    fileprivate var trimmingTrailingBlanks: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
