import Testing

@testable import Configuration

/// Every key of the v1 format as the original documents it, with the spellings of 2023 and 2024 and its name in v2.
@Suite("The keys of v1")
struct ReferenceVersion1Tests {
    private static let rows: [ReferenceRow] = program + milvus + storage + backupStorage + tasks

    private static let program: [ReferenceRow] = [
        ReferenceRow("log.level", fallback: "info", example: "fatal", refused: ["loud", "other"]),
        .boolean("log.console", fallback: "true"),
        ReferenceRow("log.file.filename", "log.file.rootPath", to: "log.file.path", fallback: "logs/backup.log"),
        .integer("log.file.maxSize", to: "log.file.maxSizeMiB", fallback: 300, from: 0),
        .integer("log.file.maxDays", "log.file.maxAge", fallback: 0, from: 0),
        .integer("log.file.maxBackups", fallback: 0, from: 0),
        .boolean("http.debugMode", "http.debug_mode", to: "server.debugMode", fallback: "false"),
        ReferenceRow("http.swaggerBasePath", to: "server.swaggerBasePath"),
        ReferenceRow("cloud.address", to: "zillizCloud.endpoint", fallback: "https://api.cloud.zilliz.com"),
        .secret("cloud.apikey", to: "zillizCloud.apiKey"),
    ]

    private static let milvus: [ReferenceRow] = [
        ReferenceRow(
            "milvus.address", to: "milvus.grpc.address", fallback: "localhost", environment: ["MILVUS_ADDRESS"],
            refused: ["''", "'a:1'"]),
        .port("milvus.port", to: "milvus.grpc.port", fallback: 19530, environment: ["MILVUS_PORT"]),
        ReferenceRow("milvus.user", environment: ["MILVUS_USER"]),
        .secret("milvus.password", environment: ["MILVUS_PASSWORD"]),
        ReferenceRow(
            "milvus.tlsMode", to: "milvus.grpc.tlsMode", fallback: "disabled", example: "1", shown: "server",
            environment: ["MILVUS_TLS_MODE"], refused: ["server", "''", "other"]),
        ReferenceRow(
            "milvus.caCertPath", "milvus.tlsCertPath", to: "milvus.grpc.caCertPath",
            environment: ["MILVUS_CA_CERT_PATH", "MILVUS_TLS_CERTPATH"]),
        ReferenceRow("milvus.serverName", to: "milvus.grpc.serverName", environment: ["MILVUS_SERVER_NAME"]),
        ReferenceRow("milvus.mtlsCertPath", to: "milvus.grpc.mtlsCertPath", environment: ["MILVUS_MTLS_CERT_PATH"]),
        ReferenceRow("milvus.mtlsKeyPath", to: "milvus.grpc.mtlsKeyPath", environment: ["MILVUS_MTLS_KEY_PATH"]),
        ReferenceRow(
            "milvus.rpcChannelName", to: "milvus.replicate.rpcChannelName", fallback: "by-dev-replicate-msg",
            environment: ["MILVUS_RPC_CHANNEL_NAME"]),
        ReferenceRow("milvus.etcd.endpoints", fallback: "localhost:2379", example: "a:1,b:2", refused: ["''"]),
        ReferenceRow("milvus.etcd.rootPath", fallback: "by-dev"),
    ]

