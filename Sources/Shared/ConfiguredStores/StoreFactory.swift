import Configuration
import HTTP
import ObjectStorage
import Support

/// Makes object stores out of their settings.
package struct StoreFactory: Sendable {
    private let http: any HTTPClient
    private let logger: Logger
    private let stallTimeout: Duration
    private let retryPolicy: RetryPolicy?
    private let contacts: FirstContacts
    private let environment: [String: String]

    /// - Parameters:
    ///   - stallTimeout: a request that moves no byte for so long fails (`transfer.stallTimeoutSeconds`).
    ///   - retryPolicy: how calls are made again; nil for stores whose user does that himself.
    ///   - contacts: with the servers that are known already.
    ///   - environment: where `auth.type` `iam` and `default` look.
    package init(
        http: any HTTPClient,
        logger: Logger = .silent,
        stallTimeout: Duration = .seconds(60),
        retryPolicy: RetryPolicy? = .standard,
        contacts: FirstContacts = FirstContacts(),
        environment: [String: String] = processEnvironment()
    ) {
        self.http = http
        self.logger = logger
        self.stallTimeout = stallTimeout
        self.retryPolicy = retryPolicy
        self.contacts = contacts
        self.environment = environment
    }

    /// How the authentication in the configuration is looked up again.
    package typealias AuthenticationLookup = @Sendable () throws(BackupError) -> StorageAuthentication

    /// The store of `milvus.storage` or `backup.storage`. Nothing is sent.
    ///
    /// - Parameter lookup: asked for another access key when the store refuses that of `settings`; nil if there never is one.
    /// - Throws: ``BackupError/Code/unsupported`` for a provider or an authentication this program does not speak,
    ///   ``BackupError/Code/configuration`` when there is no bucket.
    package func makeStore(
        _ settings: StorageSettings, lookup: AuthenticationLookup? = nil
    ) throws(BackupError) -> any ObjectStore {
        let store = try makePlainStore(settings, lookup)
        guard let retryPolicy else { return store }
        return RetryingObjectStore(
            store, policy: retryPolicy, contact: contacts.contact(with: store.identity), logger: logger)
    }

    private func makePlainStore(
        _ settings: StorageSettings, _ lookup: AuthenticationLookup?
    ) throws(BackupError) -> any ObjectStore {
        switch settings.provider {
        case .azure: return try makeAzureStore(settings, lookup)
        case .gcpnative: return try makeGoogleStore(settings)
        case .local: return try LocalObjectStore(root: settings.rootPath)
        default: return try makeS3Store(settings, lookup)
        }
    }

    private func makeS3Store(
        _ settings: StorageSettings, _ lookup: AuthenticationLookup?
    ) throws(BackupError) -> any ObjectStore {
        guard let provider = settings.provider.family else {
            let family = S3Provider.allCases.map(\.rawValue).joined(separator: ", ")
            throw BackupError(
                .unsupported, "the storage provider \(settings.provider.rawValue) is not supported",
                hint: "use one of \(family), azure")
        }
        guard !settings.bucketName.isEmpty else { throw BackupError(.configuration, "bucketName is empty") }
        var configuration = S3Configuration(
            provider: provider,
            host: settings.address,
            port: settings.port,
            useTLS: settings.useSSL,
            region: settings.region,
            bucket: settings.bucketName,
            credentials: try credentials(settings.authentication, provider, region: settings.region, lookup))
        configuration.addressing = provider.addressing
        configuration.tls.caCertPath = settings.caCertPath
        configuration.stallTimeout = stallTimeout
        return S3ObjectStore(configuration, http: http)
    }

    private func makeGoogleStore(_ settings: StorageSettings) throws(BackupError) -> any ObjectStore {
        guard !settings.bucketName.isEmpty else { throw BackupError(.configuration, "bucketName is empty") }
        guard case .serviceAccount(let path) = settings.authentication else {
            throw BackupError(
                .unsupported, "provider gcpnative is supported with a service account only",
                hint: "use auth.type serviceAccount and auth.credentialsFile (v1: gcpCredentialJSON)")
        }
        var configuration = GoogleConfiguration(
            host: settings.address, port: settings.port, useTLS: settings.useSSL, location: settings.region,
            bucket: settings.bucketName, key: try ServiceAccountKey(file: path))
        configuration.tls.caCertPath = settings.caCertPath
        configuration.stallTimeout = stallTimeout
        return GoogleObjectStore(configuration, http: http)
    }

    private func makeAzureStore(
        _ settings: StorageSettings, _ lookup: AuthenticationLookup?
    ) throws(BackupError) -> any ObjectStore {
        guard !settings.bucketName.isEmpty else { throw BackupError(.configuration, "bucketName is empty") }
        let authorization: AzureAuthorization
        switch settings.authentication {
        case .sharedKey(let key):
            // A key that is none is said now and not by the first request.
            @Sendable func credentials(_ key: Secret) throws(BackupError) -> S3Credentials {
                _ = try AzureAccountKey(key)
                return S3Credentials(accountKey: key)
            }
            authorization = .sharedKey(
                configured(try credentials(key), lookup) { (found) throws(BackupError) in
                    guard case .sharedKey(let key) = found else { return nil }
                    return try credentials(key)
                })
        case .defaultChain: authorization = .tokens(azureTokens(http: http, environment: environment))
        case .staticKeys, .iam, .serviceAccount, .none:
            throw BackupError(
                .configuration, "this authentication does not go with provider azure",
                hint: "set auth.type to sharedKey or default")
        }
        var configuration = try AzureConfiguration(
            account: settings.accountName, host: settings.address, port: settings.port,
            container: settings.bucketName, authorization: authorization)
        configuration.tls.caCertPath = settings.caCertPath
        configuration.stallTimeout = stallTimeout
        return AzureObjectStore(configuration, http: http)
    }

    private func credentials(
        _ authentication: StorageAuthentication, _ provider: S3Provider, region: String,
        _ lookup: AuthenticationLookup?
    ) throws(BackupError) -> any CredentialsProvider {
        switch authentication {
        case .staticKeys(let accessKeyID, let secretAccessKey, let sessionToken):
            return configured(S3Credentials(accessKeyID, secretAccessKey, sessionToken), lookup) { found in
                guard case .staticKeys(let accessKeyID, let secretAccessKey, let sessionToken) = found else {
                    return nil
                }
                return S3Credentials(accessKeyID, secretAccessKey, sessionToken)
            }
        case .iam(let endpoint): return try chain(.iam, endpoint, provider, region)
        case .defaultChain: return try chain(.defaultChain, "", provider, region)
        case .sharedKey: throw unsupported(.sharedKey)
        case .serviceAccount: throw unsupported(.serviceAccount)
        case .none: throw BackupError(.configuration, "auth.type is missing")
        }
    }

    /// A key in the configuration, which is read again when the store refuses it.
    private func configured(
        _ credentials: S3Credentials, _ lookup: AuthenticationLookup?, _ read: @escaping ConfiguredCredentials.Reader
    ) -> any CredentialsProvider {
        guard let lookup else { return StaticCredentials(credentials) }
        return CredentialsChain(
            [ConfiguredCredentials(current: credentials, lookup: lookup, read: read, logger: logger)],
            current: TemporaryCredentials(credentials))
    }

    /// What this machine, container or user is given, without a key in the configuration. Only Amazon's two types differ.
    private func chain(
        _ type: AuthenticationType, _ endpoint: String, _ provider: S3Provider, _ region: String
    ) throws(BackupError) -> any CredentialsProvider {
        switch provider {
        case .minio, .s3, .aws:
            let written: [any CredentialsSource] = [
                EnvironmentCredentials(environment), SharedFileCredentials(environment),
            ]
            return CredentialsChain(
                (type == .defaultChain ? written : []) + [
                    WebIdentityCredentials(http: http, endpoint: endpoint, environment: environment),
                    ContainerCredentials(http: http, environment: environment),
                    InstanceCredentials.amazon(http: http, endpoint: endpoint, environment: environment),
                ])
        case .gcp:
            return CredentialsChain([
                GoogleMachineCredentials(http: http, endpoint: endpoint, environment: environment)
            ])
        case .aliyun:
            let sources: [(any CredentialsSource)?] = [
                AlibabaEnvironmentCredentials(environment),
                AlibabaWebIdentityCredentials(http: http, endpoint: endpoint, environment: environment),
                InstanceCredentials.alibaba(http: http, endpoint: endpoint, environment: environment),
                AlibabaURICredentials(http: http, environment: environment),
            ]
            return CredentialsChain(sources.compactMap(\.self))
        case .tencent:
            return CredentialsChain([
                TencentWebIdentityCredentials(http: http, endpoint: endpoint, environment: environment)
            ])
        case .hwc:
            return CredentialsChain([
                try HuaweiCredentials(http: http, endpoint: endpoint, region: region, environment: environment)
            ])
        }
    }

    private func unsupported(_ type: AuthenticationType) -> BackupError {
        BackupError(
            .unsupported, "the authentication type \(type.rawValue) is not supported with this provider",
            hint: "use an access key: auth.type static (v1: useIAM false)")
    }
}

