/// When to try again, and how long to wait before it: exponential growth with full jitter on the upper half.
package struct RetryPolicy: Sendable, Hashable {
    /// Tries in total, the first included.
    package var attempts: Int
    package var initialDelay: Duration
    package var maximumDelay: Duration
    package var multiplier: Double
    /// Whether a connection that was not there in time is tried again. For a first word with somebody once is long enough.
    package var repeatsConnecting: Bool

    package init(
        attempts: Int = 10,
        initialDelay: Duration = .milliseconds(200),
        maximumDelay: Duration = .seconds(3),
        multiplier: Double = 2,
        repeatsConnecting: Bool = true
    ) {
        self.attempts = attempts
        self.initialDelay = initialDelay
        self.maximumDelay = maximumDelay
        self.multiplier = multiplier
        self.repeatsConnecting = repeatsConnecting
    }

    /// Ten tries, 200 ms doubling up to 3 s: what the original does (reference, retry policy).
    package static let standard = RetryPolicy()

    /// The pause before attempt `attempt` (the second try is 2), or nil when there are no tries left or a retry cannot help.
    ///
    /// - Parameter jitter: a number in 0..<1; the pause lies between half of its nominal length and its whole.
    package func delay(beforeAttempt attempt: Int, after error: BackupError, jitter: Double) -> Duration? {
        guard error.isRetryable, attempt <= attempts, repeatsConnecting || !error.isNoConnection else { return nil }
        var nominal = initialDelay
        for _ in 2..<max(attempt, 2) where nominal < maximumDelay { nominal = nominal * multiplier }
        nominal = min(nominal, maximumDelay)
        let pause = nominal * (0.5 + jitter / 2)
        return max(pause, error.retryAfter ?? .zero)
    }
}

/// Runs `operation` until it succeeds, fails for good, or the policy's tries are used up.
///
/// The last error is thrown. Cancellation ends the waiting at once.
///
/// - Parameters:
///   - code: only such failures are followed by another try; nil for all that can be.
///   - onRetry: told of every failure that is followed by another try.
package func withRetries<Result>(
    _ policy: RetryPolicy = .standard,
    after code: BackupError.Code? = nil,
    clock: any Clock<Duration> = ContinuousClock(),
    isolation: isolated (any Actor)? = #isolation,
    onRetry: (BackupError, _ nextAttempt: Int) -> Void = { _, _ in },
    _ operation: () async throws -> Result
) async throws -> Result {
    try await withRetries(
        clock: clock, onRetry: onRetry,
        pause: { failure, attempt in
            guard code == nil || failure.code == code else { return nil }
            return policy.delay(beforeAttempt: attempt, after: failure, jitter: .random(in: 0..<1))
        }, operation)
}

/// The same with the decision taken after every failure.
///
/// - Parameter pause: how long to wait before the next attempt; nil when there is to be none.
package func withRetries<Result>(
    clock: any Clock<Duration> = ContinuousClock(),
    isolation: isolated (any Actor)? = #isolation,
    onRetry: (BackupError, _ nextAttempt: Int) -> Void = { _, _ in },
    pause: (BackupError, _ nextAttempt: Int) -> Duration?,
    _ operation: () async throws -> Result
) async throws -> Result {
    var attempt = 1
    while true {
        do {
            return try await operation()
        } catch {
            let failure = BackupError(wrapping: error)
            attempt += 1
            guard !Task.isCancelled, let pause = pause(failure, attempt) else { throw failure }
            onRetry(failure, attempt)
            try await clock.sleep(for: pause)
        }
    }
}
