import Configuration
import ShardProtocol
import ShardTransport
import Support

/// Who does the copying of a job.
enum Workforce: Sendable {
    /// Workers of the job's own, for as long as it runs.
    case own(Plan)
    /// Those of the server, which its jobs share.
    case shared(WorkerPool)
    /// Those of them that may work in another place than the configured one; as long as there is none, one inside this process.
    case sharedElsewhere(WorkerPool, BackupPlace)

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
        case .shared(let pool), .sharedElsewhere(let pool, _): pool.address != nil
        }
    }

    /// Where the job's backup lies; nil for where the dispatcher's workers are configured to look.
    var place: BackupPlace? {
        if case .sharedElsewhere(_, let place) = self { place } else { nil }
    }

    /// Runs `body` with workers at its dispatcher.
    func run<Result: Sendable>(
        job: String, services: Services, timer: PhaseTimer,
        _ body: @escaping @Sendable (Dispatcher) async throws -> Result
    ) async throws -> Result {
        switch self {
        case .shared(let pool): return try await body(pool.dispatcher)
        case .sharedElsewhere(let pool, let place):
            let standingIn = Task { await Workforce.standIn(for: job, at: place, pool.dispatcher, services) }
            do {
                let result = try await body(pool.dispatcher)
                await Workforce.end(standingIn)
                return result
            } catch {
                await Workforce.end(standingIn)
                throw error
            }
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

    private static func end(_ task: Task<Void, Never>) async {
        task.cancel()
        await task.value
    }

    /// Lets this process copy for a job from the moment on at which no agent may, until the calling task is cancelled.
    private static func standIn(
        for job: String, at place: BackupPlace, _ dispatcher: Dispatcher, _ services: Services
    ) async {
        while await dispatcher.workerCount(for: job, at: place) > 0 {
            guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
        }
        guard !Task.isCancelled else { return }
        services.logger.info(
            "no agent may work there, as far as agent.allowedRoots of each says: this server copies by itself",
            ["id": job, "bucket": place.bucket, "root": place.root])
        let worker = InnerWorker(at: dispatcher, services: services, instance: "local-\(job)", reach: .job(job))
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
        await worker.stop()
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
