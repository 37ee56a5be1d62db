import Support

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

/// The credentials of the first place that has some, fetched anew before they run out.
package actor CredentialsChain: CredentialsProvider {
    /// How long before their end credentials are fetched anew.
    private static let margin: Int64 = 300

    private let sources: [any CredentialsSource]
    private let hint: String
    private let now: @Sendable () -> Timestamp
    private var current: TemporaryCredentials?
    private var fetching: Task<TemporaryCredentials, any Error>?

    /// - Parameter hint: what to do where no place has any.
    package init(
        _ sources: [any CredentialsSource],
        hint: String = "give this host a role, or use an access key: auth.type static (v1: useIAM false)",
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.sources = sources
        self.hint = hint
        self.now = now
    }

    package func credentials() async throws -> S3Credentials {
        if let current, isValid(current, for: Self.margin) { return current.value }
        // One asks for all who wait. Not cancelled with any of them; every request has a limit of time.
        let task = fetching ?? Task { try await self.fetch() }
        fetching = task
        do {
            let fresh = try await task.value
            fetching = nil
            current = fresh
            return fresh.value
        } catch {
            fetching = nil
            // What still is valid will do: the next request tries again.
            if let current, isValid(current, for: 0) { return current.value }
            throw error
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
