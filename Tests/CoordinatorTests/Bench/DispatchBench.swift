import CopyWorker
import ObjectStorage
import ObjectStorageTesting
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support
import Testing

@testable import Coordinator

/// A dispatcher between two stores in memory, with workers at the other ends of channels inside the process.
struct DispatchBench: Sendable {
    let source = MemoryObjectStore(bucket: "a")
    let destination = MemoryObjectStore(bucket: "b")
    let log = MemorySink()
    let limits = LimitSetting()
    let dispatcher: Dispatcher

    /// - Parameter lease: an hour, so that nothing runs out by itself however slow the machine is.
    init(
        lease: Duration = .seconds(3600), maximumFailures: Int = 3, takeoverDelay: Duration = .seconds(3600),
        window: Int = 32
    ) {
        var settings = Dispatcher.Settings()
        settings.policy = SchedulingPolicy(
            leaseDuration: lease, maximumFailures: maximumFailures, takeoverDelay: takeoverDelay)
        settings.window = window
        settings.limits = limits
        dispatcher = Dispatcher(settings: settings, logger: Logger(label: "dispatch", level: .debug, sinks: [log]))
    }

    // MARK: Shards

    /// Puts the objects of a shard into the source.
    func shard(_ name: String, objects: Int = 3) -> Shard {
        let tasks = (0..<objects).map { index in
            let bytes = Array("\(name)/\(index)".utf8)
            source.set("files/\(name)/\(index)", bytes)
            return CopyTask(source: "\(index)", size: Int64(bytes.count))
        }
        return Shard(
            id: 0, source: .milvus, destination: .backup, sourcePrefix: "files/\(name)/",
            destinationPrefix: "backup/nightly/\(name)/", mode: .streaming, tasks: tasks)
    }

    func shards(_ count: Int, of name: String = "s", objects: Int = 3) -> [Shard] {
        (0..<count).map { shard("\(name)\($0)", objects: objects) }
    }

    /// Whether every object of these shards has arrived as it was.
    func hasArrived(_ shards: [Shard]) -> Bool {
        shards.allSatisfy { shard in
            shard.tasks.allSatisfy { task in
                let copied = destination.bytes(shard.destinationKey(of: task))
                return copied != nil && copied == source.bytes(shard.sourceKey(of: task))
            }
        }
    }

    // MARK: Workers

    /// Lets a real worker work until the dispatcher sends it home.
    @discardableResult
    func startWorker(_ name: String, instance: String? = nil, capacity: Int = 2) async throws -> StartedWorker {
        let (inner, outer) = InProcessChannel<AgentMessage, CoordinatorMessage>.pair()
        var options = CopyOptions()
        options.retry = RetryPolicy(attempts: 1)
        let worker = CopyWorker(
            channel: inner, stores: [.milvus: source, .backup: destination],
            roots: StorageRoots(milvus: "files", backup: "backup"),
            limits: WorkerLimits(capacity: capacity, concurrency: 4), heartbeat: .milliseconds(20),
            copier: ObjectCopier(options: options, logger: .silent), logger: .silent)
        let working = Task { await worker.run() }
        return StartedWorker(
            worker: worker, working: working, channel: inner,
            serving: try await serve(outer, name, instance ?? name, capacity))
    }

    /// A worker that does what the test says.
    func startScripted(
        _ name: String, instance: String? = nil, capacity: Int = 4, messages: Int = 64,
        reach: WorkerReach = .configured
    ) async throws -> ScriptedWorker {
        let (inner, outer) = InProcessChannel<AgentMessage, CoordinatorMessage>.pair(capacity: messages)
        return ScriptedWorker(
            channel: inner, serving: try await serve(outer, name, instance ?? name, capacity, reach))
    }

    private func serve(
        _ channel: CoordinatorChannel, _ name: String, _ instance: String, _ capacity: Int,
        _ reach: WorkerReach = .configured
    ) async throws -> Task<Void, Never> {
        let joined = countJoined
        let serving = Task {
            await dispatcher.serve(channel, name: name, instance: instance, capacity: capacity, reach: reach)
        }
        try await eventually { countJoined > joined }
        return serving
    }

    private var countJoined: Int { log.lines.count { $0.contains("agent joined") } }
    func hasLogged(_ text: String) -> Bool { log.lines.contains { $0.contains(text) } }
}

struct StartedWorker: Sendable {
    let worker: CopyWorker
    let working: Task<WorkerSummary, Never>
    let channel: AgentChannel
    let serving: Task<Void, Never>
}

/// The agent's end of a connection in the hands of a test.
struct ScriptedWorker: Sendable {
    let channel: AgentChannel
    let serving: Task<Void, Never>

    func pull(_ count: Int = 1) async throws { try await channel.send(.pull(Pull(shards: count))) }

    /// The next shard that comes.
    func assignment() async throws -> Assignment {
        while let message = try await channel.receive() {
            if case .assignment(let assignment) = message { return assignment }
        }
        throw BackupError(.unavailable, "no assignment came, and the connection has ended")
    }

    /// The next message of any kind.
    func next() async throws -> CoordinatorMessage? { try await channel.receive() }

    /// Says that a shard is done, without having done anything.
    func complete(_ assignment: Assignment) async throws {
        let results = assignment.shard.tasks.indices.map { TaskResult(index: $0, copiedByStore: false) }
        try await channel.send(
            .completed(ShardCompletion(lease: assignment.lease, results: results, bytes: assignment.shard.bytes)))
    }

    func fail(_ assignment: Assignment, _ message: String, isRetryable: Bool = true) async throws {
        try await channel.send(
            .failed(
                ShardFailure(
                    lease: assignment.lease, key: assignment.shard.sourceKey(of: assignment.shard.tasks[0]),
                    message: message, code: "unavailable", isRetryable: isRetryable)))
    }

    func beat(_ assignments: [Assignment], bytes: Int64 = 1, objects: Int = 0) async throws {
        let leases = assignments.map { Heartbeat.Progress(lease: $0.lease, bytes: bytes, objects: objects) }
        try await channel.send(.heartbeat(Heartbeat(leases: leases)))
    }
}
