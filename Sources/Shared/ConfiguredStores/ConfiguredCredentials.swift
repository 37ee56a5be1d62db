import Configuration
import ObjectStorage
import Support

/// The access key in the configuration as it is by now, for a store that no longer accepts the one it was made with.
struct ConfiguredCredentials: CredentialsSource {
    let name = "the configuration"
    private let first: S3Credentials
    private let lookup: StoreFactory.AuthenticationLookup
    private let read: Reader
    private let logger: Logger

    /// Understands an authentication; nil for one that is none of the store's.
    typealias Reader = @Sendable (StorageAuthentication) throws(BackupError) -> S3Credentials?

    init(
        current: S3Credentials, lookup: @escaping StoreFactory.AuthenticationLookup, read: @escaping Reader,
        logger: Logger
    ) {
        first = current
        self.lookup = lookup
        self.read = read
        self.logger = logger
    }

    func fetch() async throws -> TemporaryCredentials? {
        let keys: S3Credentials?
        do {
            keys = try read(try await onDedicatedThread { try lookup() })
        } catch {
            let reason = BackupError(wrapping: error)
            logger.warn("the configuration cannot be read again, for another access key: \(reason)")
            throw reason
        }
        guard let keys else { return nil }
        if keys != first { logger.info("the store refuses the access key; taking the one the configuration has now") }
        return TemporaryCredentials(keys)
    }
}

extension S3Credentials {
    /// - Parameter sessionToken: empty when there is none.
    init(_ accessKeyID: String, _ secretAccessKey: Secret, _ sessionToken: Secret) {
        self.init(
            accessKeyID: accessKeyID, secretAccessKey: secretAccessKey,
            sessionToken: sessionToken.isEmpty ? nil : sessionToken)
    }
}

extension Configuration {
    /// Looks the authentication of a store up in the file as it is by then; nil for a configuration without a file.
    package func authenticationLookup(
        _ place: any KeyPath<Configuration, StorageSettings> & Sendable
    ) -> StoreFactory.AuthenticationLookup? {
        guard let reload else { return nil }
        return { () throws(BackupError) in try reload()[keyPath: place].authentication }
    }
}
