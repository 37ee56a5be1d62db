import BackupFormat
import Configuration
import ConfiguredStores
import MilvusClient
import ObjectStorage
import ShardProtocol
import Support

/// Tries everything that a backup needs.
struct ConnectionCheck: Sendable {
    struct Finding: Sendable {
        /// Of Milvus.
        var version: String
        /// Whether there is nothing where Milvus should have its data.
        var isRootEmpty: Bool
        var text: String
    }

    let services: Services

    /// - Throws: the first thing that is wrong.
    func run() async throws -> Finding {
        let server = try await services.milvus.connect()
        try await services.checkMilvusBucket()
        try await services.checkBackupBucket(makesBucket: true)
        try await checkWriting()
        let storage = services.configuration.milvus.storage
        let root = MilvusPaths(root: storage.rootPath).rootPrefix
        let isEmpty = try await !services.stores.milvus.hasObjects(prefix: root)
        let verdict =
            isEmpty
            ? """
            !!! Milvus root path is empty !!! \n\
            There is no object below "\(root)" in bucket "\(storage.bucketName)".
            Compare milvus.storage.bucketName and milvus.storage.rootPath with minio.bucketName and minio.rootPath of
            Milvus' own configuration. If Milvus holds no data yet, all is well.
            """ : "Success!"
        return Finding(
            version: server.version, isRootEmpty: isEmpty, text: "Milvus version: \(server.version)\n\n\(verdict)")
    }

    private func checkWriting() async throws {
        let root = services.configuration.backup.storage.rootPath
        let key = joinPath(root, "milvus_backup_check_\(try SecureRandom.hexadecimal(bytes: 8))")
        do {
            try await services.stores.backup.put(key, body: .bytes(Array("check".utf8)))
            try await services.stores.backup.delete([key])
        } catch {
            throw BackupError(wrapping: error).prefixed("backup.storage cannot be written")
        }
    }
}
