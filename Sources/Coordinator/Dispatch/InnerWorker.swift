import Configuration
import ConfiguredWorker
import CopyWorker
import ShardProtocol
import ShardTransport

/// A worker inside this process, which works for a dispatcher as an agent does.
struct InnerWorker: Sendable {
    private let worker: CopyWorker
    private let working: Task<Void, Never>
    private let serving: Task<Void, Never>

    /// - Parameter instance: no other worker of the dispatcher may have it.
    init(at dispatcher: Dispatcher, services: Services, instance: String, reach: WorkerReach = .configured) {
        let (inner, outer) = InProcessChannel<AgentMessage, CoordinatorMessage>.pair()
        // Beats cost nothing here, and progress is seen by them.
        let heartbeat = min(services.configuration.coordinator.heartbeat, .seconds(1))
        let limits = WorkerLimits(concurrency: services.configuration.transfer.concurrency)
        let worker = services.equipment.makeWorker(
            channel: inner, limits: limits, heartbeat: heartbeat)
        self.worker = worker
        working = Task { _ = await worker.run() }
        serving = Task {
            await dispatcher.serve(
                outer, name: "local", instance: instance, capacity: limits.capacity, reach: reach)
        }
    }

    /// Makes it give back what it has, and waits for its end.
    func stop() async {
        worker.requestStop()
        await end()
    }

    /// Waits for its end: the dispatcher is shutting down.
    func end() async {
        await working.value
        await serving.value
    }
}
