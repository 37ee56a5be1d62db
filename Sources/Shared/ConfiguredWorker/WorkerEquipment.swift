import Configuration
import ConfiguredStores
import CopyWorker
import HTTP
import ObjectStorage
import ShardProtocol
import ShardTransport
import Support
import WireHTTP

/// What a copying process needs of its configuration, the same for an agent and for a coordinator that copies by itself.
package struct WorkerEquipment: Sendable {
    /// Without retries of their own, since the copier retries.
    package let stores: StorePair
    package let roots: StorageRoots
    /// What the handshake compares.
    package let descriptions: [StoreDescription]
    /// Where else backups may lie, by this host's own configuration.
    package let allowedRoots: [BackupPlace]
    /// By the place of backups: the configured one and those that are allowed.
    private let backupStores: [BackupPlace: any ObjectStore]
    /// One for the whole process.
    package let copier: ObjectCopier
    private let ownBounds: TransferLimits
    private let logger: Logger

    /// - Parameter concurrency: objects in flight.
    /// - Throws: what ``ConfiguredStores/StorePair`` throws for a store that cannot be spoken to.
    package init(
        _ configuration: Configuration, concurrency: Int, http: any HTTPClient, logger: Logger
    ) throws(BackupError) {
        // Both stores through one client, which joins their requests; what it cannot do it leaves to `http`.
        let usesFastPath = configuration.transfer.fastPath != .off
        let factory = StoreFactory(
            http: usesFastPath
                ? WireHTTPClient(fallback: http, maximumConnectionsPerHost: max(256, concurrency)) : http,
            logger: logger,
            stallTimeout: configuration.transfer.stallTimeout, retryPolicy: nil)
        var allowed: [BackupPlace: any ObjectStore] = [:]
        for place in configuration.agent.allowedRoots {
            let settings = configuration.backup.storage.moved(to: place)
            allowed[BackupPlace(settings)] = try factory.makeStore(
                settings, lookup: configuration.authenticationLookup(\.backup.storage))
        }
        self.init(
            configuration, concurrency: concurrency, stores: try StorePair(configuration, factory: factory),
            allowed: allowed, logger: logger)
    }

    /// - Parameters:
    ///   - stores: without retries of their own.
    ///   - allowed: where else backups may lie, and the store of each.
    package init(
        _ configuration: Configuration, concurrency: Int, stores: StorePair,
        allowed: [BackupPlace: any ObjectStore] = [:], logger: Logger
    ) {
        let transfer = configuration.transfer
        self.stores = stores
        allowedRoots = allowed.keys.sorted { ($0.bucket, $0.root) < ($1.bucket, $1.root) }
        roots = StorageRoots(
            milvus: configuration.milvus.storage.keyRoot, backup: configuration.backup.storage.keyRoot)
        descriptions = [
            StoreDescription(.milvus, configuration.milvus.storage),
            StoreDescription(.backup, configuration.backup.storage),
        ]
        let home = BackupPlace(configuration.backup.storage)
        backupStores = allowed.merging([home: stores.backup]) { _, own in own }
        var options = CopyOptions()
        options.multipartCopyThreshold = transfer.multipartCopyThreshold
        options.multipartStreamThreshold = transfer.multipartStreamThreshold
        options.streamPartSize = transfer.partSize
        options.maximumStoreCopies = max(1, concurrency)
        options.maximumStreams = max(1, min(options.maximumStreams, concurrency))
        options.minimumRequests = min(options.maximumStoreCopies, transfer.minimumConcurrency)
        options.fastPath = FastPath(rawValue: transfer.fastPath.rawValue) ?? .auto
        options.stallTimeout = transfer.stallTimeout
        ownBounds = TransferLimits(transfer)
        copier = ObjectCopier(options: options, logger: logger)
        self.logger = logger
    }

    /// A worker for one connection whose handshake is over.
    package func makeWorker(channel: AgentChannel, limits: WorkerLimits, heartbeat: Duration) -> CopyWorker {
        CopyWorker(
            channel: channel, stores: [.milvus: stores.milvus, .backup: stores.backup], roots: roots,
            places: backupStores, limits: limits, ownBounds: ownBounds, heartbeat: heartbeat, copier: copier,
            logger: logger)
    }

    /// Reads what a probe of the coordinator asks for.
    ///
    /// - Parameter place: where the coordinator's backups lie; nil for the configured place.
    package func answer(_ probe: Probes.Probe, at place: BackupPlace? = nil) async -> ProbeAnswers.Answer {
        guard probe.storage == .backup, let index = place.flatMap({ backupStores.index(forKey: $0) }) else {
            return await StoreProbe.answer(probe, store: stores[probe.storage], root: roots[probe.storage])
        }
        let (own, store) = backupStores[index]
        return await StoreProbe.answer(probe, store: store, root: own.root)
    }
}

extension TransferLimits {
    package init(_ settings: TransferSettings) {
        self.init(bandwidth: settings.bandwidth, requestsPerSecond: settings.requestsPerSecond.map(Double.init))
    }
}

extension StorePair {
    package subscript(_ storage: StorageID) -> any ObjectStore {
        switch storage {
        case .milvus: milvus
        case .backup: backup
        }
    }
}

extension StoreDescription {
    fileprivate init(_ storage: StorageID, _ settings: StorageSettings) {
        self.init(
            storage: storage, provider: settings.provider.rawValue, bucket: settings.container, root: settings.keyRoot)
    }
}

extension BackupPlace {
    fileprivate init(_ settings: StorageSettings) { self.init(bucket: settings.container, root: settings.keyRoot) }
}
