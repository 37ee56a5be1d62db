/// The clock of waiting and pacing; another can take its place in tests.
package struct MonotonicClock: Clock {
    private let readNow: @Sendable () -> ContinuousClock.Instant
    private let wait: @Sendable (ContinuousClock.Instant) async throws -> Void

    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant,
        sleep: @escaping @Sendable (ContinuousClock.Instant) async throws -> Void
    ) {
        self.readNow = now
        self.wait = sleep
    }

    package static let system = MonotonicClock(
        now: { ContinuousClock.now }, sleep: { try await ContinuousClock().sleep(until: $0) })

    package var now: ContinuousClock.Instant { readNow() }
    package var minimumResolution: Duration { .nanoseconds(1) }

    package func sleep(until deadline: ContinuousClock.Instant, tolerance: Duration?) async throws {
        try await wait(deadline)
    }
}
