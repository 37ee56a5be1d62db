import Support
import Synchronization

/// The way to one endpoint: as many at a time as ``AdaptiveConcurrency`` allows.
final class EndpointGate: Sendable {
    private struct State {
        var concurrency: AdaptiveConcurrency
        var inFlight = 0
    }

    let endpoint: String
    private let permits: AsyncSemaphore
    private let state: Mutex<State>
    private let clock: any Clock<Duration>
    private let logger: Logger

    init(_ endpoint: String, bounds: AdaptiveConcurrency.Bounds, clock: any Clock<Duration>, logger: Logger) {
        self.endpoint = endpoint
        self.clock = clock
        self.logger = logger
        permits = AsyncSemaphore(permits: bounds.maximum)
        state = Mutex(State(concurrency: AdaptiveConcurrency(bounds: bounds)))
    }

    /// Requests at a time.
    var limit: Int { state.withLock { $0.concurrency.limit } }

    /// Waits until a request may begin. Every entry is followed by one of the ways to leave.
    func enter() async throws {
        try await permits.acquire()
        do {
            // Who wants to hear nothing for a while hears nothing.
            while let end = state.withLock({ $0.concurrency.pausedUntil }), end > .now {
                try await clock.sleep(for: end - .now)
            }
        } catch {
            permits.release()
            throw error
        }
        state.withLock { $0.inFlight += 1 }
    }

    /// A request has ended well.
    func succeeded(bytes: Int64) {
        leave { state in
            state.concurrency.succeeded(
                bytes: bytes, inFlight: state.inFlight, now: .now, jitter: .random(in: 0..<1))
        } because: {
            "what gets done"
        }
    }

    /// A request has failed.
    ///
    /// - Parameter error: nil when the failure has nothing to do with this endpoint.
    func failed(_ error: BackupError?, begun: ContinuousClock.Instant) {
        leave { state in
            guard let error, error.code == .throttled || error.code == .timedOut else { return false }
            return state.concurrency.refused(
                begun: begun, retryAfter: error.retryAfter, inFlight: state.inFlight, now: .now,
                jitter: .random(in: 0..<1))
        } because: {
            error?.message ?? ""
        }
    }

    private func leave(_ update: (inout State) -> Bool, because reason: () -> String) {
        let (change, limit, hasChanged) = state.withLock { state in
            let before = state.concurrency.limit
            let hasChanged = update(&state)
            state.inFlight -= 1
            return (state.concurrency.limit - before, state.concurrency.limit, hasChanged)
        }
        permits.change(by: 1 + change)
        guard hasChanged else { return }
        logger.debug(
            change < 0 ? "fewer requests at a time" : "more requests at a time",
            ["endpoint": endpoint, "limit": limit, "because": reason()])
    }
}

/// One gate for each endpoint.
final class EndpointGates: Sendable {
    private let gates = Mutex<[String: EndpointGate]>([:])
    private let bounds: AdaptiveConcurrency.Bounds
    private let clock: any Clock<Duration>
    private let logger: Logger

    init(bounds: AdaptiveConcurrency.Bounds, clock: any Clock<Duration>, logger: Logger) {
        self.bounds = bounds
        self.clock = clock
        self.logger = logger
    }

    subscript(_ identity: StoreIdentity) -> EndpointGate {
        gates.withLock { gates in
            if let gate = gates[identity.endpoint] { return gate }
            let gate = EndpointGate(identity.endpoint, bounds: bounds, clock: clock, logger: logger)
            gates[identity.endpoint] = gate
            return gate
        }
    }
}

/// A failure of which it is known who is to blame.
struct SidedFailure: Error {
    enum Side { case source, destination }

    var side: Side
    var error: any Error
}

extension ObjectCopier {
    /// Runs `body`, whose requests go to both stores, when both have a place for it.
    ///
    /// What `body` throws as a ``SidedFailure`` is thrown as the error in it.
    func paced<Result>(
        _ source: any ObjectStore, _ destination: any ObjectStore, bytes: Int64, _ body: () async throws -> Result
    ) async throws -> Result {
        let (from, to) = (gates[source.identity], gates[destination.identity])
        // In the same order whatever the direction: copies both ways must not wait for each other.
        let entered = from === to ? [from] : [from, to].sorted { $0.endpoint < $1.endpoint }
        try await entered[0].enter()
        if entered.count > 1 {
            do {
                try await entered[1].enter()
            } catch {
                entered[0].failed(nil, begun: .now)
                throw error
            }
        }
        let begun = ContinuousClock.now
        do {
            let result = try await body()
            for gate in entered { gate.succeeded(bytes: bytes) }
            return result
        } catch {
            let sided = error as? SidedFailure
            let cause = sided?.error ?? error
            let blamed = sided.map { $0.side == .source ? from : to }
            for gate in entered {
                gate.failed(blamed == nil || blamed === gate ? BackupError(wrapping: cause) : nil, begun: begun)
            }
            throw cause
        }
    }
}