    private static let storage: [ReferenceRow] = [
        ReferenceRow(
            "storage.storageType", "minio.storageType", "minio.cloudProvider", to: "milvus.storage.provider",
            fallback: "minio", example: "ALI", shown: "aliyun", refused: ["ceph", "''", "other"]),
        ReferenceRow(
            "minio.address", to: "milvus.storage.address", fallback: "localhost", environment: ["MINIO_ADDRESS"],
            refused: ["''"]),
        .port("minio.port", to: "milvus.storage.port", fallback: 9000, environment: ["MINIO_PORT"]),
        ReferenceRow("minio.region", to: "milvus.storage.region", environment: ["MINIO_REGION"]),
        ReferenceRow(
            "minio.accessKeyID", to: "milvus.storage.auth.accessKeyID", fallback: "minioadmin",
            environment: ["MINIO_ACCESS_KEY"], refused: ["''"]),
        .secret(
            "minio.secretAccessKey", to: "milvus.storage.auth.secretAccessKey", fallback: "mi****in",
            environment: ["MINIO_SECRET_KEY"], refused: ["''"]),
        .secret("minio.token", to: "milvus.storage.auth.sessionToken", environment: ["MINIO_TOKEN"]),
        ReferenceRow(
            "minio.gcpCredentialJSON", to: "milvus.storage.auth.credentialsFile", environment: ["GCP_KEY_JSON"],
            refused: ["''"],
            context: ["minio.storageType": "gcpnative", "minio.backupStorageType": "minio"], isRequired: true),
        .boolean("minio.useSSL", to: "milvus.storage.useSSL", fallback: "false", environment: ["MINIO_USE_SSL"]),
        ReferenceRow(
            "minio.bucketName", to: "milvus.storage.bucketName", fallback: "a-bucket",
            environment: ["MINIO_BUCKET_NAME"]),
        ReferenceRow(
            "minio.rootPath", to: "milvus.storage.rootPath", fallback: "files", environment: ["MINIO_ROOT_PATH"]),
        ReferenceRow(
            "minio.useIAM", to: "milvus.storage.auth.type", fallback: "static", example: "true", shown: "iam",
            environment: ["MINIO_USE_IAM"], refused: ["yes", "''"]),
        ReferenceRow(
            "minio.iamEndpoint", to: "milvus.storage.auth.endpoint", environment: ["MINIO_IAM_ENDPOINT"],
            context: ["minio.useIAM": "true"]),
    ]

    private static let backupStorage: [ReferenceRow] = [
        ReferenceRow(
            "storage.backupStorageType", "minio.backupStorageType", to: "backup.storage.provider", fallback: "minio",
            example: "tc", shown: "tencent", refused: ["ceph", "''", "other"]),
        ReferenceRow(
            "minio.backupAddress", to: "backup.storage.address", fallback: "localhost",
            environment: ["MINIO_BACKUP_ADDRESS"], refused: ["''"]),
        .port("minio.backupPort", to: "backup.storage.port", fallback: 9000, environment: ["MINIO_BACKUP_PORT"]),
        ReferenceRow("minio.backupRegion", to: "backup.storage.region", environment: ["MINIO_BACKUP_REGION"]),
        ReferenceRow(
            "minio.backupAccessKeyID", to: "backup.storage.auth.accessKeyID", fallback: "minioadmin",
            environment: ["MINIO_BACKUP_ACCESS_KEY"], refused: ["''"]),
        .secret(
            "minio.backupSecretAccessKey", to: "backup.storage.auth.secretAccessKey", fallback: "mi****in",
            environment: ["MINIO_BACKUP_SECRET_KEY"], refused: ["''"]),
        .secret("minio.backupToken", to: "backup.storage.auth.sessionToken", environment: ["MINIO_BACKUP_TOKEN"]),
        ReferenceRow(
            "minio.backupGcpCredentialJSON", to: "backup.storage.auth.credentialsFile",
            environment: ["BACKUP_GCP_KEY_JSON"], refused: ["''"],
            context: ["minio.backupStorageType": "gcpnative"], isRequired: true),
        .boolean(
            "minio.backupUseSSL", to: "backup.storage.useSSL", fallback: "false", environment: ["MINIO_BACKUP_USE_SSL"]),
        ReferenceRow(
            "minio.backupBucketName", to: "backup.storage.bucketName", fallback: "a-bucket",
            environment: ["MINIO_BACKUP_BUCKET_NAME"]),
        ReferenceRow(
            "minio.backupRootPath", to: "backup.storage.rootPath", fallback: "files",
            environment: ["MINIO_BACKUP_ROOT_PATH"]),
        ReferenceRow(
            "minio.backupUseIAM", to: "backup.storage.auth.type", fallback: "static", example: "true", shown: "iam",
            environment: ["MINIO_BACKUP_USE_IAM"], refused: ["yes", "''"]),
        ReferenceRow(
            "minio.backupIamEndpoint", to: "backup.storage.auth.endpoint", environment: ["MINIO_BACKUP_IAM_ENDPOINT"],
            context: ["minio.backupUseIAM": "true"]),
        ReferenceRow(
            "minio.crossStorage", to: "transfer.mode", fallback: "auto", example: "true", shown: "streaming",
            refused: ["yes", "''", "2"]),
        .integer(
            "minio.multipartCopyThresholdMiB", to: "transfer.multipartCopyThresholdMiB", fallback: 500),
    ]

