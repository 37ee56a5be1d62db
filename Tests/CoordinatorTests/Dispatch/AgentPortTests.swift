import Configuration
import ConfiguredStores
import ConfiguredWorker
import CopyWorker
import ObjectStorage
import ObjectStorageTesting
import ShardProtocol
import ShardTransport
import Support
import Synchronization
import Testing

@testable import Coordinator

/// The port for agents, over real connections on this machine.
@Suite(.timeLimit(.minutes(1))) struct AgentPortTests {
    private static let token = "a-token-of-the-test"

    private static func bench(token: String = AgentPortTests.token) -> ServiceBench {
        ServiceBench { $0.coordinator.token = Secret(token) }
    }

    private func open(
        _ bench: ServiceBench, host: String = "127.0.0.1"
    ) async throws -> (port: AgentPort, dispatcher: Dispatcher) {
        let dispatcher = Dispatcher(logger: bench.services.logger)
        let port = try await AgentPort.open(
            HostPort(host: host, port: 0), dispatcher: dispatcher, services: bench.services)
        return (port, dispatcher)
    }

    /// Dials as an agent with this configuration would, and is accepted or not.
    private func join(
        _ port: AgentPort, _ bench: ServiceBench, token: String = AgentPortTests.token,
        _ adjust: (inout Configuration) -> Void = { _ in }
    ) async throws -> (CopyWorker, AgentChannel) {
        var configuration = bench.configuration
        adjust(&configuration)
        let equipment = WorkerEquipment(
            configuration, concurrency: 4,
            stores: StorePair(milvus: bench.milvusStore, backup: bench.backupStore),
            allowed: Dictionary(
                uniqueKeysWithValues: configuration.agent.allowedRoots.map {
                    (BackupPlace(bucket: $0.bucket, root: $0.root), bench.backupStore as any ObjectStore)
                }), logger: .silent)
        let channel = try await dialCoordinator(port.address)
        let identity = try AgentIdentity(
            name: "agent", capacity: 2, stores: equipment.descriptions, allowedRoots: equipment.allowedRoots)
        let accepted = try await agentHandshake(over: channel, identity: identity, token: Secret(token)) {
            await equipment.answer($0, at: $1)
        }
        #expect(accepted.heartbeatMilliseconds == 5000 && accepted.leaseMilliseconds == 30_000)
        return (
            equipment.makeWorker(channel: channel, limits: WorkerLimits(concurrency: 4), heartbeat: .seconds(5)),
            channel
        )
    }

    private func shard(_ bench: ServiceBench) -> Shard {
        bench.milvusStore.set("files/x/1", [1, 2, 3])
        return Shard(
            id: 0, source: .milvus, destination: .backup, sourcePrefix: "files/x/",
            destinationPrefix: "backup/nightly/", mode: .auto, tasks: [CopyTask(source: "1", size: 3)])
    }

    @Test func anAgentWithTheTokenWorksAndTheProbesGo() async throws {
        let bench = Self.bench()
        let (port, dispatcher) = try await open(bench)
        await dispatcher.begin(job: "j", backupName: "nightly")
        let (worker, _) = try await join(port, bench)
        // One for each store, below its root.
        #expect(bench.milvusStore.keys.map { $0.hasPrefix("files/milvus_backup_probe_") } == [true])
        #expect(bench.backupStore.keys.map { $0.hasPrefix("backup/milvus_backup_probe_") } == [true])
        let working = Task { await worker.run() }
        try await dispatcher.copy([shard(bench)], job: "j", lane: 1)
        await dispatcher.end(job: "j")
        await port.close()
        #expect(await working.value.ending == .finished)
        #expect(bench.backupStore.bytes("backup/nightly/1") == [1, 2, 3])
        #expect(bench.milvusStore.keys == ["files/x/1"] && bench.backupStore.keys == ["backup/nightly/1"])
    }

    @Test func withoutATokenALoopbackAddressIsFine() async throws {
        let bench = Self.bench(token: "")
        let (port, dispatcher) = try await open(bench)
        let (worker, _) = try await join(port, bench, token: "")
        let working = Task { await worker.run() }
        try await eventually { await dispatcher.workerCount == 1 }
        await port.close()
        #expect(await working.value.ending == .finished)
    }

    @Test func withoutATokenNobodyElseCanDialIn() async throws {
        for host in ["0.0.0.0", "", "10.1.2.3", "backup.example"] {
            let error = await #expect(throws: BackupError.self) { try await open(Self.bench(token: ""), host: host) }
            #expect(error?.code == .configuration && error?.message.contains("there is no token") == true)
        }
    }

    @Test func aTokenThatIsTooShortIsRefused() async throws {
        let error = await #expect(throws: BackupError.self) { try await open(Self.bench(token: "short")) }
        #expect(error?.code == .configuration)
    }

    @Test func aWrongTokenIsRefused() async throws {
        let bench = Self.bench()
        let (port, dispatcher) = try await open(bench)
        let error = await #expect(throws: BackupError.self) {
            _ = try await join(port, bench, token: "quite-another-token")
        }
        #expect(error?.message.contains("token") == true && error?.isRetryable == false)
        try await eventually { bench.hasLogged("agent refused") }
        #expect(await dispatcher.workerCount == 0)
        // Who cannot prove himself makes us write nothing.
        #expect(bench.milvusStore.keys.isEmpty && bench.backupStore.keys.isEmpty)
        await port.close()
    }

    @Test func anotherBucketIsRefusedWithBothNamed() async throws {
        let bench = Self.bench()
        let (port, dispatcher) = try await open(bench)
        let error = await #expect(throws: BackupError.self) {
            _ = try await join(port, bench) { $0.backup.storage.bucketName = "elsewhere" }
        }
        #expect(error?.message.contains("\"elsewhere\"") == true && error?.message.contains("\"backup\"") == true)
        #expect(error?.isRetryable == false)
        #expect(await dispatcher.workerCount == 0)
        await port.close()
    }

    @Test func storesOfTheSameNameWithOtherContentAreRefused() async throws {
        let bench = Self.bench()
        let (port, dispatcher) = try await open(bench)
        let equipment = WorkerEquipment(
            bench.configuration, concurrency: 4,
            stores: StorePair(milvus: bench.milvusStore, backup: MemoryObjectStore(bucket: "backup")),
            logger: .silent)
        let identity = try AgentIdentity(name: "lost", capacity: 2, stores: equipment.descriptions)
        let error = await #expect(throws: BackupError.self) {
            let channel = try await dialCoordinator(port.address)
            _ = try await agentHandshake(over: channel, identity: identity, token: Secret(Self.token)) {
                await equipment.answer($0, at: $1)
            }
        }
        #expect(error?.message.contains("backup") == true)
        #expect(await dispatcher.workerCount == 0)
        await port.close()
        #expect(bench.milvusStore.keys.isEmpty && bench.backupStore.keys.isEmpty)
    }

    @Test func whereNothingMayBeWrittenTheListingIsCompared() async throws {
        let bench = Self.bench()
        bench.milvusStore.set("files/a", [1])
        bench.milvusStore.faults.before = { call in
            if call.operation == .put { throw BackupError(.permissionDenied, "read only") }
        }
        let (port, dispatcher) = try await open(bench)
        let (worker, _) = try await join(port, bench)
        let working = Task { await worker.run() }
        try await eventually { await dispatcher.workerCount == 1 }
        await port.close()
        _ = await working.value
        #expect(bench.milvusStore.keys == ["files/a"] && bench.backupStore.keys.isEmpty)
        #expect(bench.milvusStore.counts.count(.delete) == 0)
    }

    /// An agent that is configured for another root works for this coordinator when it allows its root, and is told of it.
    @Test func anAgentOfAnotherRootMayAllowTheCoordinators() async throws {
        let bench = Self.bench()
        let (port, dispatcher) = try await open(bench)
        await dispatcher.begin(job: "j", backupName: "nightly")
        let refusal = await #expect(throws: BackupError.self) {
            _ = try await join(port, bench) { $0.backup.storage.rootPath = "other" }
        }
        #expect(refusal?.message.contains("\"other\"") == true)
        let (worker, _) = try await join(port, bench) { configuration in
            configuration.agent.allowedRoots = [
                BucketRoot("\(configuration.backup.storage.bucketName)/\(configuration.backup.storage.rootPath)")!
            ]
            configuration.backup.storage.rootPath = "other"
        }
        let working = Task { await worker.run() }
        try await dispatcher.copy([shard(bench)], job: "j", lane: 1)
        await dispatcher.end(job: "j")
        await port.close()
        #expect(await working.value.totals.shardsCompleted == 1)
        #expect(bench.backupStore.bytes("backup/nightly/1") == [1, 2, 3])
    }

    @Test func manyAgentsShareTheProbes() async throws {
        let bench = Self.bench()
        let (port, dispatcher) = try await open(bench)
        try await forEachInParallel(0..<8, limit: 8) { _ in
            let (worker, _) = try await join(port, bench)
            Task { await worker.run() }
        }
        try await eventually { await dispatcher.workerCount == 8 }
        #expect(bench.milvusStore.counts.count(.put) == 1 && bench.backupStore.counts.count(.put) == 1)
        await port.close()
        #expect(await dispatcher.workerCount == 0)
    }

    @Test func aProbeThatCannotBeWrittenLeavesTheOtherNotBehind() async throws {
        let bench = Self.bench()
        let isBroken = Mutex(true)
        bench.backupStore.faults.before = { call in
            guard call.operation == .put, isBroken.withLock({ $0 }) else { return }
            // The other one is there by now.
            try await eventually { !bench.milvusStore.keys.isEmpty }
            throw BackupError(.unavailable, "the store is down", isRetryable: true)
        }
        let (port, _) = try await open(bench)
        let error = await #expect(throws: BackupError.self) { _ = try await join(port, bench) }
        #expect(error?.message.contains("the store is down") == true || error?.isRetryable == true)
        // The next one tries again.
        isBroken.withLock { $0 = false }
        let (worker, _) = try await join(port, bench)
        let working = Task { await worker.run() }
        await port.close()
        _ = await working.value
        #expect(bench.milvusStore.keys.isEmpty && bench.backupStore.keys.isEmpty)
    }

    @Test func aTakenPortIsSaid() async throws {
        let bench = Self.bench()
        let (port, _) = try await open(bench)
        let error = await #expect(throws: BackupError.self) {
            _ = try await AgentPort.open(
                HostPort(host: "127.0.0.1", port: Int(port.address.port)),
                dispatcher: Dispatcher(logger: .silent), services: bench.services)
        }
        #expect(error?.code == .unavailable && error?.message.contains("\(port.address.port)") == true)
        await port.close()
    }
}
