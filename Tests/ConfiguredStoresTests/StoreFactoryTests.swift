import Configuration
import ConfiguredStores
import HTTP
import ObjectStorage
import Support
import Synchronization
import Testing

/// Remembers the requests it is sent and answers them with the given statuses, then with 404.
private final class RecordingClient: HTTPClient {
    private let state: Mutex<(requests: [HTTPRequest], statuses: [Int])>

    init(statuses: [Int] = []) { state = Mutex(([], statuses)) }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        state.withLock { state in
            state.requests.append(request)
            return HTTPResponse(status: state.statuses.isEmpty ? 404 : state.statuses.removeFirst())
        }
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse { try await send(request) }
}

@Suite("Configured stores")
struct StoreFactoryTests {
    private func settings(_ provider: StorageProvider) -> StorageSettings {
        var settings = StorageSettings()
        settings.provider = provider
        settings.address = "store.example"
        settings.bucketName = "bucket"
        settings.authentication = .staticKeys(
            accessKeyID: "key", secretAccessKey: Secret("secret"), sessionToken: Secret(""))
        return settings
    }

    @Test(arguments: [[403, 403], [403, 404]])
    func aRefusedKeyIsLookedUpAgain(statuses: [Int]) async throws {
        let client = RecordingClient(statuses: statuses)
        let other = StorageAuthentication.staticKeys(
            accessKeyID: "other", secretAccessKey: Secret("secret"), sessionToken: Secret(""))
        let store = try StoreFactory(http: client, retryPolicy: nil).makeStore(settings(.minio)) { other }
        if statuses[1] == 404 {
            #expect(try await store.head("a") == nil)
        } else {
            let error = await #expect(throws: BackupError.self) { _ = try await store.head("a") }
            #expect(error?.code == .permissionDenied && error?.isRetryable == false)
        }
        let keys = client.requests.map { request in
            request.headers.contains { $0.name == "authorization" && $0.value.contains("Credential=other/") }
        }
        #expect(keys == [false, true])
    }

    @Test func aRefusedAccountKeyIsLookedUpAgain() async throws {
        let client = RecordingClient(statuses: [401, 404])
        var settings = settings(.azure)
        settings.accountName = "account"
        settings.authentication = .sharedKey(accountKey: Secret("b25l"))
        let store = try StoreFactory(http: client, retryPolicy: nil).makeStore(settings) {
            .sharedKey(accountKey: Secret("dHdv"))
        }
        #expect(try await store.head("a") == nil)
        let signatures = client.requests.map { $0.headers.first { $0.name == "authorization" }?.value }
        #expect(signatures.count == 2 && signatures[0] != signatures[1])
    }

    /// A file that is being written is no reason to give up the key there is.
    @Test(arguments: [
        StorageAuthentication.sharedKey(accountKey: Secret("not base 64!")),
        .staticKeys(accessKeyID: "other", secretAccessKey: Secret("dHdv"), sessionToken: Secret("")),
    ])
    func aKeyThatIsNoneLeavesTheOldOne(found: StorageAuthentication) async throws {
        let client = RecordingClient(statuses: [401, 401, 404])
        var settings = settings(.azure)
        settings.accountName = "account"
        settings.authentication = .sharedKey(accountKey: Secret("b25l"))
        let store = try StoreFactory(http: client, retryPolicy: nil).makeStore(settings) { found }
        await #expect(throws: BackupError.self) { _ = try await store.head("a") }
        #expect(try await store.head("a") == nil)
    }

    private func headURL(_ settings: StorageSettings) async throws -> String? {
        let client = RecordingClient()
        _ = try await StoreFactory(http: client).makeStore(settings).head("a/b")
        return client.requests.first?.url
    }

    @Test(
        arguments: [
            (StorageProvider.minio, "http://store.example:9000/bucket/a/b"),
            (.s3, "http://store.example:9000/bucket/a/b"), (.aws, "http://store.example:9000/bucket/a/b"),
            (.gcp, "http://store.example:9000/bucket/a/b"), (.aliyun, "http://bucket.store.example:9000/a/b"),
            (.tencent, "http://bucket.store.example:9000/a/b"), (.hwc, "http://bucket.store.example:9000/a/b"),
        ])
    func addressing(provider: StorageProvider, url: String) async throws {
        #expect(try await headURL(settings(provider)) == url)
    }

