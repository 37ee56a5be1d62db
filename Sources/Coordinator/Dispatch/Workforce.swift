import Configuration
import ConfiguredWorker
import CopyWorker
import ObjectStorage
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support

/// Who does the copying: agents on other hosts, or one worker inside this process.
enum Workforce {
    struct Plan: Sendable {
        /// Where agents dial in; nil for the worker inside.
        var listen: HostPort?
        /// Agents to wait for before the work begins.
        var minimumAgents = 0
    }

    /// Runs `body` with workers at its dispatcher, and sends them home afterwards.
    static func run<Result: Sendable>(
        _ plan: Plan, services: Services, timer: PhaseTimer,
        _ body: @Sendable (Dispatcher) async throws -> Result
    ) async throws -> Result {
        var settings = Dispatcher.Settings()
        settings.policy = .init(
            leaseDuration: services.configuration.coordinator.lease,
            maximumFailures: services.configuration.coordinator.maximumShardFailures)
        let dispatcher = Dispatcher(settings: settings, logger: services.logger.labeled("dispatch"))
        guard let address = plan.listen else {
            return try await withInnerWorker(of: dispatcher, services) { try await body(dispatcher) }
        }
        let port = try await AgentPort.open(address, dispatcher: dispatcher, services: services)
        do {
            try await timer.measure(.waitForAgents) {
                try await waitForAgents(plan.minimumAgents, dispatcher, port.address, services.logger)
            }
            let result = try await body(dispatcher)
            await port.close()
            return result
        } catch {
            await port.close()
            throw error
        }
    }

    private static func withInnerWorker<Result: Sendable>(
        of dispatcher: Dispatcher, _ services: Services, _ body: () async throws -> Result
    ) async throws -> Result {
        let configuration = services.configuration
        let (inner, outer) = InProcessChannel<AgentMessage, CoordinatorMessage>.pair()
        let limits = WorkerLimits(concurrency: configuration.transfer.concurrency)
        let worker = services.equipment.makeWorker(
            channel: inner, limits: limits, heartbeat: configuration.coordinator.heartbeat)
        let working = Task { await worker.run() }
        let serving = Task {
            await dispatcher.serve(outer, name: "local", instance: "local", capacity: limits.capacity)
        }
        func end() async {
            await dispatcher.shutDown()
            _ = await working.value
            await serving.value
        }
        do {
            let result = try await body()
            await end()
            return result
        } catch {
            await end()
            throw error
        }
    }

    private static func waitForAgents(
        _ count: Int, _ dispatcher: Dispatcher, _ address: HostAndPort, _ logger: Logger
    ) async throws {
        var lastMessage: ContinuousClock.Instant?
        while true {
            let present = await dispatcher.workerCount
            if present >= count { return }
            let now = ContinuousClock.now
            if lastMessage.map({ now - $0 >= .seconds(3) }) ?? true {
                logger.info("waiting for agents", ["connected": present, "wanted": count, "address": address])
                lastMessage = now
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
