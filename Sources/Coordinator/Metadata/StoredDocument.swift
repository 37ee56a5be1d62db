import ObjectStorage
import Support

/// Reading documents that a job relies on: metadata, records, journals.
///
/// A broken connection is tried again, and so is a document that cannot be understood or whose bytes are not those that its
/// ETag stands for: it may have been damaged on the way. Where ETags are no MD5s two equal readings are believed.
extension ObjectStore {
    /// Reads a small document, and what the store tells of it.
    ///
    /// - Throws: `corrupted` when it is larger than `limit`, or another one each time.
    func readWhole(_ key: String, limit: Int) async throws -> (bytes: [UInt8], info: ObjectInfo) {
        try await read(key, limit: limit) { bytes, info in (bytes, info) }
    }

    /// Reads a document as a whole and makes something of it, and reads it again when that fails.
    ///
    /// - Throws: what `understand` throws, when it does so each time.
    func read<Result: Sendable>(
        _ key: String, limit: Int, understanding understand: ([UInt8], ObjectInfo) throws -> Result
    ) async throws -> Result {
        var doubt = DoubtfulReadings()
        var failures = 0
        return try await withRetries {
            let pipe = BytePipe()
            let info = try await get(key, range: nil, ifMatch: nil, into: pipe)
            let bytes = try await pipe.collect(limit: limit)
            let digest = try StreamDigest()
            digest.update(bytes)
            try doubt.judge(digest.finish(), etag: info.etag, of: key)
            return try retryingFewTimes(&failures) { try understand(bytes, info) }
        }
    }

    /// Reads an object through `parse`, which runs on a thread of its own and gets a piece at a time from its argument, nil
    /// at the end. It may be called several times, and may stop before the end.
    func getStreamed<Result: Sendable>(
        _ key: String, parsing parse: @escaping @Sendable (@escaping () throws -> [UInt8]?) throws -> Result
    ) async throws -> Result {
        var doubt = DoubtfulReadings()
        var failures = 0
        return try await withRetries {
            let pipe = BytePipe()
            let info = try await get(key, range: nil, ifMatch: nil, into: pipe)
            let reading = try await withTaskCancellationHandler {
                try await onDedicatedThread {
                    defer { pipe.cancel() }
                    return try StreamedReading(of: pipe, parse)
                }
            } onCancel: {
                pipe.fail(BackupError(.canceled, "canceled"))
            }
            let result = try retryingFewTimes(&failures) { try reading.result.get() }
            if let digest = reading.digest { try doubt.judge(digest, etag: info.etag, of: key) }
            return result
        }
    }
}

/// What came of reading a stream once.
private struct StreamedReading<Result: Sendable>: Sendable {
    let result: Swift.Result<Result, any Error>
    /// The MD5 of all bytes; nil when not all of them were wanted.
    let digest: [UInt8]?

    init(of pipe: BytePipe, _ parse: (@escaping () throws -> [UInt8]?) throws -> Result) throws {
        let digest = try StreamDigest()
        var isAtEnd = false
        result = Swift.Result {
            try parse {
                let piece = try [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, count in
                    count = try pipe.readBlocking(into: UnsafeMutableRawBufferPointer(buffer))
                }
                isAtEnd = piece.isEmpty
                digest.update(piece)
                return isAtEnd ? nil : piece
            }
        }
        self.digest = isAtEnd ? digest.finish() : nil
    }
}

/// Readings of one object whose MD5 is not the ETag.
private struct DoubtfulReadings {
    private var last: [UInt8]?

    /// - Throws: `corrupted`, retryable, when the object is to be read again.
    mutating func judge(_ digest: [UInt8], etag: String, of key: String) throws(BackupError) {
        guard case .plain(let md5) = ETagShape(etag), md5 != StreamDigest.hexadecimal(digest), digest != last else {
            return
        }
        last = digest
        throw BackupError(.corrupted, "\(key): what is read is not what the store's ETag stands for", isRetryable: true)
    }
}

/// Lets a document that cannot be understood be read three times.
private func retryingFewTimes<Result>(_ failures: inout Int, _ body: () throws -> Result) throws -> Result {
    do {
        return try body()
    } catch var error as BackupError where error.code == .corrupted && failures < 2 {
        failures += 1
        error.isRetryable = true
        throw error
    }
}
