import HTTP
import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

/// Against real servers; skipped where none is named by the environment.
@Suite(.enabled(if: !TestServer.all.isEmpty, "MILVUS_BACKUP_TEST_S3 and MILVUS_BACKUP_TEST_S3_SECOND name no server"))
struct S3ServerTests {
    @Test(arguments: TestServer.all, ConformanceCheck.all)
    func holdsTheContract(_ server: TestServer, _ check: ConformanceCheck) async throws {
        let store = server.store()
        let other = server.store { $0.bucket += "-other" }
        try await store.createBucketIfMissing()
        try await other.createBucketIfMissing()
        try await check.run(
            on: store, prefix: server.prefix("conformance"), features: server.features, other: other)
    }

    @Test(arguments: TestServer.all)
    func bucketsAreMadeOnce(_ server: TestServer) async throws {
        let store = server.store { $0.bucket = "made-\(UInt64.random(in: 0...UInt64.max))" }
        await #expect(
            performing: { try await store.hasObjects(prefix: "") },
            throws: {
                guard let error = $0 as? BackupError else { return false }
                return error.code == .notFound
                    && error.message.contains("bucket \"\(store.identity.bucket)\" does not exist")
            })
        await #expect(
            performing: { try await store.put("k", body: .bytes([1])) },
            throws: { ($0 as? BackupError)?.code == .notFound })
        try await store.createBucketIfMissing()
        try await store.createBucketIfMissing()
        try await store.put("k", body: .bytes([1]))
        try await store.delete(["k"])
    }

    /// A server either heeds a condition or ignores it, and never says anything else.
    @Test(arguments: TestServer.all)
    func conditionalWrites(_ server: TestServer) async throws {
        let store = server.store()
        try await store.createBucketIfMissing()
        let key = server.prefix("conditions") + "k"
        let heeds =
            !server.description.hasPrefix("MILVUS_BACKUP_TEST_S3 ") && server.description != "MILVUS_BACKUP_TEST_S3"
        func attempt(_ condition: WriteCondition, _ byte: UInt8) async throws -> String? {
            do {
                return try await store.put(key, body: .bytes([byte]), if: condition).etag
            } catch let error as BackupError where error.code == .alreadyExists {
                return nil
            }
        }
        let first = try #require(try await attempt(.absent, 1))
        #expect(try await (attempt(.absent, 2) == nil) == heeds)
        let second = try await attempt(.unchanged(etag: first), 3)
        #expect(heeds ? second != nil : true)
        #expect(try await (attempt(.unchanged(etag: first), 4) == nil) == heeds)
        try await store.delete([key])
    }

    @Test(.enabled(if: TestServer.minio != nil, "MILVUS_BACKUP_TEST_S3 names no server"))
    func refusedCredentialsAreNamed() async throws {
        let server = try #require(TestServer.minio)
        for (id, secret, words) in [
            ("nobody-knows-me", "secretsecret", "the access key \"nobody-…\" is not known to"),
            (nil, "secretsecret", "the secret key does not belong to the access key"),
        ] {
            let store = server.store {
                $0.credentials = StaticCredentials(
                    S3Credentials(accessKeyID: id ?? server.accessKeyID, secretAccessKey: Secret(secret)))
            }
            await #expect(
                performing: { try await store.put("k", body: .bytes([1])) },
                throws: {
                    guard let error = $0 as? BackupError else { return false }
                    return error.code == .permissionDenied && error.message.contains(words)
                        && !error.description.contains("secretsecret")
                })
        }
    }

    @Test(
        .enabled(if: TestServer.tls != nil, "MILVUS_BACKUP_TEST_S3_TLS names no server"),
        arguments: [TestServer.tls, TestServer.tls?.throughWire].compactMap { $0 }, ConformanceCheck.all)
    func holdsTheContractOverTLS(_ server: TestServer, _ check: ConformanceCheck) async throws {
        let store = server.store()
        try await store.createBucketIfMissing()
        try await check.run(on: store, prefix: server.prefix("tls"), features: server.features)
    }

    @Test(.enabled(if: TestServer.tls != nil, "MILVUS_BACKUP_TEST_S3_TLS names no server"))
    func anUnknownAuthorityIsNotTrusted() async throws {
        let server = try #require(TestServer.tls)
        for server in [server, server.throughWire] {
            let store = server.store { $0.tls = TLSSettings() }
            await #expect(
                performing: { try await store.head("k") }, throws: { ($0 as? BackupError)?.code == .unavailable })
        }
    }

    @Test(arguments: TestServer.all)
    func thousandsOfSmallObjects(_ server: TestServer) async throws {
        let store = server.store()
        try await store.createBucketIfMissing()
        let prefix = server.prefix("many")
        let count = server.description == TestServer.minio?.description ? 5000 : 500
        let bucket = store.identity.bucket
        try await forEachInParallel(0..<count, limit: 64) { index in
            let key = "\(prefix)a/\(index)"
            let bytes = Array("object \(index)".utf8)
            try await store.put(key, body: .bytes(bytes))
            try await store.copy(ObjectReference(bucket: bucket, key: key), to: "\(prefix)b/\(index)")
            let pipe = BytePipe()
            _ = try await store.get("\(prefix)b/\(index)", range: nil, ifMatch: nil, into: pipe)
            let read = try await pipe.collect(limit: 100)
            #expect(read == bytes)
        }
        var sizes = 0
        let listed = try await store.forEachPage(prefix: prefix) { page in
            sizes += page.objects.reduce(0) { $0 + Int($1.size) }
        }
        #expect(listed == 2 * count)
        #expect(sizes == 2 * (0..<count).reduce(0) { $0 + "object \($1)".utf8.count })
        #expect(try await store.deleteAll(prefix: prefix) == 2 * count)
        #expect(try await !store.hasObjects(prefix: prefix))
    }
}
