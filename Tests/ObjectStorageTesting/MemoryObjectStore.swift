import ObjectStorage
import Support
import Synchronization

/// A fake: an object store in memory for unit tests, with S3's ETags and faults on demand.
///
/// What a real store does is shown by the conformance suite and by the integration tests, never by this.
package final class MemoryObjectStore: ObjectStore {
    package let identity: StoreIdentity
    package let limits: StoreLimits
    package let backend: MemoryBackend
    private let faultsState = Mutex(MemoryStoreFaults())
    private let countsState = Mutex(StoreCallCounts())

    /// - Parameters:
    ///   - createsBucket: whether the bucket is there from the beginning.
    ///   - limits: small ones let a test use multipart uploads with few bytes.
    package init(
        bucket: String = "bucket", backend: MemoryBackend = MemoryBackend(), limits: StoreLimits = StoreLimits(),
        createsBucket: Bool = true
    ) {
        self.backend = backend
        self.limits = limits
        identity = StoreIdentity(provider: "memory", endpoint: backend.endpoint, bucket: bucket)
        if createsBucket {
            backend.state.withLock { $0.buckets[bucket] = $0.buckets[bucket] ?? MemoryBackend.Bucket() }
        }
    }

    // MARK: For tests

    /// What goes wrong. May be changed at any time.
    package var faults: MemoryStoreFaults {
        get { faultsState.withLock { $0 } }
        set { faultsState.withLock { $0 = newValue } }
    }

    /// The calls so far.
    package var counts: StoreCallCounts { countsState.withLock { $0 } }

    /// Puts an object there without counting or failing. `partSize` makes it one that was uploaded in parts.
    package func set(_ key: String, _ bytes: [UInt8], partSize: Int? = nil) {
        let etag = partSize.map { MemoryObjectStore.multipartETag(of: bytes, partSize: $0) } ?? hexadecimal(md5(bytes))
        let lengths = partSize.map { size in
            stride(from: 0, to: bytes.count, by: size).map { Int64(min(size, bytes.count - $0)) }
        }
        backend.state.withLock {
            $0.buckets[identity.bucket, default: .init()][.init(key)] = .init(
                bytes: bytes, etag: etag, lengths: lengths)
        }
    }

    /// The content of an object, nil when it is not there.
    package func bytes(_ key: String) -> [UInt8]? { object(key)?.bytes }

    /// The ETag of an object, nil when it is not there.
    package func etag(_ key: String) -> String? { object(key)?.etag }

    /// All keys in order.
    package var keys: [String] {
        backend.state.withLock { $0.buckets[identity.bucket]?.sortedKeys().map(\.text) ?? [] }
    }

    /// How many uploads were neither completed nor aborted.
    package var pendingUploads: Int { backend.state.withLock { $0.buckets[identity.bucket]?.uploads.count ?? 0 } }

    private func object(_ key: String) -> MemoryBackend.Object? {
        backend.state.withLock { $0.buckets[identity.bucket]?[.init(key)] }
    }

    // MARK: Shared by the operations

    /// Counts the call, lets the test's faults happen, checks the key, and does it.
    func perform<Result>(_ call: StoreCall, _ body: () async throws -> Result) async throws -> Result {
        countsState.withLock { $0.begin(call) }
        defer { countsState.withLock { $0.end(call) } }
        try Task.checkCancellation()
        try await faults.before(call)
        try Task.checkCancellation()
        return try await body()
    }

    /// Works on this store's bucket; `notFound` when there is none.
    func withBucket<Result>(
        _ body: (inout MemoryBackend.Bucket) throws(BackupError) -> sending Result
    ) throws(BackupError) -> sending Result {
        let name = identity.bucket
        return try backend.state.withLock { state throws(BackupError) in
            guard var bucket = state.buckets[name] else { throw missingBucket(name) }
            // Taken out while it is changed, so that it is not copied.
            state.buckets[name] = nil
            defer { state.buckets[name] = bucket }
            return try body(&bucket)
        }
    }

    func missingBucket(_ name: String) -> BackupError {
        BackupError(.notFound, "memory store \(identity.endpoint): bucket \"\(name)\" does not exist")
    }

    func missing(_ key: String, _ what: String = "object") -> BackupError {
        BackupError(
            .notFound, "memory store \(identity.endpoint): \(what) \"\(identity.bucket)/\(key)\" does not exist")
    }

    func checkKey(_ key: String) throws(BackupError) {
        guard (1...1024).contains(key.utf8.count) else {
            throw BackupError(.invalidArgument, "memory store: a key of \(key.utf8.count) bytes is not possible")
        }
    }

    func wrongArgument(_ key: String, _ message: String) -> BackupError {
        BackupError(.invalidArgument, "memory store: \"\(identity.bucket)/\(key)\": \(message)")
    }

    /// The bytes of `body`, one wrong when the test wants it so.
    func content(of body: ObjectBody, _ call: StoreCall) async throws -> [UInt8] {
        guard body.length <= limits.maximumPutSize else {
            throw wrongArgument(call.key, "\(body.length) bytes are more than one request can carry")
        }
        var bytes: [UInt8]
        switch body {
        case .bytes(let given): bytes = given
        case .pipe(let pipe, let length):
            bytes = []
            while bytes.count < length {
                guard let more = try await pipe.read(upTo: min(64 * 1024, Int(length) - bytes.count)) else {
                    throw BackupError(
                        .unavailable, "memory store: the body of \"\(call.key)\" ended after \(bytes.count) bytes",
                        isRetryable: true)
                }
                bytes += more
                try await faults.betweenPieces()
            }
        }
        if faults.damagesWrite(call), !bytes.isEmpty { bytes[0] ^= 0xff }
        return bytes
    }

    /// What the store says the ETag of these bytes is.
    func makeETag(_ bytes: [UInt8]) -> String {
        (faults.hasForeignETags ? "0x" : "") + hexadecimal(md5(faults.hasOpaqueETags ? bytes + [0] : bytes))
    }

    /// The ETag S3 gives to an object uploaded in parts of `partSize`.
    package static func multipartETag(of bytes: [UInt8], partSize: Int) -> String {
        let starts = Array(stride(from: 0, to: max(bytes.count, 1), by: partSize))
        let digests = starts.flatMap { md5(Array(bytes[$0..<min($0 + partSize, bytes.count)])) }
        return "\(hexadecimal(md5(digests)))-\(starts.count)"
    }
}
