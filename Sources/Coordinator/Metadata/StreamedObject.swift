import ObjectStorage
import Support

extension ObjectStore {
    /// Writes an object that `produce` makes piece by piece, without holding it in memory.
    ///
    /// S3 wants to know the length first, so `produce` runs twice, once to count and once to send (more often when the
    /// sending is retried), on a thread of its own: it must make the same bytes every time. What is small is kept from the
    /// first run.
    ///
    /// - Returns: the length in bytes.
    @discardableResult
    func putStreamed(
        _ key: String, producing produce: @escaping @Sendable (@escaping ([UInt8]) throws -> Void) throws -> Void
    ) async throws -> Int64 {
        let smallSize = 1 << 20
        let (length, small) = try await onDedicatedThread {
            var length: Int64 = 0
            var kept: [UInt8] = []
            try produce { piece in
                length += Int64(piece.count)
                if length <= smallSize { kept += piece } else { kept = [] }
            }
            return (length, length <= smallSize ? kept : nil)
        }
        if let small {
            try await put(key, body: .bytes(small))
            return length
        }
        try await withRetries {
            let pipe = BytePipe()
            async let producing: Void = onDedicatedThread {
                do {
                    try produce { piece in try piece.withUnsafeBytes { try pipe.writeBlocking($0) } }
                    pipe.finish()
                } catch {
                    // Said on both ways, since a put that has all its bytes reads no further.
                    pipe.fail(BackupError(wrapping: error))
                    throw error
                }
            }
            defer { pipe.cancel() }
            try await put(key, body: .pipe(pipe, length: length))
            try await producing
        }
        return length
    }

    /// Ends the uploads in parts below `prefix` that nobody has ended. A store that cannot list them, or to somebody who
    /// may not, has none to show.
    func abortUploads(
        below prefix: String, where isMeant: (PendingUpload) -> Bool = { _ in true }
    ) async throws {
        do {
            for upload in try await listMultipartUploads(prefix: prefix) where isMeant(upload) {
                try await abortMultipartUpload(upload.key, uploadID: upload.uploadID)
            }
        } catch let error as BackupError where [.unsupported, .permissionDenied].contains(error.code) {}
    }
}