    private static let tasks: [ReferenceRow] = [
        .integer(
            "backup.parallelism.copydata", to: "transfer.concurrency", fallback: 128,
            environment: ["BACKUP_PARALLELISM_COPYDATA"]),
        .integer(
            "backup.parallelism.backupCollection", to: "backup.concurrency.collections", fallback: 4,
            environment: ["BACKUP_PARALLELISM_BACKUP_COLLECTION"]),
        .integer("backup.parallelism.backupSegment", to: "backup.concurrency.segments", fallback: 1024),
        .integer(
            "backup.parallelism.restoreCollection", to: "restore.concurrency.collections", fallback: 2,
            environment: ["BACKUP_PARALLELISM_RESTORE_COLLECTION"]),
        .integer("backup.parallelism.importJob", to: "restore.concurrency.importJobs", fallback: 768),
        .boolean(
            "backup.keepTempFiles", to: "restore.keepTempFiles", fallback: "false",
            environment: ["BACKUP_KEEP_TEMP_FILES"]),
        .boolean(
            "backup.gcPause.enable", to: "backup.pauseGC", fallback: "true", environment: ["BACKUP_GC_PAUSE_ENABLE"]),
        ReferenceRow(
            "backup.gcPause.address", to: "milvus.management.endpoint", fallback: "http://localhost:9091",
            example: "https://g:1", environment: ["BACKUP_GC_PAUSE_ADDRESS"], refused: ["''", "'g:1'", "other"]),
    ]

    @Test(arguments: rows) func row(_ row: ReferenceRow) throws {
        let check = ReferenceCheck(version: .v1, row: row)
        try check.precedence()
        try check.spellings()
        try check.emptyVariable()
        check.refusals()
    }

    /// What a v1 file says is in the v2 file that `config migrate` makes of it.
    @Test(arguments: rows) func migratedRow(_ row: ReferenceRow) throws {
        for key in row.keys {
            let file = row.file(.v1, [(key, row.written)])
            let migration = try ConfigurationMigration(Array(file.utf8), name: "old.yaml", environment: [:])
            let found = try load(migration.text).configuration.parameter(row.newKey)
            #expect(found?.value == row.shown, "\(migration.text)")
            #expect(migration.moves.contains("\(key) -> \(row.newKey)"), "\(migration.moves)")
        }
    }

    @Test func everyKeyHasARow() {
        let ours = Set(Schema.additions(concurrencyKey: "").map(\.name))
        let keys = Schema.version1.parameters.flatMap(\.keys).filter {
            !ours.contains($0) && !($0.hasPrefix("minio.") && $0.lowercased().hasSuffix("cacertpath"))
        }
        #expect(Set(keys) == Set(Self.rows.flatMap(\.keys)).union(["milvus.authorizationEnabled"]))
        let variables = Schema.version1.parameters.flatMap(\.environment).filter { !$0.hasPrefix("MILVUS_BACKUP_") }
        #expect(Set(variables) == Set(Self.rows.flatMap(\.environment)).union(["MILVUS_AUTHORIZATION_ENABLED"]))
    }

    /// Keys without an effect, of every age: no problem, and no warning about them.
    @Test(
        arguments: [
            "http: {enabled: false}", "http: {simpleResponse: true}", "log: {format: json}",
            "grpc: {log: {level: ERROR}}", "backup: {gcPause: {seconds: 7200}}",
            "milvus: {authorizationEnabled: true}", "backup: {maxSegmentGroupSize: 2G}",
        ])
    func keysWithoutEffect(text: String) throws {
        let loaded = try load(text)
        #expect(loaded.warnings.count == 1 && loaded.warnings[0].contains("v1 format"), "\(loaded.warnings)")
    }

