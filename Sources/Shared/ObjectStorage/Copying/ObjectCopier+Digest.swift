import Checksums
import Support

/// What the bytes of an object add up to.
package struct ContentDigest: Sendable, Hashable {
    package var crc32c: UInt32
    /// The ETag that a store which makes them of MD5 gives to these bytes, in the shape that was asked for; nil when none was,
    /// or when nothing is known of the parts.
    package var etag: String?
}

/// Objects are read, and go nowhere.
extension ObjectCopier {
    /// Reads an object, with the retries and under the watch of a copy.
    ///
    /// - Parameter source: its ETag is no condition: it says of which shape the digest's is to be, and when the bytes give the
    ///   same with any of the usual part sizes, it is the digest's.
    /// - Throws: `notFound`; `corrupted` when the object has another size; what the store throws.
    package func digest(
        _ source: CopySource, progress: CopyProgress = CopyProgress()
    ) async throws(BackupError) -> ContentDigest {
        do {
            return try await retrying("read of \"\(source.key)\"") {
                try await streamSlots.withPermit(options.streamShares(source.size)) {
                    try await paced(source.store, source.store, bytes: source.size) {
                        try await limiter.requests.acquire(1)
                        return try await readOnce(source, progress)
                    }
                }
            }
        } catch {
            throw Task.isCancelled ? BackupError(.canceled, "canceled", cause: error) : BackupError(wrapping: error)
        }
    }

    private func readOnce(_ source: CopySource, _ progress: CopyProgress) async throws -> ContentDigest {
        let pipe = BytePipe(capacity: options.pipeCapacity, throttle: limiter.bytes)
        progress.begin(pipe)
        defer { progress.end(pipe) }
        return try await watchdog.watch(
            "read of \"\(source.key)\"", timeout: options.stallTimeout,
            progress: { pipe.isHeld ? nil : pipe.bytesRead }
        ) { [self] in
            defer { pipe.cancel() }
            let info = try await source.store.get(source.key, range: nil, ifMatch: nil, into: pipe)
            guard info.size == source.size else {
                throw wrongSize(source.key, expected: source.size, found: info.size)
            }
            var sum = CRC32C()
            var etags = try ETagDigest(of: ETagShape(source.etag), size: source.size)
            while let bytes = try await pipe.read() {
                try bytes.withUnsafeBytes { bytes in
                    sum.update(bytes)
                    try etags.update(bytes)
                }
            }
            guard pipe.bytesRead == source.size else {
                throw wrongSize(source.key, expected: source.size, found: pipe.bytesRead, isRetryable: true)
            }
            return ContentDigest(crc32c: sum.value, etag: try etags.finish())
        }
    }
}

/// ETags of bytes that come in pieces: of the whole, or of parts of every size that may have been meant.
private struct ETagDigest {
    private struct Candidate {
        let partSize: Int64
        var part: StreamDigest
        var left: Int64
        /// Of the digests of the parts.
        let whole: StreamDigest
    }

    private let wanted: ETagShape
    private var plain: StreamDigest?
    private var candidates: [Candidate] = []

    init(of shape: ETagShape, size: Int64) throws(BackupError) {
        wanted = shape
        switch shape {
        case .plain: plain = try StreamDigest()
        case .multipart(_, let parts):
            for partSize in PartPlan.guessedPartSizes(size: size, parts: parts) {
                candidates.append(
                    Candidate(
                        partSize: partSize, part: try StreamDigest(), left: partSize, whole: try StreamDigest()))
            }
        case .opaque: break
        }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) throws(BackupError) {
        plain?.update(bytes)
        for index in candidates.indices {
            var rest = bytes[...]
            while !rest.isEmpty {
                if candidates[index].left == 0 {
                    candidates[index].whole.update(candidates[index].part.finish())
                    candidates[index].part = try StreamDigest()
                    candidates[index].left = candidates[index].partSize
                }
                let piece = rest.prefix(Int(clamping: candidates[index].left))
                candidates[index].part.update(UnsafeRawBufferPointer(rebasing: piece))
                candidates[index].left -= Int64(piece.count)
                rest = rest.dropFirst(piece.count)
            }
        }
    }

    func finish() throws(BackupError) -> String? {
        if let plain { return StreamDigest.hexadecimal(plain.finish()) }
        guard case .multipart(let digest, let parts) = wanted else { return nil }
        let found = candidates.map { candidate in
            candidate.whole.update(candidate.part.finish())
            return StreamDigest.hexadecimal(candidate.whole.finish())
        }
        return (found.first { $0 == digest } ?? found.first).map { "\($0)-\(parts)" }
    }
}

extension ETagShape {
    /// Whether an ETag is the MD5 of the content. Where a store encrypts with a key of its own it is not, although it looks
    /// like one.
    package static func isMD5(_ etag: String, of content: [UInt8]) throws(BackupError) -> Bool {
        guard case .plain(let digits) = ETagShape(etag) else { return false }
        let digest = try StreamDigest()
        digest.update(content)
        return StreamDigest.hexadecimal(digest.finish()) == digits
    }
}
