import Glibc
import HTTP
import ObjectStorage
import ObjectStorageTesting
import Support
import WireHTTP

/// The S3 servers that are there for tests, named by environment variables like
/// `http://access:secret@127.0.0.1:9000/bucket`.
struct TestServer: Sendable, CustomStringConvertible {
    /// A gateway made of MinIO's code.
    static let minio = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3", provider: .minio,
        features: [.lineFeeds, .endedUploads, .multipart, .pendingUploads])
    /// Another implementation of S3.
    static let second = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3_SECOND", provider: .s3,
        features: [
            .anyPath, .controlCharacters, .uploadsByPrefix, .multipart, .nestedKeys, .pendingUploads,
        ])
    static let all = [minio, second, minio?.throughWire, second?.throughWire].compactMap { $0 }
    /// The first one behind TLS, with a certificate of an authority of one's own in the file
    /// `MILVUS_BACKUP_TEST_S3_TLS_CA`.
    static let tls = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3_TLS", provider: .minio,
        features: [.lineFeeds, .endedUploads, .multipart, .pendingUploads])

    /// A server of its own, to copy to.
    static let other = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3_OTHER_SERVER", provider: .minio,
        features: [.lineFeeds, .endedUploads, .multipart, .pendingUploads])

    private(set) var description: String
    let features: StoreFeatures
    let accessKeyID: String
    private var configuration: S3Configuration
    private var http: any HTTPClient = TestServer.http

    private init?(variable: String, provider: S3Provider, features: StoreFeatures) {
        guard let value = getenv(variable), let configuration = TestServer.parse(String(cString: value), provider)
        else {
            return nil
        }
        accessKeyID = (configuration.credentials as? StaticCredentials)?.credentials().accessKeyID ?? ""
        description = variable
        self.features = features
        self.configuration = configuration
    }

    private static func parse(_ url: String, _ provider: S3Provider) -> S3Configuration? {
        let useTLS = url.hasPrefix("https://")
        guard let match = url.wholeMatch(of: /https?:\/\/([^:@\/]+):([^@\/]+)@([^:\/]+):(\d+)\/([^\/]+)\/?/) else {
            return nil
        }
        guard let port = Int(match.4) else { return nil }
        return S3Configuration(
            provider: provider, host: String(match.3), port: port, useTLS: useTLS, bucket: String(match.5),
            credentials: StaticCredentials(
                S3Credentials(accessKeyID: String(match.1), secretAccessKey: Secret(String(match.2)))))
    }

    /// One client for all tests, as in the programs.
    static let http = CurlHTTPClient()
    static let wire = WireHTTPClient(fallback: http)

    /// The same server, reached by the client that moves bytes by itself.
    var throughWire: TestServer {
        var server = self
        server.http = TestServer.wire
        // A bucket of its own: moto fails to list one in which others write.
        server.configuration.bucket += "-wire"
        server.description += " through the wire client"
        return server
    }

    func store(_ change: (inout S3Configuration) -> Void = { _ in }) -> S3ObjectStore {
        var configuration = configuration
        if configuration.useTLS, let path = getenv("MILVUS_BACKUP_TEST_S3_TLS_CA") {
            configuration.tls.caCertPath = String(cString: path)
        }
        change(&configuration)
        return S3ObjectStore(configuration, http: http)
    }

    /// A prefix that no other test or run uses.
    func prefix(_ name: String) -> String { "tests/\(name)-\(UInt64.random(in: 0...UInt64.max))/" }
}
