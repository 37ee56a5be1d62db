import Support
import Synchronization
import Testing

/// A clock whose sleeps end at once and are remembered.
private final class SkippingClock: Clock {
    typealias Instant = ContinuousClock.Instant
    let slept = Mutex<[Swift.Duration]>([])
    let start = ContinuousClock.now
    var now: Instant { start.advanced(by: slept.withLock { $0.reduce(.zero, +) }) }
    var minimumResolution: Swift.Duration { .zero }
    func sleep(until deadline: Instant, tolerance: Swift.Duration?) async throws {
        try Task.checkCancellation()
        let pause = deadline - now
        slept.withLock { $0.append(pause) }
    }
}

@Suite struct RetryPolicyTests {
    static let passing = BackupError(.throttled, "slow down", isRetryable: true)

    @Test func pausesDoubleUpToTheMaximum() {
        let policy = RetryPolicy(attempts: 10, initialDelay: .milliseconds(200), maximumDelay: .seconds(3))
        let pauses = (2...8).map { policy.delay(beforeAttempt: $0, after: Self.passing, jitter: 1) }
        #expect(
            pauses == [
                .milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1600), .seconds(3),
                .seconds(3), .seconds(3),
            ])
    }

    @Test func jitterTakesAwayAtMostHalf() {
        let policy = RetryPolicy()
        #expect(policy.delay(beforeAttempt: 2, after: Self.passing, jitter: 0) == .milliseconds(100))
    }

    @Test func theServersOwnWishCounts() {
        var error = Self.passing
        error.retryAfter = .seconds(20)
        #expect(RetryPolicy().delay(beforeAttempt: 2, after: error, jitter: 0) == .seconds(20))
    }

    @Test func triesAreCounted() async {
        let clock = SkippingClock()
        var calls = 0
        await #expect(throws: BackupError.self) {
            try await withRetries(RetryPolicy(attempts: 4), clock: clock) {
                calls += 1
                throw Self.passing
            }
        }
        #expect(calls == 4)
        #expect(clock.slept.withLock { $0.count } == 3)
    }

    @Test func whatCannotBeRetriedFailsAtOnce() async {
        var calls = 0
        await #expect {
            try await withRetries(clock: SkippingClock()) {
                calls += 1
                throw BackupError(.permissionDenied, "no")
            }
        } throws: { ($0 as? BackupError)?.code == .permissionDenied }
        #expect(calls == 1)
    }

    @Test func aLaterSuccessIsASuccess() async throws {
        var calls = 0
        let result = try await withRetries(clock: SkippingClock()) {
            calls += 1
            if calls < 3 { throw Self.passing }
            return calls
        }
        #expect(result == 3)
    }
}