    // MARK: Inheritance

    /// What the backup's key says when only Milvus' does.
    @Test(
        arguments: [
            ("minio.storageType", "s3", "provider", "s3"), ("minio.address", "a", "address", "a"),
            ("minio.port", "77", "port", "77"), ("minio.region", "r", "region", "r"),
            ("minio.accessKeyID", "key", "auth.accessKeyID", "key"),
            ("minio.secretAccessKey", "0123456789", "auth.secretAccessKey", "01****89"),
            ("minio.token", "0123456789", "auth.sessionToken", "01****89"), ("minio.useSSL", "true", "useSSL", "true"),
            ("minio.useIAM", "true", "auth.type", "iam"), ("minio.bucketName", "b", "bucketName", "b"),
            ("minio.rootPath", "r", "rootPath", "r"), ("minio.rootPath", "", "rootPath", "backup"),
        ])
    func inheritance(key: String, text: String, newKey: String, shown: String) throws {
        let row = ReferenceRow(key)
        let backup = try load(row.file(.v1, [(key, "'\(text)'")])).configuration.parameter("backup.storage.\(newKey)")
        #expect(backup?.value == shown)
        #expect(backup?.source == .defaultValue)
    }

    @Test func theEndpointOfIAMIsInheritedAndTheGoogleAccountIsNot() throws {
        let iam = try load("minio: {useIAM: true, iamEndpoint: e}").configuration
        #expect(iam.backup.storage.authentication == .iam(endpoint: "e"))
        #expect(
            problem("minio: {storageType: gcpnative, gcpCredentialJSON: /f}")
                == "minio.backupGcpCredentialJSON: must not be empty: authentication \"serviceAccount\" needs it")
    }

    // MARK: Translation

    /// Every spelling of every provider.
    @Test(
        arguments: [
            ("minio", "minio"), ("s3", "s3"), ("aws", "aws"), ("ali", "aliyun"), ("aliyun", "aliyun"),
            ("alibaba", "aliyun"), ("alicloud", "aliyun"), ("tc", "tencent"), ("tencent", "tencent"), ("hwc", "hwc"),
            ("gcp", "gcp"), ("gcpnative", "gcpnative"), ("azure", "azure"), ("local", "local"),
        ])
    func providers(spelling: String, provider: String) throws {
        let text = "minio: {storageType: \(spelling), gcpCredentialJSON: /f, backupGcpCredentialJSON: /f}"
        let configuration = try load(text).configuration
        #expect(configuration.parameter("milvus.storage.provider")?.value == provider)
        #expect(configuration.parameter("backup.storage.provider")?.value == provider)
    }

    @Test(
        arguments: [
            ("0", "", "disabled"), ("1", "", "server"), ("2", "", "server"), ("3", "", "disabled"),
            ("2", ", mtlsCertPath: /c", "server"), ("2", ", mtlsCertPath: /c, mtlsKeyPath: /k", "mutual"),
        ])
    func tlsModes(number: String, more: String, mode: String) throws {
        let configuration = try load("milvus: {tlsMode: \(number)\(more)}").configuration
        #expect(configuration.parameter("milvus.grpc.tlsMode")?.value == mode)
    }

    @Test func azureNeedsAnAccount() {
        #expect(
            problem("minio: {storageType: azure, accessKeyID: '', useIAM: true}")
                == "backup.yaml:1: minio.accessKeyID: must not be empty with provider azure")
    }

    @Test func whatV1DoesNotHaveIsLeftAtItsDefault() throws {
        let configuration = try load("milvus: {address: m, port: 1}").configuration
        #expect(configuration.parameter("milvus.rest.endpoint")?.value == "")
        #expect(configuration.milvus.restBaseURL == "http://m:1")
        #expect(configuration.parameter("restore.maxSegmentsPerImportJob")?.value == "256")
    }
}
