import Glibc
import HTTP
import ObjectStorage
import ObjectStorageTesting
import Support

/// The S3 servers that are there for tests, named by environment variables like
/// `http://access:secret@127.0.0.1:9000/bucket`.
struct TestServer: Sendable, CustomStringConvertible {
    /// A gateway made of MinIO's code.
    static let minio = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3", provider: .minio, features: [.lineFeeds, .endedUploads])
    /// Another implementation of S3.
    static let second = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3_SECOND", provider: .s3,
        features: [.anyPath, .controlCharacters, .uploadsByPrefix])
    static let all = [minio, second].compactMap { $0 }
    /// The first one behind TLS, with a certificate of an authority of one's own in the file
    /// `MILVUS_BACKUP_TEST_S3_TLS_CA`.
    static let tls = TestServer(
        variable: "MILVUS_BACKUP_TEST_S3_TLS", provider: .minio, features: [.lineFeeds, .endedUploads])

    let description: String
    let features: StoreFeatures
    let accessKeyID: String
    private let configuration: S3Configuration

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

    func store(_ change: (inout S3Configuration) -> Void = { _ in }) -> S3ObjectStore {
        var configuration = configuration
        if configuration.useTLS, let path = getenv("MILVUS_BACKUP_TEST_S3_TLS_CA") {
            configuration.tls.caCertPath = String(cString: path)
        }
        change(&configuration)
        return S3ObjectStore(configuration, http: TestServer.http)
    }

    /// A prefix that no other test or run uses.
    func prefix(_ name: String) -> String { "tests/\(name)-\(UInt64.random(in: 0...UInt64.max))/" }
}
