import Testing

@testable import Configuration

/// Every key of the v2 format as the original documents it.
@Suite("The keys of v2")
struct ReferenceVersion2Tests {
    private static let rows: [ReferenceRow] =
        program + milvus + storage("milvus.storage", "MILVUS_STORAGE", root: "files")
        + storage("backup.storage", "BACKUP_STORAGE", root: "backup") + tasks

    private static let program: [ReferenceRow] = [
        ReferenceRow("log.level", fallback: "info", example: "WARN", shown: "warn", refused: ["loud", "other"]),
        .boolean("log.console", fallback: "true"),
        ReferenceRow("log.file.path", fallback: "logs/backup.log"),
        .integer("log.file.maxSizeMiB", fallback: 300, from: 0),
        .integer("log.file.maxDays", fallback: 0, from: 0),
        .integer("log.file.maxBackups", fallback: 0, from: 0),
        .boolean("server.debugMode", fallback: "false"),
        ReferenceRow("server.swaggerBasePath"),
        ReferenceRow("zillizCloud.endpoint", fallback: "https://api.cloud.zilliz.com"),
        .secret("zillizCloud.apiKey", environment: ["ZILLIZ_CLOUD_API_KEY"]),
    ]

    private static let milvus: [ReferenceRow] = [
        ReferenceRow("milvus.user", environment: ["MILVUS_USER"], refused: ["[a]", "{a: b}"]),
        .secret("milvus.password", environment: ["MILVUS_PASSWORD"]),
        ReferenceRow("milvus.grpc.address", fallback: "localhost", refused: ["''", "'http://a'", "'a:1'"]),
        .port("milvus.grpc.port", fallback: 19530),
        ReferenceRow(
            "milvus.grpc.tlsMode", fallback: "disabled", example: "Mutual", shown: "mutual",
            refused: ["0", "1", "2", "other"],
            context: ["milvus.grpc.mtlsCertPath": "/c", "milvus.grpc.mtlsKeyPath": "/k"]),
        ReferenceRow("milvus.grpc.caCertPath"),
        ReferenceRow("milvus.grpc.serverName"),
        ReferenceRow("milvus.grpc.mtlsCertPath"),
        ReferenceRow("milvus.grpc.mtlsKeyPath"),
        ReferenceRow(
            "milvus.rest.endpoint", example: "https://m:1", refused: ["m", "'m:1'", "'ftp://m'", "'http://'", "other"]),
        ReferenceRow(
            "milvus.management.endpoint", fallback: "http://localhost:9091", example: "http://m:1",
            refused: ["''", "m", "'m:1'", "'ftp://m'", "other"]),
        ReferenceRow("milvus.replicate.rpcChannelName", fallback: "by-dev-replicate-msg"),
        ReferenceRow(
            "milvus.etcd.endpoints", fallback: "localhost:2379", example: "[a:1, b:2]", shown: "a:1,b:2",
            refused: ["'a:1'", "[]", "[{a: b}]"]),
        ReferenceRow("milvus.etcd.rootPath", fallback: "by-dev"),
    ]

