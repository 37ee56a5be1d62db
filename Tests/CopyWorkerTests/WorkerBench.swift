import CopyWorker
import ObjectStorage
import ObjectStorageTesting
import ShardProtocol
import ShardTransport
import Support
import Synchronization
import Testing

/// One end of a connection inside a test; unbounded.
final class TestChannel<Outgoing: Sendable, Incoming: Sendable>: MessageChannel {
    let peer = "the test"
    private let output: AsyncStream<Outgoing>.Continuation
    private let input: AsyncStream<Incoming>
    private let closeInput: @Sendable () -> Void
    private let failure = Mutex<BackupError?>(nil)

    init(
        output: AsyncStream<Outgoing>.Continuation, input: AsyncStream<Incoming>,
        closeInput: @escaping @Sendable () -> Void
    ) {
        self.output = output
        self.input = input
        self.closeInput = closeInput
    }

    func send(_ message: Outgoing) async throws {
        if let failure = failure.withLock({ $0 }) { throw failure }
        if case .terminated = output.yield(message) { throw BackupError(.unavailable, "closed", isRetryable: true) }
    }

    func receive() async throws -> Incoming? {
        for await message in input { return message }
        if let failure = failure.withLock({ $0 }) { throw failure }
        return nil
    }

    func close() {
        output.finish()
        closeInput()
    }

    /// The connection breaks.
    func breakOff() {
        failure.withLock { $0 = BackupError(.unavailable, "connection reset", isRetryable: true) }
        closeInput()
    }
}

/// A worker between two stores, and the coordinator's end of its connection in the hands of the test.
struct WorkerBench {
    let milvus = MemoryObjectStore(bucket: "a")
    let backup: MemoryObjectStore
    let worker: CopyWorker
    let workerEnd: TestChannel<AgentMessage, CoordinatorMessage>
    let coordinator: TestChannel<CoordinatorMessage, AgentMessage>
    let clock = ManualClock()
    let log = MemorySink()

    init(capacity: Int = 4, concurrency: Int = 4, sharesBackend: Bool = false) {
        backup = MemoryObjectStore(bucket: "b", backend: sharesBackend ? milvus.backend : MemoryBackend())
        let (up, toCoordinator) = AsyncStream.makeStream(of: AgentMessage.self)
        let (down, toAgent) = AsyncStream.makeStream(of: CoordinatorMessage.self)
        workerEnd = TestChannel(output: toCoordinator, input: down) { toAgent.finish() }
        coordinator = TestChannel(output: toAgent, input: up) { toCoordinator.finish() }
        var options = CopyOptions()
        options.retry = RetryPolicy(attempts: 2, initialDelay: .zero, maximumDelay: .zero)
        let logger = Logger(label: "worker", level: .debug, sinks: [log])
        worker = CopyWorker(
            channel: workerEnd, stores: [.milvus: milvus, .backup: backup],
            roots: StorageRoots(milvus: "files", backup: "backup"),
            limits: WorkerLimits(capacity: capacity, concurrency: concurrency), heartbeat: .seconds(5),
            copier: ObjectCopier(options: options, logger: logger), clock: clock, logger: logger)
    }

    /// Puts the objects of a shard into the source, and says how they are to be copied.
    func assignment(_ shard: Int, epoch: Int = 1, objects: Int, mode: TransferMode = .auto, sameBackend: Bool? = nil)
        -> Assignment
    {
        let tasks = (0..<objects).map { index in
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: shard + index), count: 100 + index)
            milvus.set("files/log/\(shard)/\(index)", bytes)
            return CopyTask(source: "\(shard)/\(index)", size: Int64(bytes.count))
        }
        return Assignment(
            lease: Lease(job: "j", shard: shard, epoch: epoch), backupName: "nightly",
            shard: Shard(
                id: shard, source: .milvus, destination: .backup, sourcePrefix: "files/log/",
                destinationPrefix: "backup/nightly/binlogs/", mode: mode, sameBackend: sameBackend,
                tasks: tasks))
    }

    /// The next message that is no wish for work.
    func next() async throws -> AgentMessage? {
        while let message = try await coordinator.receive() {
            if case .pull = message { continue }
            return message
        }
        return nil
    }

    /// All messages until the worker closes, wishes for work left out.
    func rest() async throws -> [AgentMessage] {
        var messages: [AgentMessage] = []
        while let message = try await next() { messages.append(message) }
        return messages
    }

    /// Makes writes hang until they are cancelled.
    func hangWrites(_ condition: @escaping @Sendable (String) -> Bool = { _ in true }) {
        backup.faults.before = { call in
            if call.operation == .put, condition(call.key) { try await Task.sleep(for: .seconds(3600)) }
        }
    }

    /// Lets the time pass, five seconds again and again.
    func keepTicking() -> Task<Void, any Error> {
        let clock = clock
        return Task {
            while true {
                clock.advance(by: .seconds(5))
                try await Task.sleep(for: .milliseconds(1))
            }
        }
    }

    func lease(_ shard: Int) -> Lease { Lease(job: "j", shard: shard, epoch: 1) }
}
