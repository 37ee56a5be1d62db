import BackupFormat
import Configuration
import ConfiguredStores
import MilvusClient
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support

/// What one backup or restore works with.
struct JobContext: Sendable {
    /// Names the job in leases, and becomes the id of what it makes.
    let id: String
    let services: Services
    let timer: PhaseTimer
    let workforce: Workforce
    /// Shows the job to others.
    var monitor = JobMonitor()
    let listing = SegmentListing()
    /// Where the live progress goes; nil where standard error is no terminal.
    var liveLine: LiveLine?
    /// Whether every agent is shown by itself.
    var isVerbose = false

    var configuration: Configuration { services.configuration }
    var milvus: MilvusClient { services.milvus }
    var stores: (milvus: any ObjectStore, backup: any ObjectStore) { (services.stores.milvus, services.stores.backup) }
    var logger: Logger { services.logger }

    /// How bytes get from one store to the other: decided here for all agents, whose endpoints may be others. `auto` when the
    /// stores are one backend.
    var transferMode: TransferMode {
        switch configuration.transfer.mode {
        case .auto: stores.milvus.identity.isSameBackend(as: stores.backup.identity) ? .auto : .streaming
        case .direct: .direct
        case .streaming: .streaming
        }
    }

    var shardLimits: ShardLimits {
        ShardLimits(
            bytes: configuration.backup.shard.maximumSize, tasks: configuration.backup.shard.maximumObjects,
            largeObject: largeObject ?? .max, partBytes: configuration.transfer.partSize)
    }

    /// From which size on agents copy an object together; nil where that gains nothing: the process that copies alone has
    /// parts in flight as well.
    private var largeObject: Int64? {
        guard workforce.hasAgents, let threshold = configuration.transfer.largeObjectThreshold else { return nil }
        // Where the store copies, one request is all it takes below the other threshold.
        return transferMode != .streaming ? max(threshold, configuration.transfer.multipartCopyThreshold) : threshold
    }

    /// Ends what a job that has failed leaves of uploads in parts, when its workers are gone: one that was in the middle of a
    /// part may have brought back what the job had ended. What cannot be ended is told; `delete` and `--resume` end it, too.
    func endUploads(below prefix: String, in store: any ObjectStore) async {
        do {
            try await withGrace(.seconds(3)) { try await store.abortUploads(below: prefix) }
        } catch {
            logger.warn(
                "uploads in parts may be left behind", ["below": prefix, "error": BackupError(wrapping: error)])
        }
    }

    /// Connects to Milvus and to both stores, all at once; the first thing that is wrong is thrown.
    func connect(makesBackupBucket: Bool) async throws -> ServerInfo {
        try await timer.measure(.connect) {
            async let server = timer.measureMilvus(.connect) { try await milvus.connect() }
            async let source: Void = services.checkMilvusBucket()
            async let destination: Void = services.checkBackupBucket(makesBucket: makesBackupBucket)
            let info = try await server
            try await source
            try await destination
            return info
        }
    }

    /// Runs `body` with workers at the job's dispatcher, and shows its progress.
    func withWorkers<Result: Sendable>(
        backupName: String, _ body: @escaping @Sendable (Dispatcher) async throws -> Result
    ) async throws -> JobOutcome<Result> {
        try await workforce.run(job: id, services: services, timer: timer) { dispatcher in
            await dispatcher.begin(job: id, backupName: backupName, at: workforce.place)
            let display = ProgressDisplay(liveLine: liveLine, logger: logger)
            do {
                let result = try await display.show({ await snapshot(dispatcher) }) { try await body(dispatcher) }
                let shares = await dispatcher.shares(of: id)
                await dispatcher.end(job: id)
                return JobOutcome(result: result, shares: shares)
            } catch {
                await dispatcher.end(job: id)
                throw error
            }
        }
    }

    private func snapshot(_ dispatcher: Dispatcher) async -> ProgressSnapshot {
        let (announced, progress) = await dispatcher.progress(of: id)
        var snapshot = ProgressSnapshot()
        snapshot.phase = timer.active.map(\.rawValue).joined(separator: ", ")
        snapshot.shardsDone = progress.done.shards
        snapshot.shardsTotal = max(announced.shards, progress.planned.shards)
        let done = progress.done + progress.inFlight
        snapshot.objectsDone = done.objects
        snapshot.objectsTotal = max(announced.objects, progress.planned.objects)
        snapshot.bytesDone = done.bytes
        snapshot.bytesTotal = max(announced.bytes, progress.planned.bytes)
        if workforce.hasAgents { snapshot.agents = await dispatcher.workerCount(for: id, at: workforce.place) }
        if isVerbose {
            snapshot.shares = await dispatcher.shares(of: id).filter(\.isConnected).map { share in
                (share.agent.description, (share.done + share.inFlight).bytes)
            }
        }
        return snapshot
    }
}

/// What a job has made, and who has copied how much for it.
struct JobOutcome<Result: Sendable>: Sendable {
    var result: Result
    var shares: [AgentProgress]
}
