import Synchronization

/// A ``TokenBucket`` that many tasks and threads share. Its rate may change at any time.
package final class Throttle: Sendable {
    private struct State {
        var bucket: TokenBucket
        var callbacks: [TokenBucket.Ticket: @Sendable () -> Void] = [:]
        var isServing = false
    }

    /// Shorter pauses would only cost time: what has come together meanwhile is granted at once.
    private static let shortestPause = Duration.milliseconds(5)
    /// A new rate is heeded after so long at the latest.
    private static let longestPause = Duration.milliseconds(200)

    private let state: Mutex<State>
    /// So that nobody takes a lock where there is no limit.
    private let hasRate: Atomic<Bool>

    /// - Parameter rate: units per second; nil for no limit.
    package init(rate: Double? = nil) {
        state = Mutex(State(bucket: TokenBucket(rate: rate, now: .now)))
        hasRate = Atomic(rate != nil)
    }

    /// Units per second; nil for no limit.
    package var rate: Double? { state.withLock { $0.bucket.rate } }

    package var isLimited: Bool { hasRate.load(ordering: .relaxed) }

    package func setRate(_ rate: Double?) {
        state.withLock { $0.bucket.setRate(rate, now: .now) }
        hasRate.store(rate != nil, ordering: .relaxed)
        _ = serve()
    }

    /// A piece of something long: small enough that everybody has a turn often, large enough to be worth it.
    package var slice: Int64 { Int64(min(Double(256 << 10), max(Double(4 << 10), (rate ?? .infinity) / 16))) }

    /// Asks for `amount` units.
    ///
    /// - Parameter granted: called once, on any thread, when the units are there; not when they are there at once.
    /// - Returns: nil when they are.
    package func request(_ amount: Int64, _ granted: @escaping @Sendable () -> Void) -> TokenBucket.Ticket? {
        guard isLimited else { return nil }
        let (ticket, starts) = state.withLock { state -> (TokenBucket.Ticket?, Bool) in
            guard let ticket = state.bucket.request(amount, now: .now) else { return (nil, false) }
            state.callbacks[ticket] = granted
            defer { state.isServing = true }
            return (ticket, !state.isServing)
        }
        if starts { Task.detached { await self.keepServing() } }
        return ticket
    }

    /// Whoever waited with this ticket does not any more.
    package func withdraw(_ ticket: TokenBucket.Ticket) {
        state.withLock { state in
            if state.callbacks.removeValue(forKey: ticket) != nil { state.bucket.withdraw(ticket) }
        }
    }

    /// Waits for `amount` units. Ends with the task's cancellation.
    package func acquire(_ amount: Int64) async throws {
        guard isLimited else { return }
        let waiter = Waiter()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                waiter.begin(continuation)
                if let ticket = request(amount, { waiter.end(.success(())) }) {
                    waiter.onCancel { self.withdraw(ticket) }
                } else {
                    waiter.end(.success(()))
                }
            }
        } onCancel: {
            waiter.cancel()
        }
    }

    /// Calls those whose turn has come.
    ///
    /// - Returns: how long to wait for the next one; nil when nobody waits.
    private func serve() -> Duration? {
        let (ready, pause) = state.withLock { state in
            let now = ContinuousClock.now
            let ready = state.bucket.granted(now: now).compactMap { state.callbacks.removeValue(forKey: $0) }
            return (ready, state.bucket.delay(now: now))
        }
        for callback in ready { callback() }
        return pause
    }

    private func keepServing() async {
        while true {
            while let pause = serve() {
                try? await Task.sleep(for: min(max(pause, Throttle.shortestPause), Throttle.longestPause))
            }
            let isOver = state.withLock { state in
                // Somebody may have come since.
                state.isServing = state.bucket.delay(now: .now) != nil
                return !state.isServing
            }
            if isOver { return }
        }
    }
}

/// A task that waits until it is told, or cancelled: whichever comes first counts.
private final class Waiter: Sendable {
    private struct State {
        var continuation: CheckedContinuation<Void, any Error>?
        var isCancelled = false
        var withdraw: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    func begin(_ continuation: CheckedContinuation<Void, any Error>) {
        let isCancelled = state.withLock { state in
            if !state.isCancelled { state.continuation = continuation }
            return state.isCancelled
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
    }

    /// What is to be done when the task is cancelled, at once if it was.
    func onCancel(_ withdraw: @escaping @Sendable () -> Void) {
        let isCancelled = state.withLock { state in
            state.withdraw = withdraw
            return state.isCancelled
        }
        if isCancelled { withdraw() }
    }

    func end(_ result: Result<Void, any Error>) {
        let continuation = state.withLock { state in
            defer { state.continuation = nil }
            return state.continuation
        }
        continuation?.resume(with: result)
    }

    func cancel() {
        let withdraw = state.withLock { state in
            state.isCancelled = true
            return state.withdraw
        }
        withdraw?()
        end(.failure(CancellationError()))
    }
}
