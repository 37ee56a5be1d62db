import Support
import Synchronization

/// Credentials that are valid for a while.
package struct TemporaryCredentials: Sendable, Hashable {
    package var value: S3Credentials
    /// Nil when they do not run out.
    package var expiration: Timestamp?

    package init(_ value: S3Credentials, expiration: Timestamp? = nil) {
        self.value = value
        self.expiration = expiration
    }
}

/// One place where credentials may be had.
package protocol CredentialsSource: Sendable {
    /// For messages.
    var name: String { get }

    /// - Returns: nil when this place is not in use on this machine.
    func fetch() async throws -> TemporaryCredentials?
}

/// The credentials of the first place that has some, fetched anew before they run out and when a store has refused them.
package actor CredentialsChain: CredentialsProvider {
    /// How long before their end credentials are fetched anew.
    private static let margin: Int64 = 300
    /// How long credentials that were refused, fetched anew and found to be the same are not fetched again.
    private static let patience: Int64 = 10

    private struct Refusals {
        var refused: S3Credentials?
        var unchanged: (credentials: S3Credentials, since: Int64)?
    }

    private let sources: [any CredentialsSource]
    private let hint: String
    private let now: @Sendable () -> Timestamp
    private var current: TemporaryCredentials?
    private var fetching: Task<TemporaryCredentials, any Error>?
    private let refusals = Mutex(Refusals())

    /// - Parameters:
    ///   - current: what to begin with; nil to ask the places at once.
    ///   - hint: what to do where no place has any.
    package init(
        _ sources: [any CredentialsSource],
        current: TemporaryCredentials? = nil,
        hint: String = "give this host a role, or use an access key: auth.type static (v1: useIAM false)",
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.sources = sources
        self.current = current
        self.hint = hint
        self.now = now
    }

    package func credentials() async throws -> S3Credentials {
        let refused = refusals.withLock(\.refused)
        if let current, isValid(current, for: Self.margin), current.value != refused { return current.value }
        // One asks for all who wait. Not cancelled with any of them; every request has a limit of time.
        let task = fetching ?? Task { try await self.fetch() }
        fetching = task
        do {
            let fresh = try await task.value
            fetching = nil
            current = fresh
            noteFetched(fresh.value)
            return fresh.value
        } catch {
            fetching = nil
            // What still is valid will do: the next request tries again.
            guard let current, isValid(current, for: 0) else { throw error }
            noteFetched(current.value)
            return current.value
        }
    }

    package nonisolated func noteRefusal(of credentials: S3Credentials) -> Bool {
        let now = now().seconds
        return refusals.withLock { refusals in
            if let (same, since) = refusals.unchanged, same == credentials, now - since < Self.patience { return false }
            refusals.refused = credentials
            return true
        }
    }

    private func noteFetched(_ credentials: S3Credentials) {
        let now = now().seconds
        refusals.withLock { refusals in
            if refusals.refused == credentials { refusals.unchanged = (credentials, now) }
            refusals.refused = nil
        }
    }

    private func isValid(_ credentials: TemporaryCredentials, for seconds: Int64) -> Bool {
        credentials.expiration.map { $0.seconds - now().seconds > seconds } ?? true
    }

    private func fetch() async throws -> TemporaryCredentials {
        var failures: [String] = []
        var isRetryable = false
        for source in sources {
            do {
                if let found = try await source.fetch() { return found }
            } catch {
                let failure = BackupError(wrapping: error)
                failures.append("\(source.name): \(failure.message)")
                isRetryable = isRetryable || failure.isRetryable
            }
        }
        let names = sources.map(\.name).joined(separator: ", ")
        let why = failures.isEmpty ? "" : " (\(failures.joined(separator: "; ")))"
        throw BackupError(
            .permissionDenied, "no credentials for the store were found; looked at: \(names)\(why)",
            hint: hint, isRetryable: isRetryable)
    }
}
