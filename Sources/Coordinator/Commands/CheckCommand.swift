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
        let services = try environment.makeServices()
        let server = try await services.milvus.connect()
        print("\nMilvus version: \(server.version)")
        try await services.checkMilvusBucket()
        try await services.checkBackupBucket(makesBucket: true)
        try await checkWriting(to: services.stores.backup, environment.configuration.backup.storage.rootPath)
        let root = MilvusPaths(root: environment.configuration.milvus.storage.rootPath).rootPrefix
        if try await services.stores.milvus.hasObjects(prefix: root) {
            print("\nSuccess!")
        } else {
            print(
                """

                !!! Milvus root path is empty !!! \n\
                There is no object below "\(root)" in bucket "\(services.stores.milvus.identity.bucket)".
                Compare milvus.storage.bucketName and milvus.storage.rootPath with minio.bucketName and minio.rootPath of
                Milvus' own configuration. If Milvus holds no data yet, all is well.
                """)
        }
    }

    private func checkWriting(to store: any ObjectStore, _ root: String) async throws {
        let key = joinPath(root, "milvus_backup_check_\(try SecureRandom.hexadecimal(bytes: 8))")
        do {
            try await store.put(key, body: .bytes(Array("check".utf8)))
            try await store.delete([key])
        } catch {
            throw BackupError(wrapping: error).prefixed("backup.storage cannot be written")
        }
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
