extension Schema {
    /// The `configVersion: v2` format. Environment variables exist for credentials only.
    static let version2 = Schema(.v2, program + milvus + milvusStorage + backupStorage + tasks + additions)

    private static let program: [Parameter] = [
        .choice("log.level", value: "info", of: logLevels),
        .boolean("log.console", value: true),
        .text("log.file.path", value: "logs/backup.log"),
        .integer("log.file.maxSizeMiB", value: 300, in: Parameter.notNegative),
        .integer("log.file.maxDays", value: 0, in: Parameter.notNegative),
        .integer("log.file.maxBackups", value: 0, in: Parameter.notNegative),
        .boolean("server.debugMode", value: false),
        .text("server.swaggerBasePath"),
    ]

    static let logLevels = ["debug", "info", "warn", "warning", "error", "dpanic", "panic", "fatal"]

    private static let milvus: [Parameter] = [
        .text("milvus.user", environment: ["MILVUS_USER"]),
        .secret("milvus.password", environment: ["MILVUS_PASSWORD"]),
        .text("milvus.grpc.address", value: "localhost"),
        .integer("milvus.grpc.port", value: 19530, in: Parameter.port),
        .choice("milvus.grpc.tlsMode", value: "disabled", of: GRPCSettings.TLSMode.allCases.map(\.rawValue)),
        .text("milvus.grpc.caCertPath"),
        .text("milvus.grpc.serverName"),
        .text("milvus.grpc.mtlsCertPath"),
        .text("milvus.grpc.mtlsKeyPath"),
        .text("milvus.rest.endpoint"),
        .text("milvus.management.endpoint", value: "http://localhost:9091"),
        .text("milvus.replicate.rpcChannelName", value: "by-dev-replicate-msg"),
        Parameter(
            keys: ["milvus.etcd.endpoints"], kind: .list(acceptsText: false),
            fallback: .value(.list(["localhost:2379"]))),
        .text("milvus.etcd.rootPath", value: "by-dev"),
    ]

    private static let milvusStorage = storage("milvus.storage", "MILVUS_STORAGE", rootPath: "files")

    private static let backupStorage = storage("backup.storage", "BACKUP_STORAGE", rootPath: "backup").map {
        parameter in
        let suffix = parameter.name.dropFirst("backup.storage.".count)
        return inherited.contains(String(suffix)) ? parameter.inheriting(from: "milvus.storage.\(suffix)") : parameter
    }

    /// What `backup.storage` takes over from `milvus.storage` when it says nothing of its own.
    private static let inherited: Set<String> = [
        "provider", "address", "port", "region", "useSSL", "accountName", "bucketName", "caCertPath", "auth.type",
        "auth.accessKeyID", "auth.secretAccessKey",
    ]

    private static func storage(_ section: String, _ environment: String, rootPath: String) -> [Parameter] {
        [
            .choice("\(section).provider", value: "minio", of: StorageProvider.allCases.map(\.rawValue)),
            .text("\(section).address", value: "localhost"),
            .integer("\(section).port", value: 9000, in: 0...65535),
            .text("\(section).region"),
            .boolean("\(section).useSSL", value: false),
            .text("\(section).accountName", environment: ["\(environment)_ACCOUNT_NAME"]),
            .text("\(section).bucketName", value: "a-bucket"),
            .text("\(section).rootPath", value: rootPath),
            .text("\(section).localPath"),
            .text("\(section).milvusAddress"),
            .integer("\(section).milvusPort", value: 0, in: 0...65535),
            .text("\(section).caCertPath"),
            .choice("\(section).auth.type", value: "static", of: AuthenticationType.allCases.map(\.rawValue)),
            .text(
                "\(section).auth.accessKeyID", value: "minioadmin", environment: ["\(environment)_AUTH_ACCESS_KEY_ID"]),
            .secret(
                "\(section).auth.secretAccessKey", value: "minioadmin",
                environment: ["\(environment)_AUTH_SECRET_ACCESS_KEY"]),
            .secret("\(section).auth.sessionToken", environment: ["\(environment)_AUTH_SESSION_TOKEN"]),
            .secret("\(section).auth.accountKey", environment: ["\(environment)_AUTH_ACCOUNT_KEY"]),
            .text("\(section).auth.credentialsFile", environment: ["\(environment)_AUTH_CREDENTIALS_FILE"]),
            .text("\(section).auth.endpoint"),
        ]
    }

    private static let tasks: [Parameter] = [
        .integer("backup.concurrency.collections", value: 4),
        .integer("backup.concurrency.segments", value: 1024),
        .boolean("backup.pauseGC", value: true),
        .boolean("backup.requireGCPause", value: false),
        .integer("restore.concurrency.collections", value: 2),
        .integer("restore.concurrency.importJobs", value: 768),
        .integer("restore.maxSegmentsPerImportJob", value: 256),
        .boolean("restore.keepTempFiles", value: false),
        .choice("transfer.mode", value: "auto", of: TransferSettings.Mode.allCases.map(\.rawValue)),
        .integer("transfer.concurrency", value: 128),
        .integer("transfer.multipartCopyThresholdMiB", value: 500),
        .text("zillizCloud.endpoint", value: "https://api.cloud.zilliz.com"),
        .secret("zillizCloud.apiKey", environment: ["ZILLIZ_CLOUD_API_KEY"]),
    ]

    private static let additions = additions(concurrencyKey: "transfer.concurrency")
}
