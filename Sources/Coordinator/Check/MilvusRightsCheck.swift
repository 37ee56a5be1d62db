import MilvusClient
import Support

/// Whether the user may ask Milvus for what a backup asks. What would change something (flush, create, import) is not tried.
struct MilvusRightsCheck: Sendable {
    let milvus: MilvusClient
    let server: ServerInfo

    private static let name = "Milvus rights"

    func run() async -> [CheckFinding] {
        var allowed: [String] = []
        var findings: [CheckFinding] = []
        /// The answer; nil when it was refused or of no use.
        func attempt<Result: Sendable>(
            _ operation: String, _ body: () async throws -> Result
        ) async -> Result? {
            do {
                let result = try await body()
                allowed.append(operation)
                return result
            } catch {
                let failure = BackupError(wrapping: error)
                // What was dropped meanwhile, or has none.
                if failure.code == .notFound { return nil }
                findings.append(
                    failure.code == .permissionDenied
                        ? .error(Self.name, failure.prefixed("may not \(operation)"))
                        : .warning(Self.name, "cannot \(operation): \(failure)"))
                return nil
            }
        }
        var databases = ["default"]
        if server.features.contains(.multiDatabase) {
            databases = await attempt("list databases") { try await milvus.listDatabases() } ?? databases
        }
        for database in databases {
            let collections = await attempt("list collections") {
                try await milvus.showCollections(database: database).names
            }
            guard let collection = collections?.first else { continue }
            _ = await attempt("describe collections") {
                try await milvus.describeCollection(collection, database: database)
            }
            _ = await attempt("list partitions") {
                try await milvus.showPartitions(of: collection, database: database)
            }
            _ = await attempt("describe indexes") {
                try await milvus.describeIndexes(of: collection, database: database)
            }
            _ = await attempt("list segments") {
                try await milvus.persistentSegments(of: collection, database: database)
            }
            break
        }
        if findings.isEmpty {
            let operations = allowed.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            findings.append(.ok(Self.name, "may \(operations.joined(separator: ", ")); flush and import are not tried"))
        }
        return findings
    }
}
