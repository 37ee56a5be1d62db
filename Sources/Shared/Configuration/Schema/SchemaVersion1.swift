extension Schema {
    /// The older format: files without `configVersion` or with `v1`, including the spellings of 2023 and 2024.
    static let version1 = Schema(
        .v1,
        program + milvus + storage + backupStorage + tasks + additions(concurrencyKey: "backup.parallelism.copydata"),
        ignoredKeys: [
            "http.enabled", "http.simpleResponse", "log.format", "grpc.log.level", "backup.gcPause.seconds",
        ])

    private static let program: [Parameter] = [
        .choice("log.level", value: "info", of: logLevels),
        .boolean("log.console", value: true),
        .text("log.file.filename", "log.file.rootPath", value: "logs/backup.log"),
        .integer("log.file.maxSize", value: 300, in: Parameter.notNegative),
        .integer("log.file.maxDays", "log.file.maxAge", value: 0, in: Parameter.notNegative),
        .integer("log.file.maxBackups", value: 0, in: Parameter.notNegative),
        .boolean("http.debugMode", "http.debug_mode", value: false),
        .text("http.swaggerBasePath"),
        .text("cloud.address", value: "https://api.cloud.zilliz.com"),
        .secret("cloud.apikey"),
    ]

    private static let milvus: [Parameter] = [
        .text("milvus.address", value: "localhost", environment: ["MILVUS_ADDRESS"]),
        .integer("milvus.port", value: 19530, in: Parameter.port, environment: ["MILVUS_PORT"]),
        .text("milvus.user", environment: ["MILVUS_USER"]),
        .secret("milvus.password", environment: ["MILVUS_PASSWORD"]),
        .boolean("milvus.authorizationEnabled", value: true, environment: ["MILVUS_AUTHORIZATION_ENABLED"]),
        .integer("milvus.tlsMode", value: 0, in: Int.min...Int.max, environment: ["MILVUS_TLS_MODE"]),
        .text("milvus.caCertPath", "milvus.tlsCertPath", environment: ["MILVUS_CA_CERT_PATH", "MILVUS_TLS_CERTPATH"]),
        .text("milvus.serverName", environment: ["MILVUS_SERVER_NAME"]),
        .text("milvus.mtlsCertPath", environment: ["MILVUS_MTLS_CERT_PATH"]),
        .text("milvus.mtlsKeyPath", environment: ["MILVUS_MTLS_KEY_PATH"]),
        .text("milvus.rpcChannelName", value: "by-dev-replicate-msg", environment: ["MILVUS_RPC_CHANNEL_NAME"]),
        Parameter(
            keys: ["milvus.etcd.endpoints"], kind: .list(acceptsText: true), fallback: .value(.list(["localhost:2379"]))
        ),
        .text("milvus.etcd.rootPath", value: "by-dev"),
    ]

    private static let storage: [Parameter] = [
        .text("storage.storageType", "minio.storageType", "minio.cloudProvider", value: "minio"),
        .text("minio.address", value: "localhost", environment: ["MINIO_ADDRESS"]),
        .integer("minio.port", value: 9000, in: 0...65535, environment: ["MINIO_PORT"]),
        .text("minio.region", environment: ["MINIO_REGION"]),
        .text("minio.accessKeyID", value: "minioadmin", environment: ["MINIO_ACCESS_KEY"]),
        .secret("minio.secretAccessKey", value: "minioadmin", environment: ["MINIO_SECRET_KEY"]),
        .secret("minio.token", environment: ["MINIO_TOKEN"]),
        .text("minio.gcpCredentialJSON", environment: ["GCP_KEY_JSON"]),
        .boolean("minio.useSSL", value: false, environment: ["MINIO_USE_SSL"]),
        .text("minio.caCertPath"),
        .text("minio.bucketName", value: "a-bucket", environment: ["MINIO_BUCKET_NAME"]),
        .text("minio.rootPath", value: "files", environment: ["MINIO_ROOT_PATH"]),
        .boolean("minio.useIAM", value: false, environment: ["MINIO_USE_IAM"]),
        .text("minio.iamEndpoint", environment: ["MINIO_IAM_ENDPOINT"]),
    ]

    private static let backupStorage: [Parameter] = [
        .text("storage.backupStorageType", "minio.backupStorageType").inheriting(from: "storage.storageType"),
        .text("minio.backupAddress", environment: ["MINIO_BACKUP_ADDRESS"]).inheriting(from: "minio.address"),
        .integer("minio.backupPort", value: 0, in: 0...65535, environment: ["MINIO_BACKUP_PORT"])
            .inheriting(from: "minio.port"),
        .text("minio.backupRegion", environment: ["MINIO_BACKUP_REGION"]).inheriting(from: "minio.region"),
        .text("minio.backupAccessKeyID", environment: ["MINIO_BACKUP_ACCESS_KEY"]).inheriting(
            from: "minio.accessKeyID"),
        .secret("minio.backupSecretAccessKey", environment: ["MINIO_BACKUP_SECRET_KEY"])
            .inheriting(from: "minio.secretAccessKey"),
        .secret("minio.backupToken", environment: ["MINIO_BACKUP_TOKEN"]).inheriting(from: "minio.token"),
        .text("minio.backupGcpCredentialJSON", environment: ["BACKUP_GCP_KEY_JSON"]),
        .boolean("minio.backupUseSSL", value: false, environment: ["MINIO_BACKUP_USE_SSL"])
            .inheriting(from: "minio.useSSL"),
        .text("minio.backupCaCertPath").inheriting(from: "minio.caCertPath"),
        .text("minio.backupBucketName", environment: ["MINIO_BACKUP_BUCKET_NAME"]).inheriting(from: "minio.bucketName"),
        .text("minio.backupRootPath", environment: ["MINIO_BACKUP_ROOT_PATH"]).inheriting(from: "minio.rootPath"),
        .boolean("minio.backupUseIAM", value: false, environment: ["MINIO_BACKUP_USE_IAM"])
            .inheriting(from: "minio.useIAM"),
        .text("minio.backupIamEndpoint", environment: ["MINIO_BACKUP_IAM_ENDPOINT"]).inheriting(
            from: "minio.iamEndpoint"),
        .boolean("minio.crossStorage", value: false),
        .integer("minio.multipartCopyThresholdMiB", value: 500),
    ]

    private static let tasks: [Parameter] = [
        .integer("backup.parallelism.copydata", value: 128, environment: ["BACKUP_PARALLELISM_COPYDATA"]),
        .integer(
            "backup.parallelism.backupCollection", value: 4, environment: ["BACKUP_PARALLELISM_BACKUP_COLLECTION"]),
        .integer("backup.parallelism.backupSegment", value: 1024),
        .integer(
            "backup.parallelism.restoreCollection", value: 2, environment: ["BACKUP_PARALLELISM_RESTORE_COLLECTION"]),
        .integer("backup.parallelism.importJob", value: 768),
        .boolean("backup.keepTempFiles", value: false, environment: ["BACKUP_KEEP_TEMP_FILES"]),
        .boolean("backup.gcPause.enable", value: true, environment: ["BACKUP_GC_PAUSE_ENABLE"]),
        .text("backup.gcPause.address", value: "http://localhost:9091", environment: ["BACKUP_GC_PAUSE_ADDRESS"]),
    ]
}
