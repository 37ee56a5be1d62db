import Checksums
import Glibc
import HTTP
import ObjectStorageTesting
import Support
import Testing
import WireHTTP

@testable import ObjectStorage

/// Against the fake of the testbed, which compares every signature with that of Microsoft's own client; skipped where there
/// is none (`MILVUS_BACKUP_TEST_AZURE`: `https://host:port/account/container`, `…_KEY`, `…_CA`).
@Suite(.enabled(if: AzureTestServer.isThere, "MILVUS_BACKUP_TEST_AZURE names no server"))
struct AzureServerTests {
    @Test(arguments: [false, true], ConformanceCheck.all)
    func holdsTheContract(throughWire: Bool, _ check: ConformanceCheck) async throws {
        let container = throughWire ? "wire" : "conformance"
        let store = try AzureTestServer.store(container, throughWire: throughWire)
        let other = try AzureTestServer.store("\(container)-other", throughWire: throughWire)
        try await store.createBucketIfMissing()
        try await other.createBucketIfMissing()
        try await check.run(
            on: store, prefix: AzureTestServer.prefix(),
            features: [.nestedKeys, .lineFeeds, .endedUploads, .multipart], other: other)
    }

    @Test func containersAreMadeOnce() async throws {
        let store = try AzureTestServer.store("made-\(UInt64.random(in: 0...UInt64.max))")
        await #expect(
            performing: { try await store.put("k", body: .bytes([1])) },
            throws: {
                ($0 as? BackupError)?.message.contains("container \"\(store.identity.bucket)\" does not exist") == true
            })
        try await store.createBucketIfMissing()
        try await store.createBucketIfMissing()
        try await store.put("k", body: .bytes([1]))
        try await store.delete(["k"])
    }

    @Test func conditionalWrites() async throws {
        let store = try AzureTestServer.store("conditions")
        try await store.createBucketIfMissing()
        let key = AzureTestServer.prefix() + "k"
        func attempt(_ condition: WriteCondition) async throws -> String? {
            do {
                return try await store.put(key, body: .bytes([1]), if: condition).etag
            } catch let error as BackupError where error.code == .alreadyExists {
                return nil
            }
        }
        let first = try #require(try await attempt(.absent))
        #expect(try await attempt(.absent) == nil)
        #expect(try await attempt(.unchanged(etag: first)) != nil)
        #expect(try await attempt(.unchanged(etag: first)) == nil)
    }

    @Test func aWrongKeyIsNamed() async throws {
        let store = try AzureTestServer.store("conformance", key: "d3Jvbmc=")
        await #expect(
            performing: { try await store.head("k") },
            throws: {
                let error = $0 as? BackupError
                return error?.code == .permissionDenied
                    && error?.message.hasPrefix("the account key does not belong to the account") == true
            })
    }

    /// Both ways through this process, with what is checked when ETags prove nothing; and inside the store.
    @Test(arguments: [FastPath.auto, .off], [CopyMode.streaming, .auto])
    func objectsAreCopied(path: FastPath, mode: CopyMode) async throws {
        let store = try AzureTestServer.store("copies", throughWire: path == .auto)
        try await store.createBucketIfMissing()
        let prefix = AzureTestServer.prefix()
        var options = CopyOptions()
        options.fastPath = path
        options.multipartStreamThreshold = 1 << 20
        options.multipartCopyThreshold = 1 << 20
        options.streamPartSize = 1 << 20
        options.minimumCopyPartSize = 1 << 20
        let copier = ObjectCopier(options: options)
        for size in [0, 1000, 3_500_000] {
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 9)) }
            try await store.put("\(prefix)from/\(size)", body: .bytes(bytes))
            let outcome = try await copier.copy(
                CopySource(store: store, key: "\(prefix)from/\(size)", size: Int64(size)),
                to: CopyDestination(store: store, key: "\(prefix)to/\(size)"), mode: mode)
            #expect(outcome.copiedByStore == (mode == .auto) && outcome.fallback == nil && outcome.md5 == nil)
            let pipe = BytePipe()
            _ = try await store.get("\(prefix)to/\(size)", range: nil, ifMatch: outcome.etag, into: pipe)
            #expect(try await pipe.collect(limit: 1 << 23) == bytes)
            if mode == .streaming, size > 0 {
                var sum = CRC32C()
                bytes.withUnsafeBytes { sum.update($0) }
                #expect(outcome.crc32c == sum.value)
            }
        }
        try await store.deleteAll(prefix: prefix)
    }

    /// As when an idle agent takes over what a slow one still copies: the first list of blocks discards those of the others.
    @Test func anObjectIsCopiedTwiceAtOnce() async throws {
        let store = try AzureTestServer.store("twice")
        try await store.createBucketIfMissing()
        let prefix = AzureTestServer.prefix()
        let bytes = (0..<2_500_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 9)) }
        try await store.put("\(prefix)from", body: .bytes(bytes))
        var options = CopyOptions()
        (options.multipartStreamThreshold, options.streamPartSize) = (1 << 20, 1 << 20)
        options.retry = RetryPolicy(attempts: 3, initialDelay: .zero, maximumDelay: .zero)
        let copier = ObjectCopier(options: options)
        try await forEachInParallel(0..<8, limit: 8) { _ in
            let outcome = try await copier.copy(
                CopySource(store: store, key: "\(prefix)from", size: 2_500_000),
                to: CopyDestination(store: store, key: "\(prefix)to"), mode: .streaming)
            #expect(!outcome.etag.isEmpty && outcome.crc32c != nil)
        }
        let pipe = BytePipe()
        _ = try await store.get("\(prefix)to", range: nil, ifMatch: nil, into: pipe)
        #expect(try await pipe.collect(limit: 1 << 23) == bytes)
    }

    /// The MD5 of the one side is not waited for on the other: the bytes are summed up from the first object on.
    @Test(.enabled(if: TestServer.minio != nil, "MILVUS_BACKUP_TEST_S3 names no server"), arguments: FastPath.allCases)
    func objectsComeFromS3AndGoBack(path: FastPath) async throws {
        let s3 = try #require(TestServer.minio?.throughWire).store()
        let azure = try AzureTestServer.store("from-s3", throughWire: true)
        try await s3.createBucketIfMissing()
        try await azure.createBucketIfMissing()
        let key = AzureTestServer.prefix() + "k"
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 ^ ($0 >> 9)) }
        var sum = CRC32C()
        bytes.withUnsafeBytes { sum.update($0) }
        try await s3.put(key, body: .bytes(bytes))
        var options = CopyOptions()
        options.fastPath = path
        let ends: [(any ObjectStore, any ObjectStore)] = [(s3, azure), (azure, s3)]
        for (from, to) in ends {
            let outcome = try await ObjectCopier(options: options).copy(
                CopySource(store: from, key: key, size: 300_000), to: CopyDestination(store: to, key: key), mode: .auto)
            #expect(outcome.crc32c == sum.value && outcome.md5 == nil && !outcome.copiedByStore)
            let pipe = BytePipe()
            _ = try await to.get(key, range: nil, ifMatch: nil, into: pipe)
            #expect(try await pipe.collect(limit: 1 << 20) == bytes)
        }
        try await s3.delete([key])
        try await azure.delete([key])
    }
}

private enum AzureTestServer {
    private static func variable(_ suffix: String) -> String? {
        getenv("MILVUS_BACKUP_TEST_AZURE\(suffix)").map { String(cString: $0) }
    }
    static var isThere: Bool { variable("") != nil }
    static let http = CurlHTTPClient()
    static let wire = WireHTTPClient(fallback: http)

    static func store(_ container: String, key: String? = nil, throughWire: Bool = false) throws -> AzureObjectStore {
        let url = try #require(variable(""))
        let match = try #require(url.wholeMatch(of: /https:\/\/([^:\/]+):(\d+)\/([^\/]+)/))
        var configuration = try AzureConfiguration(
            account: String(match.3), host: String(match.1), port: try #require(Int(match.2)), container: container,
            authorization: .sharedKey(
                StaticCredentials(S3Credentials(accountKey: Secret(try key ?? #require(variable("_KEY")))))))
        configuration.tls.caCertPath = try #require(variable("_CA"))
        return AzureObjectStore(configuration, http: throughWire ? wire : http)
    }

    static func prefix() -> String { "tests/\(UInt64.random(in: 0...UInt64.max))/" }
}
