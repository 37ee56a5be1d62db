import Checksums
import HTTP
import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

/// Copies between real servers, from socket to socket; skipped where none is named by the environment.
@Suite(
    .enabled(
        if: TestServer.minio != nil && TestServer.other != nil,
        "MILVUS_BACKUP_TEST_S3 and MILVUS_BACKUP_TEST_S3_OTHER_SERVER name no servers"),
    .timeLimit(.minutes(5)))
struct S3RelayTests {
    private static let pairs = [
        (TestServer.minio, TestServer.other), (TestServer.minio, TestServer.second),
        (TestServer.second, TestServer.minio),
        (TestServer.tls, TestServer.other), (TestServer.minio, TestServer.tls), (TestServer.tls, TestServer.tls),
    ].compactMap { from, to in from.flatMap { from in to.map { (from.throughWire, $0.throughWire) } } }

    private static func bytes(_ count: Int) -> [UInt8] {
        let block = (0..<65_521).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 11) }
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += block.prefix(count - bytes.count) }
        return bytes
    }

    private func checksum(_ bytes: [UInt8]) -> UInt32 {
        var crc = CRC32C()
        bytes.withUnsafeBytes { crc.update($0) }
        return crc.value
    }

    @Test(arguments: pairs, FastPath.allCases)
    func everySizeArrives(_ pair: (from: TestServer, to: TestServer), _ fastPath: FastPath) async throws {
        // Buckets of their own: moto fails to list one in which others write.
        let bucket = "relay-\(fastPath.rawValue)-\(Self.pairs.firstIndex { "\($0)" == "\(pair)" } ?? 0)"
        let from = pair.from.store { $0.bucket = bucket }
        let to = pair.to.store { $0.bucket = bucket }
        try await from.createBucketIfMissing()
        try await to.createBucketIfMissing()
        let prefix = pair.from.prefix("relay")
        let sizes = [0, 1, 16_384, 200_000, (5 << 20) + 7]
        for size in sizes { try await from.put("\(prefix)from/\(size)", body: .bytes(Self.bytes(size))) }
        var options = CopyOptions()
        options.fastPath = fastPath
        // The last one goes in parts.
        options.multipartStreamThreshold = 5 << 20
        options.streamPartSize = 5 << 20
        let copier = ObjectCopier(options: options)
        try await forEachInParallel(sizes, limit: 3) { size in
            let key = "\(prefix)to/\(size)"
            let info = try #require(try await from.head("\(prefix)from/\(size)"))
            let progress = CopyProgress()
            let outcome = try await copier.copy(
                CopySource(store: from, key: info.key, size: info.size, etag: info.etag),
                to: CopyDestination(store: to, key: key), mode: .streaming, progress: progress)
            let pipe = BytePipe()
            _ = try await to.get(key, range: nil, ifMatch: nil, into: pipe)
            let read = try await pipe.collect(limit: 20 << 20)
            #expect(read == Self.bytes(size))
            #expect(progress.bytes == Int64(size))
            let isInParts = size > 5 << 20
            #expect(outcome.md5 == (isInParts || size == 0 ? nil : info.etag))
            // Parts of an object that was stored as a whole are never proven by ETags.
            let hasChecksum = size > 0 && (fastPath != .auto || isInParts)
            #expect(outcome.crc32c == (hasChecksum ? checksum(read) : nil))
        }
        try await from.deleteAll(prefix: prefix)
        try await to.deleteAll(prefix: prefix)
    }

    @Test func whatIsMissingOrHasChangedIsNotCopied() async throws {
        let server = try #require(TestServer.minio).throughWire
        let (from, to) = (server.store(), try #require(TestServer.other).throughWire.store())
        try await from.createBucketIfMissing()
        try await to.createBucketIfMissing()
        let prefix = server.prefix("relay-missing")
        try await from.put("\(prefix)k", body: .bytes([1, 2, 3]))
        let copier = ObjectCopier()
        for (key, size, etag) in [("missing", 3, nil), ("k", 3, String(repeating: "a", count: 32)), ("k", 4, nil)] {
            let error = await #expect(throws: BackupError.self) {
                try await copier.copy(
                    CopySource(store: from, key: prefix + key, size: Int64(size), etag: etag),
                    to: CopyDestination(store: to, key: prefix + "to"), mode: .streaming)
            }
            #expect(error?.code == (size == 4 ? .corrupted : .notFound))
        }
        let gone = server.store { $0.bucket = "no-such-bucket-\(UInt32.random(in: 0...UInt32.max))" }
        let error = await #expect(throws: BackupError.self) {
            try await copier.copy(
                CopySource(store: from, key: prefix + "k", size: 3), to: CopyDestination(store: gone, key: "to"),
                mode: .streaming)
        }
        #expect(error?.code == .notFound && error?.message.contains("bucket") == true)
        #expect(try await to.head(prefix + "to") == nil)
        try await from.deleteAll(prefix: prefix)
    }
}
