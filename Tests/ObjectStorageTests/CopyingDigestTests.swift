import Checksums
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import ObjectStorage

@Suite(.timeLimit(.minutes(1))) struct CopyingDigestTests {
    private let store = MemoryObjectStore()
    private let copier = ObjectCopier()

    private func digest(_ bytes: [UInt8], etag: String? = nil, size: Int? = nil) async throws -> ContentDigest {
        store.set("a/b", bytes)
        return try await copier.digest(
            CopySource(store: store, key: "a/b", size: Int64(size ?? bytes.count), etag: etag))
    }

    @Test func theETagIsMadeInTheShapeOfTheOneThatIsExpected() async throws {
        let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        var sum = CRC32C()
        bytes.withUnsafeBytes { sum.update($0) }
        let none = try await digest(bytes)
        #expect(none == ContentDigest(crc32c: sum.value, etag: nil))
        let plain = try await digest(bytes, etag: String(repeating: "0", count: 32))
        #expect(plain.etag == store.etag("a/b"))
        store.set("parts", bytes, partSize: bytes.count)
        #expect(try await digest(bytes, etag: String(repeating: "0", count: 32) + "-1").etag == store.etag("parts"))
        #expect(try await digest([]).crc32c == 0)
    }

    /// 18 MiB are two parts of 16 or of 10 MiB: the one that fits counts.
    @Test(arguments: [16 << 20, 10 << 20]) func partsOfSeveralSizesArePossible(partSize: Int) async throws {
        var bytes = [UInt8](repeating: 7, count: 18 << 20)
        for index in stride(from: 0, to: bytes.count, by: 4096) { bytes[index] = UInt8(index >> 12 & 255) }
        store.set("parts", bytes, partSize: partSize)
        let etag = try #require(store.etag("parts"))
        #expect(etag.hasSuffix("-2"))
        #expect(try await digest(bytes, etag: etag).etag == etag)
        // So many parts no usual size makes of it.
        #expect(try await digest(bytes, etag: String(repeating: "0", count: 32) + "-9").etag == nil)
    }

    /// As copies do.
    @Test func theLimitsOfTheJobHold() async throws {
        let content = CopyingBench.bytes(990)
        copier.limiter.set(bandwidth: 4000, requestsPerSecond: nil)
        let start = ContinuousClock.now
        _ = try await digest(content)
        #expect(ContinuousClock.now - start >= .milliseconds(200))
        copier.limiter.set(bandwidth: nil, requestsPerSecond: 20)
        let restart = ContinuousClock.now
        for _ in 0..<6 { _ = try await digest(content) }
        #expect(ContinuousClock.now - restart >= .milliseconds(200))
    }

    @Test func aStoreThatIsOverloadedIsReadLess() async throws {
        let before = copier.gates[store.identity].limit
        let isFirst = Mutex(true)
        store.faults.before = { _ in
            guard
                isFirst.withLock({ first in
                    defer { first = false }; return first
                })
            else { return }
            throw BackupError(.throttled, "slow down", isRetryable: true)
        }
        _ = try await digest([1, 2, 3])
        #expect(copier.gates[store.identity].limit < before)
    }

    @Test func anotherSizeIsDamage() async {
        let error = await #expect(throws: BackupError.self) { try await digest([1, 2, 3], size: 4) }
        #expect(error?.code == .corrupted)
    }
}
