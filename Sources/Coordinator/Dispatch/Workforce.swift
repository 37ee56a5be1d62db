import Configuration
import ShardTransport
import Support

/// Who does the copying of a job.
enum Workforce: Sendable {
    /// Workers of the job's own, for as long as it runs.
    case own(Plan)
    /// Those of the server, which its jobs share.
    case shared(WorkerPool)

    struct Plan: Sendable {
        /// Where agents dial in; nil for a worker inside this process.
        var listen: HostPort?
        /// Agents to wait for before the work begins.
        var minimumAgents = 0
    }

    /// Whether agents do the copying, and not this process.
    var hasAgents: Bool {
        switch self {
        case .own(let plan): plan.listen != nil
        case .shared(let pool): pool.address != nil
        }
    }

    /// Runs `body` with workers at its dispatcher.
    func run<Result: Sendable>(
        services: Services, timer: PhaseTimer, _ body: @Sendable (Dispatcher) async throws -> Result
    ) async throws -> Result {
        switch self {
        case .shared(let pool): return try await body(pool.dispatcher)
        case .own(let plan):
            let pool = try await WorkerPool.open(listen: plan.listen, services: services)
            do {
                try await timer.measure(.waitForAgents) {
                    try await Workforce.waitForAgents(plan.minimumAgents, pool, services.logger)
                }
                let result = try await body(pool.dispatcher)
                await pool.close()
                return result
            } catch {
                await pool.close()
                throw error
            }
        }
    }

    private static func waitForAgents(_ count: Int, _ pool: WorkerPool, _ logger: Logger) async throws {
        guard let address = pool.address else { return }
        var lastMessage: ContinuousClock.Instant?
        while true {
            let present = await pool.dispatcher.workerCount
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
