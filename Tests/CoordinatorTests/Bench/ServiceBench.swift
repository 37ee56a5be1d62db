import Configuration
import ConfiguredStores
import ConfiguredWorker
import HTTP
import ObjectStorage
import ObjectStorageTesting
import Support

@testable import Coordinator

/// Two stores in memory with everything a job needs around them, and a Milvus that says what the test wants.
struct ServiceBench: Sendable {
    let milvusStore: MemoryObjectStore
    let backupStore: MemoryObjectStore
    let log = MemorySink()
    let services: Services
    let configuration: Configuration

    /// - Parameter oneStore: what both storage ids are, when they are one bucket.
    init(
        milvus: any HTTPClient = SilentHTTP(), oneStore: MemoryObjectStore? = nil, hasBackupBucket: Bool = true,
        limits: StoreLimits = StoreLimits(), _ adjust: (inout Configuration) -> Void = { _ in }
    ) {
        milvusStore = oneStore ?? MemoryObjectStore(bucket: "milvus", limits: limits)
        backupStore = oneStore ?? MemoryObjectStore(bucket: "backup", limits: limits, createsBucket: hasBackupBucket)
        var configuration = Configuration()
        configuration.milvus.storage.bucketName = "milvus"
        configuration.backup.storage.bucketName = oneStore == nil ? "backup" : "milvus"
        configuration.backup.pauseGC = false
        adjust(&configuration)
        self.configuration = configuration
        let logger = Logger(label: "test", level: .debug, sinks: [log])
        let stores = StorePair(milvus: milvusStore, backup: backupStore)
        services = Services(
            configuration, logger: logger, http: milvus, stores: stores,
            equipment: WorkerEquipment(configuration, concurrency: 8, stores: stores, logger: logger))
    }

    /// What a job would be given.
    func context(id: String = "job", workforce: Workforce.Plan = .init()) -> JobContext {
        JobContext(id: id, services: services, timer: PhaseTimer(), workforce: .own(workforce))
    }

    func hasLogged(_ text: String) -> Bool { log.lines.contains { $0.contains(text) } }
}

/// Nobody is to be asked.
struct SilentHTTP: HTTPClient {
    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        throw BackupError(.internalError, "the test did not expect \(request.url)")
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        throw BackupError(.internalError, "the test did not expect \(request.url)")
    }
}
