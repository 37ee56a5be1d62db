import Support

/// Makes the values of a v1 configuration those of v2.
struct Translation {
    private let old: [String: Resolved]
    private let file: FileSettings
    /// The values of all v2 keys.
    private(set) var values: [String: Resolved]
    private(set) var problems: [String] = []
    private(set) var warnings: [String] = []
    /// The names of the v2 keys whose value could not be made.
    private(set) var unreadable: Set<String> = []

    /// - Parameter old: the values of all v1 keys.
    init(_ old: [String: Resolved], file: FileSettings) {
        self.old = old
        self.file = file
        values = Translation.defaults
        for parameter in Schema.version1.parameters {
            guard let value = old[parameter.name], let newKey = Translation.newKey(of: parameter.name) else { continue }
            values[newKey] = value
        }
        translateTLSMode()
        translate(from: Translation.milvusStorage, to: "milvus.storage")
        translate(from: Translation.backupStorage, to: "backup.storage")
        translateBackupRoot()
        if let cross = old["minio.crossStorage"], case .boolean(let crosses) = cross.value {
            set("transfer.mode", .text(crosses ? "streaming" : "auto"), cross.origin)
        }
        warnAboutAuthorization()
    }

    /// What the v2 format says when nobody says anything.
    private static let defaults: [String: Resolved] = {
        var resolver = Resolver(file: FileSettings(), overrides: [], environment: [:])
        return resolver.resolve(.version2)
    }()

    /// The v2 name of a v1 key; nil when there is none.
    static func newKey(of oldKey: String) -> String? {
        renamed[oldKey] ?? (Schema.version2.parameter(for: oldKey) == nil ? nil : oldKey)
    }

    private static let renamed: [String: String] = [
        "log.file.filename": "log.file.path",
        "log.file.maxSize": "log.file.maxSizeMiB",
        "http.debugMode": "server.debugMode",
        "http.swaggerBasePath": "server.swaggerBasePath",
        "cloud.address": "zillizCloud.endpoint",
        "cloud.apikey": "zillizCloud.apiKey",
        "milvus.address": "milvus.grpc.address",
        "milvus.port": "milvus.grpc.port",
        "milvus.tlsMode": "milvus.grpc.tlsMode",
        "milvus.caCertPath": "milvus.grpc.caCertPath",
        "milvus.serverName": "milvus.grpc.serverName",
        "milvus.mtlsCertPath": "milvus.grpc.mtlsCertPath",
        "milvus.mtlsKeyPath": "milvus.grpc.mtlsKeyPath",
        "milvus.rpcChannelName": "milvus.replicate.rpcChannelName",
        "storage.storageType": "milvus.storage.provider",
        "minio.address": "milvus.storage.address",
        "minio.port": "milvus.storage.port",
        "minio.region": "milvus.storage.region",
        "minio.accessKeyID": "milvus.storage.auth.accessKeyID",
        "minio.secretAccessKey": "milvus.storage.auth.secretAccessKey",
        "minio.token": "milvus.storage.auth.sessionToken",
        "minio.gcpCredentialJSON": "milvus.storage.auth.credentialsFile",
        "minio.useSSL": "milvus.storage.useSSL",
        "minio.caCertPath": "milvus.storage.caCertPath",
        "minio.bucketName": "milvus.storage.bucketName",
        "minio.rootPath": "milvus.storage.rootPath",
        "minio.useIAM": "milvus.storage.auth.type",
        "minio.iamEndpoint": "milvus.storage.auth.endpoint",
        "storage.backupStorageType": "backup.storage.provider",
        "minio.backupAddress": "backup.storage.address",
        "minio.backupPort": "backup.storage.port",
        "minio.backupRegion": "backup.storage.region",
        "minio.backupAccessKeyID": "backup.storage.auth.accessKeyID",
        "minio.backupSecretAccessKey": "backup.storage.auth.secretAccessKey",
        "minio.backupToken": "backup.storage.auth.sessionToken",
        "minio.backupGcpCredentialJSON": "backup.storage.auth.credentialsFile",
        "minio.backupUseSSL": "backup.storage.useSSL",
        "minio.backupCaCertPath": "backup.storage.caCertPath",
        "minio.backupBucketName": "backup.storage.bucketName",
        "minio.backupRootPath": "backup.storage.rootPath",
        "minio.backupUseIAM": "backup.storage.auth.type",
        "minio.backupIamEndpoint": "backup.storage.auth.endpoint",
        "minio.crossStorage": "transfer.mode",
        "minio.multipartCopyThresholdMiB": "transfer.multipartCopyThresholdMiB",
        "backup.parallelism.copydata": "transfer.concurrency",
        "backup.parallelism.backupCollection": "backup.concurrency.collections",
        "backup.parallelism.backupSegment": "backup.concurrency.segments",
        "backup.parallelism.restoreCollection": "restore.concurrency.collections",
        "backup.parallelism.importJob": "restore.concurrency.importJobs",
        "backup.keepTempFiles": "restore.keepTempFiles",
        "backup.gcPause.enable": "backup.pauseGC",
        "backup.gcPause.address": "milvus.management.endpoint",
    ]

    // MARK: Milvus

