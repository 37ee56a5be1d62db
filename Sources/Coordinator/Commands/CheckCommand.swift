import BackupFormat
import CommandLineInterface
import Configuration
import ConfiguredStores
import MilvusClient
import ObjectStorage
import ShardProtocol
import Support

/// `milvus-backup check`.
struct CheckCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws {
        print("Configuration:")
        ParameterTable(environment.configuration.parameters).print()
        print("\n" + (try await ConnectionCheck(services: environment.makeServices()).run()))
    }
}

/// `milvus-backup config show`.
struct ConfigShowCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws {
        ParameterTable(environment.configuration.parameters).print()
    }
}

/// The configuration as a table: what, which value, and where it comes from. Secrets are masked.
struct ParameterTable {
    private let rows: [[String]]

    init(_ parameters: [ResolvedParameter]) {
        rows =
            [["PARAMETER", "VALUE", "SOURCE", "SOURCE_KEY"]]
            + parameters.map { [$0.name, $0.value, $0.source.rawValue, $0.sourceKey] }
    }

    func print() {
        let widths = (0..<3).map { column in (rows.map { $0[column].count }.max() ?? 0) + 2 }
        for row in rows {
            let cells = zip(row, widths).map { $0.padding(to: $1) }
            Swift.print((cells.joined() + row[3]).trimmingTrailingBlanks)
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
