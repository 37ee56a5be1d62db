import Glibc
import HTTP
import ObjectStorage
import ObjectStorageTesting
import Support
import Testing
import WireHTTP

/// The fake of Google Cloud Storage that the testbed has.
struct GoogleTestServer: Sendable {
    let configuration: GoogleConfiguration

    static let shared = GoogleTestServer()

    private init?() {
        guard let url = getenv("MILVUS_BACKUP_TEST_GOOGLE"), let file = getenv("MILVUS_BACKUP_TEST_GOOGLE_CREDENTIALS"),
            let match = String(cString: url).wholeMatch(of: /http:\/\/([^:\/]+):(\d+)\/([^\/]+)/),
            let port = Int(match.2), let key = try? ServiceAccountKey(file: String(cString: file))
        else { return nil }
        configuration = GoogleConfiguration(
            host: String(match.1), port: port, useTLS: false, bucket: String(match.3), key: key)
    }

    // As in the programs.
    private static let http = WireHTTPClient(fallback: CurlHTTPClient())

    func store(bucket: String? = nil) -> GoogleObjectStore {
        var configuration = configuration
        if let bucket { configuration.bucket = bucket }
        return GoogleObjectStore(configuration, http: GoogleTestServer.http)
    }
}

@Suite(.enabled(if: GoogleTestServer.shared != nil, "MILVUS_BACKUP_TEST_GOOGLE names no server"))
struct GoogleServerTests {
    private static let stores = Task {
        guard let server = GoogleTestServer.shared else { throw BackupError(.internalError, "no server") }
        let stores = (server.store(), server.store(bucket: "conformance-other"))
        try await stores.0.createBucketIfMissing()
        try await stores.1.createBucketIfMissing()
        return stores
    }

    private func prefix(_ name: String) -> String { "tests/\(name)-\(UInt64.random(in: 0...UInt64.max))/" }

    @Test(arguments: ConformanceCheck.all)
    func holdsTheContract(_ check: ConformanceCheck) async throws {
        let (store, other) = try await Self.stores.value
        try await check.run(
            on: store, prefix: prefix("conformance"), features: [.anyPath, .nestedKeys, .controlCharacters],
            other: other)
    }

    @Test func bucketsAreMadeOnce() async throws {
        let server = try #require(GoogleTestServer.shared)
        let store = server.store(bucket: "made-\(UInt64.random(in: 0...UInt64.max))")
        for call in [0, 1] {
            await #expect {
                if call == 0 { _ = try await store.hasObjects(prefix: "") }
                if call == 1 { try await store.put("k", body: .bytes([1])) }
            } throws: { error in
                let failure = error as? BackupError
                return failure?.code == .notFound && failure?.message.contains("does not exist at http") == true
                    && failure?.message.contains("bucket \"made-") == true
            }
        }
        try await store.createBucketIfMissing()
        try await store.createBucketIfMissing()
        try await store.put("k", body: .bytes([1]))
        try await store.delete(["k"])
    }

    @Test func conditionsAreHeeded() async throws {
        let (store, _) = try await Self.stores.value
        let key = prefix("conditions") + "k"
        let refused = { @Sendable (error: any Error) in (error as? BackupError)?.code == .alreadyExists }
        let first = try await store.put(key, body: .bytes([1]), if: .absent)
        await #expect(
            "there", performing: { try await store.put(key, body: .bytes([2]), if: .absent) }, throws: refused)
        try await store.put(key, body: .bytes([3]), if: .unchanged(etag: first.etag))
        await #expect(
            "changed", performing: { try await store.put(key, body: .bytes([4]), if: .unchanged(etag: first.etag)) },
            throws: refused)
        try await store.delete([key])
    }

    @Test func whatIsStoredIsKnownByItsMD5() async throws {
        let (store, _) = try await Self.stores.value
        let key = prefix("checksums") + "k"
        let stored = try await store.put(key, body: .bytes(Array("123456789".utf8)))
        #expect(stored == StoredObject(etag: "25f9e794323b453885f5181f1b624d0b"))
        try await store.delete([key])
    }

    @Test func whoIsNotKnownGetsNoToken() async throws {
        let server = try #require(GoogleTestServer.shared)
        let file = try KeyFile(account: "somebody@else", tokenURL: server.configuration.key.tokenURL)
        var configuration = server.configuration
        configuration.key = try file.key()
        let store = GoogleObjectStore(configuration, http: CurlHTTPClient())
        await #expect {
            _ = try await store.head("k")
        } throws: { error in
            let failure = error as? BackupError
            return failure?.code == .permissionDenied && failure?.isRetryable == false
                && failure?.message.contains("invalid_grant") == true
                && failure?.message.contains("the service account somebody@else") == true
        }
    }
}