    private mutating func translateTLSMode() {
        guard let mode = old["milvus.tlsMode"], case .integer(let number) = mode.value else { return }
        let hasPair = ["milvus.mtlsCertPath", "milvus.mtlsKeyPath"].allSatisfy { old[$0]?.value.isEmpty == false }
        let name =
            switch number {
            case 1: "server"
            case 2: hasPair ? "mutual" : "server"
            default: "disabled"
            }
        set("milvus.grpc.tlsMode", .text(name), mode.origin)
        if number == 2, !hasPair {
            warnings.append(
                "\(file.place(of: mode.origin)): mutual TLS needs mtlsCertPath and mtlsKeyPath; only the server shows a "
                    + "certificate now")
        } else if !(0...2).contains(number) {
            warnings.append("\(file.place(of: mode.origin)): \(number) is not one of 0, 1 and 2; TLS is off")
        }
    }

    /// The programs of 2024 sent neither credentials nor TLS when this was false; later ones have forgotten the key.
    private mutating func warnAboutAuthorization() {
        guard let enabled = old["milvus.authorizationEnabled"], enabled.value == .boolean(false) else { return }
        let isUsed =
            old["milvus.user"]?.value.isEmpty == false || values["milvus.grpc.tlsMode"]?.value != .text("disabled")
        guard isUsed else { return }
        warnings.append(
            "\(file.place(of: enabled.origin)): has no effect any more: milvus.user and milvus.tlsMode count as they are set"
        )
    }

    // MARK: Storage

    /// The v1 keys of one store.
    private struct StorageKeys {
        var type, useIAM, iamEndpoint, accessKeyID, secretAccessKey, token, credentialsFile: String
    }

    private static let milvusStorage = StorageKeys(
        type: "storage.storageType", useIAM: "minio.useIAM", iamEndpoint: "minio.iamEndpoint",
        accessKeyID: "minio.accessKeyID", secretAccessKey: "minio.secretAccessKey", token: "minio.token",
        credentialsFile: "minio.gcpCredentialJSON")

    private static let backupStorage = StorageKeys(
        type: "storage.backupStorageType", useIAM: "minio.backupUseIAM", iamEndpoint: "minio.backupIamEndpoint",
        accessKeyID: "minio.backupAccessKeyID", secretAccessKey: "minio.backupSecretAccessKey",
        token: "minio.backupToken",
        credentialsFile: "minio.backupGcpCredentialJSON")

    /// Provider and authentication: only those credentials are set that the kind of authentication uses.
    private mutating func translate(from keys: StorageKeys, to section: String) {
        for name in ["type"] + Validation.credentials.map(\.name) {
            values["\(section).auth.\(name)"] = Translation.defaults["\(section).auth.\(name)"]
        }
        guard let provider = provider(keys, section), let useIAM = old[keys.useIAM] else { return }
        let type: AuthenticationType
        switch provider {
        case .local: return
        case .gcpnative:
            type = .serviceAccount
            move(keys.credentialsFile, to: "\(section).auth.credentialsFile")
        case .azure:
            type = useIAM.value == .boolean(true) ? .defaultChain : .sharedKey
            move(keys.accessKeyID, to: "\(section).accountName")
            if type == .sharedKey { move(keys.secretAccessKey, to: "\(section).auth.accountKey") }
        case _ where useIAM.value == .boolean(true):
            type = .iam
            move(keys.iamEndpoint, to: "\(section).auth.endpoint")
        default:
            type = .staticKeys
            move(keys.accessKeyID, to: "\(section).auth.accessKeyID")
            move(keys.secretAccessKey, to: "\(section).auth.secretAccessKey")
            move(keys.token, to: "\(section).auth.sessionToken")
        }
        set("\(section).auth.type", .text(type.rawValue), useIAM.origin)
    }

    private mutating func provider(_ keys: StorageKeys, _ section: String) -> StorageProvider? {
        guard let type = old[keys.type], case .text(let text) = type.value else { return nil }
        let name = text.lowercased()
        let spellings = ["ali": "aliyun", "alibaba": "aliyun", "alicloud": "aliyun", "tc": "tencent"]
        guard let provider = StorageProvider(rawValue: spellings[name] ?? name) else {
            let known = StorageProvider.allCases.map(\.rawValue).joined(separator: ", ")
            unreadable.insert("\(section).provider")
            // What is inherited was reported where it is written.
            if type.origin.inheritedFrom == nil {
                problems.append("\(file.place(of: type.origin)): \(quoted(text)) is not one of \(known)")
            }
            set("\(section).provider", .text(StorageProvider.minio.rawValue), type.origin)
            return nil
        }
        set("\(section).provider", .text(provider.rawValue), type.origin)
        return provider
    }

    /// Backups go below Milvus' own root when nothing is said, and below `backup` when that root is empty.
    private mutating func translateBackupRoot() {
        guard let root = old["minio.backupRootPath"], root.origin.inheritedFrom != nil, root.value.isEmpty else {
            return
        }
        set("backup.storage.rootPath", .text("backup"), root.origin)
    }

    private mutating func move(_ oldKey: String, to newKey: String) { values[newKey] = old[oldKey] }

    private mutating func set(_ newKey: String, _ value: ParameterValue, _ origin: Origin) {
        values[newKey] = Resolved(value: value, origin: origin)
    }
}