/// The two stores of a configuration.
package struct StorePair: Sendable {
    /// `milvus.storage`.
    package let milvus: any ObjectStore
    /// `backup.storage`.
    package let backup: any ObjectStore

    package init(milvus: any ObjectStore, backup: any ObjectStore) {
        self.milvus = milvus
        self.backup = backup
    }

    /// - Throws: what ``StoreFactory/makeStore(_:lookup:)`` throws, with the section's name before it.
    package init(_ configuration: Configuration, factory: StoreFactory) throws(BackupError) {
        self.init(
            milvus: try StorePair.store(configuration, \.milvus.storage, "milvus.storage", factory),
            backup: try StorePair.store(configuration, \.backup.storage, "backup.storage", factory))
    }

    private static func store(
        _ configuration: Configuration, _ place: any KeyPath<Configuration, StorageSettings> & Sendable,
        _ section: String, _ factory: StoreFactory
    ) throws(BackupError) -> any ObjectStore {
        do throws(BackupError) {
            return try factory.makeStore(
                configuration[keyPath: place], lookup: configuration.authenticationLookup(place))
        } catch {
            throw error.prefixed(section)
        }
    }
}

extension StorageProvider {
    /// The provider as a member of the S3 family; nil for those that speak something else.
    fileprivate var family: S3Provider? {
        switch self {
        case .minio: .minio
        case .s3: .s3
        case .aws: .aws
        case .aliyun: .aliyun
        case .tencent: .tencent
        case .hwc: .hwc
        case .gcp: .gcp
        case .gcpnative, .azure, .local: nil
        }
    }
}

extension S3Provider {
    /// Some providers refuse a bucket in the path; for the others the host decides.
    fileprivate var addressing: S3Addressing {
        switch self {
        case .aliyun, .tencent, .hwc: .virtualHost
        case .minio, .s3, .aws, .gcp: .automatic
        }
    }
}