    private static func storage(_ section: String, _ environment: String, root: String) -> [ReferenceRow] {
        let azure = ["\(section).provider": "azure", "\(section).auth.type": "default"]
        var sharedKey = [
            "\(section).provider": "azure", "\(section).auth.type": "sharedKey", "\(section).accountName": "n",
        ]
        var serviceAccount = ["\(section).provider": "gcpnative", "\(section).auth.type": "serviceAccount"]
        if section == "milvus.storage" {
            // These credentials are not inherited.
            sharedKey["backup.storage.provider"] = "local"
            serviceAccount["backup.storage.provider"] = "local"
        }
        return [
            ReferenceRow(
                "\(section).provider", fallback: "minio", example: "ALIYUN", shown: "aliyun",
                refused: ["ceph", "ali", "alibaba", "alicloud", "tc", "other"]),
            ReferenceRow("\(section).address", fallback: "localhost", refused: ["''", "'http://a'", "'a:1'", "'a/b'"]),
            .port("\(section).port", fallback: 9000),
            ReferenceRow("\(section).region"),
            .boolean("\(section).useSSL", fallback: "false"),
            ReferenceRow(
                "\(section).accountName", environment: ["\(environment)_ACCOUNT_NAME"], refused: ["''"],
                context: azure, isRequired: true),
            ReferenceRow("\(section).bucketName", fallback: "a-bucket"),
            ReferenceRow("\(section).rootPath", fallback: root),
            ReferenceRow("\(section).localPath"),
            ReferenceRow("\(section).milvusAddress", refused: ["'http://a'", "'a:1'"]),
            .integer("\(section).milvusPort", fallback: 0, from: 0, context: ["\(section).milvusAddress": "m"]),
            ReferenceRow(
                "\(section).auth.type", fallback: "static", example: "IAM", shown: "iam",
                refused: ["none", "sharedKey", "serviceAccount", "other"]),
            ReferenceRow(
                "\(section).auth.accessKeyID", fallback: "minioadmin",
                environment: ["\(environment)_AUTH_ACCESS_KEY_ID"], refused: ["''"]),
            .secret(
                "\(section).auth.secretAccessKey", fallback: "mi****in",
                environment: ["\(environment)_AUTH_SECRET_ACCESS_KEY"], refused: ["''"]),
            .secret("\(section).auth.sessionToken", environment: ["\(environment)_AUTH_SESSION_TOKEN"]),
            .secret(
                "\(section).auth.accountKey", environment: ["\(environment)_AUTH_ACCOUNT_KEY"], refused: ["''"],
                context: sharedKey, isRequired: true),
            ReferenceRow(
                "\(section).auth.credentialsFile", environment: ["\(environment)_AUTH_CREDENTIALS_FILE"],
                refused: ["''"], context: serviceAccount, isRequired: true),
            ReferenceRow("\(section).auth.endpoint", context: ["\(section).auth.type": "iam"]),
        ]
    }

    private static let tasks: [ReferenceRow] = [
        .integer("backup.concurrency.collections", fallback: 4),
        .integer("backup.concurrency.segments", fallback: 1024),
        .boolean("backup.pauseGC", fallback: "true"),
        .integer("restore.concurrency.collections", fallback: 2),
        .integer("restore.concurrency.importJobs", fallback: 768),
        .integer("restore.maxSegmentsPerImportJob", fallback: 256),
        .boolean("restore.keepTempFiles", fallback: "false"),
        ReferenceRow(
            "transfer.mode", fallback: "auto", example: "Streaming", shown: "streaming",
            refused: ["fast", "''", "other"]),
        .integer("transfer.concurrency", fallback: 128),
        .integer("transfer.multipartCopyThresholdMiB", fallback: 500),
    ]

    @Test(arguments: rows) func row(_ row: ReferenceRow) throws {
        let check = ReferenceCheck(version: .v2, row: row)
        try check.precedence()
        try check.emptyVariable()
        check.refusals()
    }

    @Test func everyKeyHasARow() {
        let ours = Set(Schema.additions(concurrencyKey: "").map(\.name))
        let keys = Schema.version2.parameters.map(\.name).filter {
            !ours.contains($0) && !$0.hasSuffix("caCertPath") && $0 != "backup.requireGCPause"
        }
        #expect(Set(keys) == Set(Self.rows.map(\.key)).subtracting(["milvus.grpc.caCertPath"]))
    }

    /// Variables exist for the credentials of the table, and for what is ours.
    @Test func noOtherVariableCounts() {
        let variables = Set(Self.rows.flatMap(\.environment))
        for parameter in Schema.version2.parameters {
            for name in parameter.environment where !name.hasPrefix("MILVUS_BACKUP_") {
                #expect(variables.contains(name), "\(name)")
            }
        }
    }

