import Support
import Synchronization

/// Whether a store has ever answered, and how patient to be until then: who has mistyped an address is told after a second or
/// two, and not after all the retries that a store deserves which has answered before.
final class FirstContact: Sendable {
    private static let tries = RetryPolicy(
        attempts: 7, initialDelay: .milliseconds(100), maximumDelay: .milliseconds(400), repeatsTimeouts: false)
    private let isMade = Atomic(false)
    private let policy: RetryPolicy
    private let shorter: RetryPolicy

    /// - Parameter policy: for a store that has answered.
    init(policy: RetryPolicy) {
        self.policy = policy
        var shorter = FirstContact.tries
        shorter.attempts = min(shorter.attempts, policy.attempts)
        shorter.initialDelay = min(shorter.initialDelay, policy.initialDelay)
        shorter.maximumDelay = min(shorter.maximumDelay, policy.maximumDelay)
        self.shorter = shorter
    }

    func succeeded() { isMade.store(true, ordering: .relaxed) }

    /// The pause before attempt `attempt`; nil when there is to be none.
    func delay(beforeAttempt attempt: Int, after error: BackupError, jitter: Double) -> Duration? {
        // Who is busy, or not content with us, is there.
        if !error.isNoAnswer { succeeded() }
        let policy = isMade.load(ordering: .relaxed) ? policy : shorter
        return policy.delay(beforeAttempt: attempt, after: error, jitter: jitter)
    }

    /// What to tell when no more tries are made: nobody has answered so far, so it may be the address.
    func explaining(_ error: BackupError) -> BackupError {
        guard !isMade.load(ordering: .relaxed), error.hint == nil, error.isNoAnswer, error.code != .canceled else {
            return error
        }
        var error = error
        error.hint = "check the address and the port of this storage, and whether it is up"
        return error
    }
}

extension BackupError {
    /// Whether it tells nothing about the other side but that it was not reached.
    fileprivate var isNoAnswer: Bool { [.unavailable, .timedOut, .canceled].contains(code) }
}
