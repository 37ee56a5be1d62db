import BackupFormat
import Configuration
import ConfiguredStores
import MilvusClient
import ObjectStorage
import ShardProtocol
import Support

/// Tries everything that a backup needs, and tells in a text what it has found.
struct ConnectionCheck: Sendable {
    let services: Services

    /// - Throws: the first thing that is wrong.
    func run() async throws -> String {
        let server = try await services.milvus.connect()
        try await services.checkMilvusBucket()
        try await services.checkBackupBucket(makesBucket: true)
        try await checkWriting()
        let storage = services.configuration.milvus.storage
        let root = MilvusPaths(root: storage.rootPath).rootPrefix
        let version = "Milvus version: \(server.version)\n"
        guard try await services.stores.milvus.hasObjects(prefix: root) else {
            return version + """

                !!! Milvus root path is empty !!! \n\
                There is no object below "\(root)" in bucket "\(storage.bucketName)".
                Compare milvus.storage.bucketName and milvus.storage.rootPath with minio.bucketName and minio.rootPath of
                Milvus' own configuration. If Milvus holds no data yet, all is well.
                """
        }
        return version + "\nSuccess!"
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
