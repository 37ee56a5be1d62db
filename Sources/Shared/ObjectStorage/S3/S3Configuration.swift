import HTTP
import Support

/// The members of the S3 family, by their names in the configuration.
package enum S3Provider: String, Sendable, Hashable, CaseIterable {
    case minio, s3, aws, aliyun, tencent, hwc, gcp
}

/// How a bucket is named in a request.
package enum S3Addressing: Sendable, Hashable {
    /// `http://host/bucket/key`.
    case path
    /// `http://bucket.host/key`.
    case virtualHost
    /// What the provider and the host want.
    case automatic
}

/// Everything that is needed to reach one bucket.
package struct S3Configuration: Sendable {
    package var provider: S3Provider
    /// Name or address, without port.
    package var host: String
    package var port: Int
    package var useTLS: Bool
    /// Empty when it is not known: it is then taken from the host's name or from the store's answer.
    package var region: String
    package var bucket: String
    package var addressing: S3Addressing = .automatic
    package var credentials: any CredentialsProvider
    package var tls = TLSSettings()
    /// A request that moves no byte for so long is given up.
    package var stallTimeout: Duration = .seconds(60)
    /// How long a store may say nothing while it copies or assembles an object by itself.
    package var serverSideTimeout: Duration = .seconds(600)

    package init(
        provider: S3Provider = .minio,
        host: String,
        port: Int,
        useTLS: Bool = false,
        region: String = "",
        bucket: String,
        credentials: any CredentialsProvider
    ) {
        self.provider = provider
        self.host = host
        self.port = port
        self.useTLS = useTLS
        self.region = region
        self.bucket = bucket
        self.credentials = credentials
    }
}

/// Gives the credentials of the next request.
package protocol CredentialsProvider: Sendable {
    /// - Throws: ``BackupError/Code/permissionDenied`` or a network error when there are none to be had.
    func credentials() async throws -> S3Credentials

    /// Notes that the store does not accept `credentials`.
    ///
    /// - Returns: whether the next ``credentials()`` may be others, so that asking once more is worth a request.
    func noteRefusal(of credentials: S3Credentials) -> Bool
}

extension CredentialsProvider {
    package func noteRefusal(of credentials: S3Credentials) -> Bool { false }
}

/// What identifies us to a store.
package struct S3Credentials: Sendable, Hashable {
    package var accessKeyID: String
    package var secretAccessKey: Secret
    /// Goes with temporary credentials.
    package var sessionToken: Secret?

    package init(accessKeyID: String, secretAccessKey: Secret, sessionToken: Secret? = nil) {
        self.accessKeyID = accessKeyID
        self.secretAccessKey = secretAccessKey
        self.sessionToken = sessionToken
    }
}

/// Credentials that never change.
package struct StaticCredentials: CredentialsProvider {
    private let value: S3Credentials
    package init(_ value: S3Credentials) { self.value = value }
    package func credentials() -> S3Credentials { value }
}