    @Test func amazonIsAddressedByTheBucketsHost() async throws {
        var settings = settings(.aws)
        (settings.address, settings.port, settings.useSSL) = ("s3.eu-west-1.amazonaws.com", 443, true)
        #expect(try await headURL(settings) == "https://bucket.s3.eu-west-1.amazonaws.com/a/b")
    }

    @Test func everythingReachesTheRequest() async throws {
        var settings = settings(.s3)
        (settings.region, settings.useSSL, settings.caCertPath) = ("mars-1", true, "/ca.pem")
        settings.authentication = .staticKeys(
            accessKeyID: "key", secretAccessKey: Secret("secret"), sessionToken: Secret("token"))
        let client = RecordingClient()
        let store = try StoreFactory(http: client, stallTimeout: .seconds(7)).makeStore(settings)
        _ = try await store.head("a")
        #expect(
            store.identity
                == StoreIdentity(
                    provider: "s3", endpoint: "store.example:9000", region: "mars-1", usesTLS: true, bucket: "bucket"))
        let request = try #require(client.requests.first)
        #expect(request.tls.caCertPath == "/ca.pem")
        #expect(request.stallTimeout == .seconds(7))
        let headers = Dictionary(request.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        #expect(headers["authorization"]?.contains("Credential=key/") == true)
        #expect(headers["authorization"]?.contains("/mars-1/s3/aws4_request") == true)
        #expect(headers["x-amz-security-token"] == "token")
    }

    @Test func failuresAreTriedAgainUnlessTheUserOfTheStoreDoesSo() async throws {
        let policy = RetryPolicy(attempts: 3, initialDelay: .zero, maximumDelay: .zero)
        var client = RecordingClient(statuses: [503, 503, 200])
        let retrying = try StoreFactory(http: client, retryPolicy: policy).makeStore(settings(.minio))
        #expect(try await retrying.head("a") != nil)
        #expect(client.requests.count == 3)
        client = RecordingClient(statuses: [503])
        let single = try StoreFactory(http: client, retryPolicy: nil).makeStore(settings(.minio))
        await #expect(throws: BackupError.self) { try await single.head("a") }
        #expect(client.requests.count == 1)
    }

    /// Whom a request for temporary credentials goes to. No service is there: the answer is a scripted 404.
    @Test(
        arguments: [
            (StorageProvider.aliyun, "http://100.100.100.200/latest/api/token"),
            (.tencent, "https://sts.tencentcloudapi.com/"),
            (.hwc, "https://iam.cn-north-4.myhuaweicloud.com/v3.0/OS-CREDENTIAL/securitytokens"),
        ], [StorageAuthentication.iam(endpoint: ""), .defaultChain])
    func temporaryCredentials(service: (StorageProvider, String), authentication: StorageAuthentication) async throws {
        var settings = settings(service.0)
        (settings.authentication, settings.region) = (authentication, "cn-north-4")
        let client = RecordingClient()
        let environment = [
            "TKE_WEB_IDENTITY_TOKEN_FILE": #filePath, "TKE_REGION": "r", "TKE_PROVIDER_ID": "p", "TKE_ROLE_ARN": "a",
            "HUAWEICLOUD_SDK_AK": "k", "HUAWEICLOUD_SDK_SK": "s",
        ]
        let store = try StoreFactory(http: client, retryPolicy: nil, environment: environment).makeStore(settings)
        let error = await #expect(throws: BackupError.self) { try await store.head("a") }
        #expect(error?.code == .permissionDenied)
        #expect(client.requests.first?.url == service.1)
    }

