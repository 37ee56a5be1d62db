import Support
import Synchronization

/// Whether a store has ever answered, and how patient to be until then: who has mistyped an address is told after a second or
/// two, and not after all the retries that a store deserves which has answered before.
package final class FirstContact: Sendable {
    private static let tries = RetryPolicy(
        attempts: 7, initialDelay: .milliseconds(100), maximumDelay: .milliseconds(400), repeatsConnecting: false)
    private let isMade = Atomic(false)

    package init() {}

    func succeeded() { isMade.store(true, ordering: .relaxed) }

    /// The pause before attempt `attempt`; nil when there is to be none.
    ///
    /// - Parameter policy: for a store that has answered.
    func delay(
        beforeAttempt attempt: Int, after error: BackupError, jitter: Double, policy: RetryPolicy
    ) -> Duration? {
        // Who is busy, or not content with us, is there.
        if !error.isNoAnswer { succeeded() }
        guard !isMade.load(ordering: .relaxed) else {
            return policy.delay(beforeAttempt: attempt, after: error, jitter: jitter)
        }
        var shorter = FirstContact.tries
        shorter.attempts = min(shorter.attempts, policy.attempts)
        shorter.initialDelay = min(shorter.initialDelay, policy.initialDelay)
        shorter.maximumDelay = min(shorter.maximumDelay, policy.maximumDelay)
        return shorter.delay(beforeAttempt: attempt, after: error, jitter: jitter)
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

/// The first contacts of a process: a store that is made again, for another bucket perhaps, is no stranger.
package final class FirstContacts: Sendable {
    private let contacts = Mutex<[StoreIdentity: FirstContact]>([:])

    package init() {}

    /// That with the server behind a store.
    package func contact(with store: StoreIdentity) -> FirstContact {
        var server = store
        server.bucket = ""
        return contacts.withLock { [server] contacts in
            if let known = contacts[server] { return known }
            let contact = FirstContact()
            contacts[server] = contact
            return contact
        }
    }
}

extension BackupError {
    /// Whether it tells nothing about the other side but that it was not reached.
    fileprivate var isNoAnswer: Bool { code == .unavailable || code == .canceled || isNoConnection }
}
