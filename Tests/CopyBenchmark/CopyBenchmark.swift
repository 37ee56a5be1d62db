import CommandLineInterface
import Configuration
import ConfiguredStores
import ConfiguredWorker
import CopyWorker
import Glibc
import HTTP
import ObjectStorage
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support

/// Copies everything below a prefix with the worker that agents run, and prints what it took: for `make bench`.
@main
enum CopyBenchmark {
    static let command = Command(
        "copy-benchmark",
        summary: "Copies objects from Milvus' store into the backup store as an agent does, and prints the costs.",
        options: [
            Option("config", placeholder: "FILE", help: "The configuration."),
            Option("set", kind: .assignments, placeholder: "KEY=VALUE", help: "Overrides a value of it."),
            Option("source", placeholder: "PREFIX", help: "Prefix of the objects, below Milvus' root."),
            Option("name", placeholder: "NAME", help: "Name of the backup that is written."),
            Option("concurrency", placeholder: "N", help: "Objects in flight.", defaultValue: "64"),
        ])

    static func main() async {
        limitHeapArenas()
        raiseOpenFileLimit()
        ignoreBrokenPipes()
        do {
            guard case .run(let invocation) = try command.parse(Array(CommandLine.arguments.dropFirst())) else {
                return
            }
            try await run(invocation)
        } catch {
            writeAll("Error: \(BackupError(wrapping: error))\n", to: STDERR_FILENO)
            exit(1)
        }
    }

    private static func run(_ invocation: Invocation) async throws {
        let (configuration, _) = try Configuration.load(
            path: invocation.text("config"), overrides: invocation.texts("set"), environment: processEnvironment())
        let concurrency = try invocation.integer("concurrency", in: 1...4096) ?? 64
        let equipment = try WorkerEquipment(
            configuration, concurrency: concurrency, http: CurlHTTPClient(),
            logger: Logger(label: "bench", level: .warn, sinks: [StandardErrorSink()]))
        let driver = try await Driver(
            invocation.text("source") ?? "", name: invocation.text("name") ?? "bench", configuration, equipment)
        // A coordinator lists many prefixes at a time, and while it copies.
        let start = ContinuousClock.now
        let (inner, outer) = InProcessChannel<AgentMessage, CoordinatorMessage>.pair()
        let worker = equipment.makeWorker(
            channel: inner, limits: WorkerLimits(concurrency: concurrency), heartbeat: .seconds(5))
        async let summary = worker.run()
        try await driver.drive(outer)
        let totals = await summary.totals
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        let wall = (ContinuousClock.now - start).seconds
        print(
            """
            {"objects":\(totals.objects),"bytes":\(totals.bytes),"wall":\(wall),"user":\(usage.ru_utime.seconds),\
            "system":\(usage.ru_stime.seconds),"resident":\(usage.ru_maxrss * 1024)}
            """)
    }
}

/// The coordinator's side, as small as it can be: the shards, handed out as they are asked for.
private struct Driver {
    private var shards: [Shard] = []
    private let name: String

    init(
        _ prefix: String, name: String, _ configuration: Configuration, _ equipment: WorkerEquipment
    ) async throws {
        self.name = name
        var cutter = ShardCutter(
            source: .milvus, destination: .backup,
            mode: Self.mode(configuration, equipment),
            limits: ShardLimits(
                bytes: configuration.backup.shard.maximumSize, tasks: configuration.backup.shard.maximumObjects))
        let root = equipment.roots.milvus.isEmpty ? "" : "\(equipment.roots.milvus)/"
        let target = equipment.roots.backup.isEmpty ? "\(name)/" : "\(equipment.roots.backup)/\(name)/"
        try await equipment.stores.milvus.forEachPage(prefix: root + prefix) { page in
            for object in page.objects {
                let copy = PlannedCopy(
                    source: object.key, destination: target + object.key.dropFirst(root.count), size: object.size,
                    etag: object.etag)
                if let shard = cutter.add(copy) { shards.append(shard) }
            }
        }
        if let shard = cutter.endGroup() { shards.append(shard) }
    }

    private static func mode(_ configuration: Configuration, _ equipment: WorkerEquipment) -> TransferMode {
        let (from, to) = (equipment.stores.milvus.identity, equipment.stores.backup.identity)
        return switch configuration.transfer.mode {
        case .auto: from.isSameBackend(as: to) ? .auto : .streaming
        case .direct: .direct
        case .streaming: .streaming
        }
    }

    func drive(_ channel: CoordinatorChannel) async throws {
        var next = 0
        var done = 0
        if shards.isEmpty { try await channel.send(.finish) }
        while let message = try await channel.receive() {
            switch message {
            case .pull(let pull):
                for shard in shards[next...].prefix(pull.shards) {
                    let lease = Lease(job: "bench", shard: shard.id, epoch: 1)
                    try await channel.send(.assignment(Assignment(lease: lease, backupName: name, shard: shard)))
                    next += 1
                }
            case .completed:
                done += 1
                if done == shards.count { try await channel.send(.finish) }
            case .failed(let failure): throw BackupError(BackupError.Code(failure.code), failure.message)
            case .goodbye: return
            default: break
            }
        }
    }
}

extension timeval {
    fileprivate var seconds: Double { Double(tv_sec) + Double(tv_usec) / 1_000_000 }
}
