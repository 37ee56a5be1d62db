import Configuration
import Support
import Testing

@Suite("Migration")
struct MigrationTests {
    private func migrate(_ text: String, environment: [String: String] = [:]) throws -> ConfigurationMigration {
        try ConfigurationMigration(Array(text.utf8), name: "old.yaml", environment: environment)
    }

    @Test func theNewFile() throws {
        let text = """
            log: {file: {filename: "my logs/b.log"}}
            milvus: {address: m, port: "29530", password: "p\\"w: 1", tlsMode: 1}
            minio: {storageType: tc, address: cos, bucketName: "123", backupBucketName: b2, backupUseIAM: true}
            backup: {parallelism: {copydata: 7}, maxSegmentGroupSize: 1g}
            coordinator: {leaseSeconds: 40}
            """
        let expected = """
            configVersion: v2

            log:
              file:
                path: "my logs/b.log"
            milvus:
              password: "p\\"w: 1"
              grpc:
                address: m
                port: 29530
                tlsMode: server
              storage:
                provider: tencent
                address: cos
                bucketName: "123"
            backup:
              storage:
                bucketName: b2
                rootPath: files
                auth:
                  type: iam
              maxSegmentGroupSize: 1073741824
            transfer:
              concurrency: 7
            coordinator:
              leaseSeconds: 40

            """
        let migration = try migrate(text)
        #expect(migration.text == expected)
        #expect(migration.warnings == [])
        #expect(migration.moves.contains("milvus.port -> milvus.grpc.port"))
        #expect(migration.moves.contains("backup.parallelism.copydata -> transfer.concurrency"))
    }

    @Test(
        arguments: [
            "{}",
            "minio: {storageType: azure, accessKeyID: n, secretAccessKey: k}",
            "minio: {accessKeyID: n, secretAccessKey: k, backupUseIAM: true, backupIamEndpoint: e}",
            "minio: {useIAM: true, backupUseIAM: false, backupAccessKeyID: a, backupSecretAccessKey: b}",
            "minio: {storageType: local, rootPath: /m, backupStorageType: s3}",
            "minio: {storageType: gcpnative, gcpCredentialJSON: /a, backupGcpCredentialJSON: /b}",
            "minio: {rootPath: '', crossStorage: true, token: t}",
            "minio: {backupStorageType: azure, backupAccessKeyID: n, backupSecretAccessKey: 'tru\\e'}",
            "milvus: {user: 'true', password: 'a\\nb \\u00e4 # c', etcd: {endpoints: 'a:1,b:2'}, serverName: '~'}",
            "backup: {gcPause: {enable: false}, keepTempFiles: true}\nlog: {file: {filename: ''}}",
        ])
    func theNewFileMeansTheSame(text: String) throws {
        let migration = try migrate(text)
        let old = try load(text).configuration
        let new = try load(migration.text)
        #expect(new.warnings == [], "\(migration.text)")
        #expect(new.configuration.schemaVersion == .v2)
        #expect(comparable(new.configuration) == comparable(old), "\(migration.text)")
    }

    private func comparable(_ configuration: Configuration) -> String {
        var configuration = configuration
        configuration.parameters = []
        configuration.schemaVersion = .v2
        var text = "\(configuration.milvus.password.exposed) \(configuration.zillizCloud.apiKey.exposed)"
        for storage in [configuration.milvus.storage, configuration.backup.storage] {
            if case .staticKeys(_, let key, let token) = storage.authentication {
                text += "\(key.exposed) \(token.exposed)"
            }
            if case .sharedKey(let key) = storage.authentication { text += key.exposed }
        }
        dump(configuration, to: &text)
        return text
    }

    @Test func credentialsOfTheEnvironmentAreLeftOut() throws {
        let environment = ["MINIO_SECRET_KEY": "hunter2hunter2", "MILVUS_PASSWORD": "hunter3", "MINIO_ADDRESS": "a"]
        let migration = try migrate("milvus: {user: u}", environment: environment)
        #expect(!migration.text.contains("hunter"))
        #expect(migration.text.contains("    address: a\n"))
        #expect(
            migration.text.contains(
                "      # secretAccessKey: set by the environment variable MILVUS_STORAGE_AUTH_SECRET_ACCESS_KEY\n"))
        #expect(
            migration.warnings == [
                "milvus.storage.auth.secretAccessKey: set MILVUS_STORAGE_AUTH_SECRET_ACCESS_KEY in place of "
                    + "MINIO_SECRET_KEY"
            ])
    }

    @Test func unknownKeysAreReported() throws {
        #expect(try migrate("milvus: {adress: x}").warnings.first?.hasPrefix("old.yaml:1: unknown key") == true)
    }

    @Test func v2IsRefused() {
        #expect { try migrate("configVersion: v2") } throws: { error in
            (error as? BackupError)?.message == "old.yaml is in the v2 format already"
        }
    }
}
