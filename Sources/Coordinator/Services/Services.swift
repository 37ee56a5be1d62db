import Configuration
import ConfiguredStores
import ConfiguredWorker
import HTTP
import MilvusClient
import ObjectStorage
import ShardProtocol
import Support

/// What all jobs of this process work with.
struct Services: Sendable {
    let configuration: Configuration
    let logger: Logger
    let http: any HTTPClient
    let milvus: MilvusClient
    /// For everything but the copies; these retry.
    let stores: StorePair
    /// For the copies.
    let equipment: WorkerEquipment
    let metadata: MetadataStore

    /// Sends nothing.
    init(_ configuration: Configuration, logger: Logger) throws(BackupError) {
        self.configuration = configuration
        self.logger = logger
        let http = CurlHTTPClient()
        self.http = http
        milvus = MilvusClient(
            connection: MilvusConnection(configuration.milvus), http: http, logger: logger.labeled("milvus"),
            version: programVersion)
        let factory = StoreFactory(
            http: http, logger: logger.labeled("storage"), stallTimeout: configuration.transfer.stallTimeout)
        stores = try StorePair(configuration, factory: factory)
        equipment = try WorkerEquipment(
            configuration, concurrency: configuration.transfer.concurrency, http: http,
            logger: logger.labeled("worker"))
        metadata = MetadataStore(store: stores.backup, backupRoot: configuration.backup.storage.rootPath)
    }

    // MARK: Is everything there?

    /// The first words with a store: a wrong address is told after a second or two, and not after all the retries that a
    /// store deserves which has answered before.
    private static let firstContact = RetryPolicy(attempts: 4)

    /// Milvus' bucket must be there: it is the source of every backup and never made here.
    func checkMilvusBucket() async throws { try await check(.milvus, "milvus.storage", makesBucket: false) }

    /// - Parameter makesBucket: whether a bucket that is not there is made.
    func checkBackupBucket(makesBucket: Bool) async throws {
        try await check(.backup, "backup.storage", makesBucket: makesBucket)
    }

    private func check(_ storage: StorageID, _ section: String, makesBucket: Bool) async throws {
        do {
            do {
                try await look(at: storage)
            } catch let error as BackupError where error.code == .notFound && makesBucket {
                try await stores[storage].createBucketIfMissing()
                logger.info("bucket created", ["bucket": stores[storage].identity.bucket])
            }
        } catch {
            throw BackupError(wrapping: error).prefixed(section)
        }
    }

    /// Lists something, whatever it is.
    private func look(at storage: StorageID) async throws {
        func list(_ store: any ObjectStore) async throws {
            _ = try await store.list(prefix: "", delimiter: "/", continuation: nil, limit: 1)
        }
        do {
            try await withRetries(Services.firstContact) { try await list(equipment.stores[storage]) }
        } catch let error as BackupError where error.isRetryable && error.code != .unavailable {
            // It is there, and busy.
            try await list(stores[storage])
        }
    }
}

extension MilvusConnection {
    init(_ settings: MilvusSettings) {
        var tls = TLSSettings()
        tls.caCertPath = settings.grpc.caCertPath
        tls.serverName = settings.grpc.serverName
        tls.clientCertPath = settings.grpc.mtlsCertPath
        tls.clientKeyPath = settings.grpc.mtlsKeyPath
        let mode: TLSMode =
            switch settings.grpc.tlsMode {
            case .disabled: .disabled
            case .server: .server
            case .mutual: .mutual
            }
        self.init(
            address: settings.grpc.address, port: settings.grpc.port, user: settings.user, password: settings.password,
            tlsMode: mode, tls: tls)
    }
}