    // MARK: Inheritance

    /// What `backup.storage` says when only `milvus.storage` does.
    @Test(
        arguments: [
            ("provider", "s3", true), ("address", "a", true), ("port", "77", true), ("region", "r", true),
            ("useSSL", "true", true), ("bucketName", "b", true), ("rootPath", "r", false), ("localPath", "/l", false),
            ("milvusAddress", "m", false), ("auth.type", "iam", true), ("auth.accessKeyID", "key", true),
            ("auth.secretAccessKey", "0123456789", true),
        ])
    func inheritance(key: String, text: String, isInherited: Bool) throws {
        let row = ReferenceRow("milvus.storage.\(key)")
        let configuration = try load(row.file(.v2, [(row.key, "'\(text)'")])).configuration
        let own = try #require(configuration.parameter(row.key))
        let backup = try #require(configuration.parameter("backup.storage.\(key)"))
        let fallback = try #require(try load("configVersion: v2").configuration.parameter("backup.storage.\(key)"))
        #expect(backup.value == (isInherited ? own.value : fallback.value))
        #expect(backup.source == .defaultValue)
        #expect(backup.sourceKey == (isInherited ? row.key.lowercased() : ""))
    }

    @Test func anAccountIsInheritedAndItsKeyIsNot() throws {
        let azure = "milvus: {storage: {provider: azure, accountName: n, auth: {type: sharedKey, accountKey: secret}}}"
        #expect(
            problem("configVersion: v2\n\(azure)").contains("backup.storage.auth.accountKey: must not be empty"))
        let key = ["BACKUP_STORAGE_AUTH_ACCOUNT_KEY": "other"]
        let storage = try load("configVersion: v2\n\(azure)", environment: key).configuration.backup.storage
        #expect((storage.provider, storage.accountName) == (.azure, "n"))
    }

    // MARK: Authentication

    /// Which `auth.type` goes with which provider.
    @Test(
        arguments: [
            (["minio", "s3", "aws", "aliyun", "tencent", "hwc", "gcp"], ["static", "iam", "default"]),
            (["gcpnative"], ["serviceAccount", "default"]), (["azure"], ["sharedKey", "default"]),
        ])
    func authenticationTypes(providers: [String], types: [String]) {
        for provider in providers {
            for type in ["static", "iam", "default", "sharedKey", "serviceAccount"] {
                let text = """
                    configVersion: v2
                    milvus:
                      storage:
                        provider: \(provider)
                        auth: {type: \(type)}
                    backup: {storage: {provider: local}}
                    """
                let isRefused = problem(text).contains("\"\(type)\" does not go with provider \(provider)")
                #expect(isRefused != types.contains(type), "\(provider) \(type)")
            }
        }
    }

    /// A credential that is written and belongs to another kind of authentication.
    @Test(
        arguments: [
            ("static", "minio", ["accessKeyID", "secretAccessKey", "sessionToken"]), ("iam", "minio", ["endpoint"]),
            ("default", "minio", []), ("sharedKey", "azure", ["accountKey"]),
            ("serviceAccount", "gcpnative", ["credentialsFile"]),
        ])
    func credentialsOfOtherAuthentications(type: String, provider: String, own: [String]) {
        for credential in [
            "accessKeyID", "secretAccessKey", "sessionToken", "accountKey", "credentialsFile", "endpoint",
        ] {
            for section in ["milvus.storage", "backup.storage"] {
                let text = """
                    configVersion: v2
                    \(section).provider: \(provider)
                    \(section).auth.type: \(type)
                    \(section).auth.\(credential): some
                    """
                let refusal = "\(section).auth.\(credential): does not apply when \(section).auth.type is \"\(type)\""
                #expect(problem(text).contains(refusal) != own.contains(credential), "\(section) \(type) \(credential)")
            }
        }
    }
}