    @Test func huaweisIdentityServiceNeedsARegion() {
        var settings = settings(.hwc)
        settings.authentication = .defaultChain
        #expect { try StoreFactory(http: RecordingClient(), environment: [:]).makeStore(settings) } throws: { error in
            (error as? BackupError)?.message.hasPrefix("region is empty: provider hwc needs it") == true
        }
    }

    /// `default` looks at what is written down first, `iam` never does.
    @Test func theEnvironmentHasCredentialsForTheDefaultChain() async throws {
        var settings = settings(.aws)
        let environment = ["AWS_ACCESS_KEY_ID": "from-the-environment", "AWS_SECRET_ACCESS_KEY": "s"]
        settings.authentication = .defaultChain
        let client = RecordingClient()
        _ = try await StoreFactory(http: client, environment: environment).makeStore(settings).head("a")
        let signed = client.requests.last?.headers.first { $0.name == "authorization" }?.value
        #expect(signed?.contains("Credential=from-the-environment/") == true)
        settings.authentication = .iam(endpoint: "http://metadata.example")
        await #expect(throws: BackupError.self) {
            _ = try await StoreFactory(http: RecordingClient(), environment: environment).makeStore(settings).head("a")
        }
    }

    @Test func aDirectoryIsItsOwnBucket() throws {
        var settings = settings(.local)
        (settings.rootPath, settings.authentication) = ("/mnt/backups/", .none)
        let store = try StoreFactory(http: RecordingClient()).makeStore(settings)
        #expect(store.identity == StoreIdentity(provider: "local", endpoint: "", bucket: "/mnt/backups"))
        settings.rootPath = ""
        #expect { try StoreFactory(http: RecordingClient()).makeStore(settings) } throws: { error in
            (error as? BackupError)?.message == "rootPath is empty"
        }
    }

    @Test func aServiceAccountNeedsItsFile() {
        var settings = settings(.gcpnative)
        settings.authentication = .serviceAccount(credentialsFile: "/nowhere/key.json")
        #expect { try StoreFactory(http: RecordingClient()).makeStore(settings) } throws: { error in
            (error as? BackupError)?.message.hasPrefix("the credentials file \"/nowhere/key.json\" cannot be read")
                == true
        }
        settings.authentication = .defaultChain
        #expect { try StoreFactory(http: RecordingClient()).makeStore(settings) } throws: { error in
            (error as? BackupError)?.code == .unsupported
        }
    }

    private func azure(_ authentication: StorageAuthentication, account: String = "acct") -> StorageSettings {
        var settings = settings(.azure)
        (settings.address, settings.port, settings.accountName) = ("core.windows.net", 443, account)
        settings.authentication = authentication
        return settings
    }

    @Test func azureIsReachedByItsAccount() async throws {
        let client = RecordingClient()
        let key = StorageAuthentication.sharedKey(accountKey: Secret("c2VjcmV0"))
        let store = try StoreFactory(http: client, retryPolicy: nil).makeStore(azure(key))
        _ = try await store.head("a/b")
        let request = try #require(client.requests.first)
        #expect(request.url == "https://acct.blob.core.windows.net/bucket/a/b")
        #expect(
            request.headers.contains { $0.name == "authorization" && $0.value.hasPrefix("SharedKey acct:") })
        #expect(
            store.identity
                == StoreIdentity(
                    provider: "azure", endpoint: "acct.blob.core.windows.net", usesTLS: true, bucket: "bucket"))
    }

    @Test(arguments: [
        (StorageAuthentication.sharedKey(accountKey: Secret("s3cret!")), "acct", "auth.accountKey is no account key"),
        (.sharedKey(accountKey: Secret("c2VjcmV0")), "a.b/", "accountName \"a.b/\" is no name of a storage account"),
        (.iam(endpoint: ""), "acct", "this authentication does not go with provider azure"),
    ])
    func azureSettingsThatCannotWork(authentication: StorageAuthentication, account: String, message: String) {
        #expect {
            try StoreFactory(http: RecordingClient()).makeStore(azure(authentication, account: account))
        } throws: { error in
            let error = error as? BackupError
            return error?.message.hasPrefix(message) == true && error?.description.contains("s3cret") == false
        }
    }

    @Test func bothStoresOfAConfiguration() throws {
        var configuration = Configuration()
        configuration.backup.storage.bucketName = "other"
        let factory = StoreFactory(http: RecordingClient())
        let stores = try StorePair(configuration, factory: factory)
        #expect(stores.milvus.identity.bucket == "a-bucket" && stores.backup.identity.bucket == "other")
        #expect(stores.milvus.identity.isSameBackend(as: stores.backup.identity))
        configuration.backup.storage.provider = .gcpnative
        #expect { try StorePair(configuration, factory: factory) } throws: { error in
            (error as? BackupError)?.message
                == "backup.storage: provider gcpnative is supported with a service account only"
        }
        configuration.backup.storage = StorageSettings()
        configuration.milvus.storage.bucketName = ""
        #expect { try StorePair(configuration, factory: factory) } throws: { error in
            (error as? BackupError)?.message == "milvus.storage: bucketName is empty"
        }
    }
}
