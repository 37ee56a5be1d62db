import Support

/// A multipart upload from its beginning to its end, whatever the end is.
extension ObjectCopier {
    /// Begins an upload, lets `parts` fill it, and completes it; when anything fails, the upload is aborted.
    package func withUpload(
        _ destination: CopyDestination, size: Int64, _ parts: (_ uploadID: String) async throws -> [UploadedPart]
    ) async throws -> StoredObject {
        let id = try await beginUpload(destination)
        do {
            return try await complete(destination, id, try await parts(id), size: size)
        } catch {
            await abort(destination, id)
            throw error
        }
    }

    /// Not cancelled with this task at once: an upload whose id nobody has heard could not be aborted.
    private func beginUpload(_ destination: CopyDestination) async throws -> String {
        let what = "begin of the upload of \"\(destination.key)\""
        return try await retrying(what) {
            try Task.checkCancellation()
            return try await withGrace(self.options.cancellationGrace) {
                try await self.watched(what, timeout: self.options.stallTimeout) {
                    try await destination.store.createMultipartUpload(destination.key)
                }
            }
        }
    }

    private func complete(
        _ destination: CopyDestination, _ id: String, _ parts: [UploadedPart], size: Int64
    ) async throws -> StoredObject {
        let what = "completion of the upload of \"\(destination.key)\""
        var tries = 0
        return try await retrying(what) {
            tries += 1
            do {
                return try await watched(what, timeout: options.storeTimeout(size)) {
                    try await destination.store.completeMultipartUpload(destination.key, uploadID: id, parts: parts)
                }
            } catch let error as BackupError where error.code == .notFound && tries > 1 {
                // The upload may be gone because an earlier try completed it and only the answer was lost.
                guard let object = try await completed(destination, size: size, parts: parts.count) else { throw error }
                return object
            }
        }
    }

    /// The object, when it looks like what the upload would have made.
    private func completed(_ destination: CopyDestination, size: Int64, parts: Int) async throws -> StoredObject? {
        let found = try await watched("look at \"\(destination.key)\"", timeout: options.stallTimeout) {
            try await destination.store.head(destination.key)
        }
        guard let found, found.size == size else { return nil }
        switch ETagShape(found.etag) {
        case .multipart(_, let count) where count == parts: return StoredObject(etag: found.etag)
        case .opaque: return StoredObject(etag: found.etag)
        default: return nil
        }
    }

    /// In a task of its own, so that it also runs when this one is cancelled.
    private func abort(_ destination: CopyDestination, _ id: String) async {
        let limit = Task.isCancelled ? options.cancellationGrace : options.abortTimeout
        let outcome = await Task.detached { [self] in
            try await watched("abort of the upload of \"\(destination.key)\"", timeout: limit) {
                let policy = RetryPolicy(attempts: 3)
                try await withRetries(policy, clock: self.clock) {
                    try await destination.store.abortMultipartUpload(destination.key, uploadID: id)
                }
            }
        }.result
        if case .failure(let error) = outcome {
            logger.warn(
                "an upload in parts was left behind",
                [
                    "bucket": destination.store.identity.bucket, "key": destination.key, "upload": id,
                    "error": BackupError(wrapping: error).message,
                ])
        }
    }
}
