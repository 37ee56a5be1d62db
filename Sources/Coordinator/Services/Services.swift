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
    /// Asked when a backup is to have what only etcd knows, and never else.
    let etcd: MilvusEtcd
    /// For everything but the copies; these retry.
    let stores: StorePair
    /// For the copies.
    let equipment: WorkerEquipment
    let metadata: MetadataStore
    /// The same for all that was made of one another.
    let limits: LimitSetting
    /// The same for all that was made of one another.
    private let contacts: FirstContacts

    /// Makes all of it as the configuration says. Sends nothing.
    ///
    /// - Parameters:
    ///   - http: one for the whole process.
    ///   - contacts: with the stores that are known already.
    init(
        _ configuration: Configuration, logger: Logger, http: any HTTPClient = CurlHTTPClient(),
        limits: LimitSetting? = nil, contacts: FirstContacts = FirstContacts()
    ) throws(BackupError) {
        let factory = StoreFactory(
            http: http, logger: logger.labeled("storage"), stallTimeout: configuration.transfer.stallTimeout,
            contacts: contacts)
        self.init(
            configuration, logger: logger, http: http, stores: try StorePair(configuration, factory: factory),
            equipment: try WorkerEquipment(
                configuration, concurrency: configuration.transfer.concurrency, http: http,
                logger: logger.labeled("worker")), limits: limits, contacts: contacts)
    }

    /// - Parameters:
    ///   - http: for Milvus.
    ///   - stores: these retry.
    init(
        _ configuration: Configuration, logger: Logger, http: any HTTPClient, stores: StorePair,
        equipment: WorkerEquipment, limits: LimitSetting? = nil, contacts: FirstContacts = FirstContacts()
    ) {
        self.configuration = configuration
        self.logger = logger
        self.http = http
        self.stores = stores
        self.equipment = equipment
        self.contacts = contacts
        self.limits = limits ?? LimitSetting(TransferLimits(configuration.transfer))
        milvus = MilvusClient(
            connection: MilvusConnection(configuration.milvus), http: http, logger: logger.labeled("milvus"),
            version: programVersion)
        etcd = MilvusEtcd(
            endpoints: configuration.milvus.etcd.endpoints, rootPath: configuration.milvus.etcd.rootPath, http: http)
        metadata = MetadataStore(store: stores.backup, backupRoot: configuration.backup.storage.keyRoot)
    }

    // MARK: Of another configuration

    /// Where backups lie, as configurations and requests say it: a prefix, or a directory.
    var backupRoot: String { configuration.backup.storage.rootPath }

    /// The same with another bucket or root for backups. What is nil or empty stays.
    func replacing(backupRoot: String?, bucket: String? = nil) throws -> Services {
        guard backupRoot?.isEmpty == false || bucket?.isEmpty == false else { return self }
        if let backupRoot, !backupRoot.isEmpty { try configuration.checkDirectory(backupRoot) }
        return try changed { configuration in
            if let backupRoot, !backupRoot.isEmpty { configuration.backup.storage.rootPath = backupRoot }
            if let bucket, !bucket.isEmpty { configuration.backup.storage.bucketName = bucket }
        }
    }

    func changed(_ change: (inout Configuration) -> Void) throws -> Services {
        var configuration = configuration
        change(&configuration)
        return try Services(configuration, logger: logger, http: http, limits: limits, contacts: contacts)
    }

    // MARK: Is everything there?

    /// Milvus' bucket must be there: it is the source of every backup and never made here.
    func checkMilvusBucket() async throws { try await check(.milvus, "milvus.storage", makesBucket: false) }

    /// - Parameter makesBucket: whether a bucket that is not there is made.
    func checkBackupBucket(makesBucket: Bool) async throws {
        try await check(.backup, "backup.storage", makesBucket: makesBucket)
    }

    private func check(_ storage: StorageID, _ section: String, makesBucket: Bool) async throws {
        do {
            do {
                _ = try await stores[storage].list(prefix: "", delimiter: "/", continuation: nil, limit: 1)
            } catch let error as BackupError where error.code == .notFound && makesBucket {
                try await stores[storage].createBucketIfMissing()
                logger.info("bucket created", ["bucket": stores[storage].identity.bucket])
            }
        } catch {
            throw BackupError(wrapping: error).prefixed(section)
        }
    }
}

extension Configuration {
    /// In a bucket a request may name any root; on this host's disk only those that its owner has named.
    ///
    /// - Throws: `permissionDenied` for another directory than those of the backups and what is below them.
    fileprivate func checkDirectory(_ root: String) throws(BackupError) {
        guard backup.storage.provider == .local else { return }
        let allowed = [backup.storage.rootPath] + agent.allowedRoots.map(\.bucket)
        let isAllowed = allowed.contains { root == $0 || root.utf8.starts(with: "\($0)/".utf8) }
        guard isAllowed, !root.split(separator: "/").contains("..") else {
            throw BackupError(
                .permissionDenied,
                "the directory \"\(root.escapingControlCharacters)\" is not below backup.storage.rootPath",
                hint: "list it in agent.allowedRoots of this program's configuration")
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
