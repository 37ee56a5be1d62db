import Support

/// The check that follows a stream.
extension ObjectCopier {
    /// Compares the ETags of source and destination when they can be compared.
    ///
    /// - Parameter boundariesAreEqual: see ``ETagShape/compared(to:boundariesAreEqual:)``.
    /// - Returns: the MD5 of the content when both sides agree on it; nil when there is no evidence either way.
    /// - Throws: ``BackupError/Code/corrupted``, retryable, when the copy differs from its source.
    func checkETags(
        _ source: CopySource, sourceETag: String, _ destination: CopyDestination, _ stored: StoredObject,
        boundariesAreEqual: Bool
    ) async throws -> String? {
        let (from, to) = (ETagShape(sourceETag), ETagShape(stored.etag))
        switch from.compared(to: to, boundariesAreEqual: boundariesAreEqual) {
        case .incomparable: return nil
        case .equal:
            if case .plain(let md5) = from { return md5 }
            return nil
        case .different:
            let isExplained =
                routes.hasETagsWithoutMD5(source.store.identity)
                || routes.hasETagsWithoutMD5(destination.store.identity)
            return isExplained ? nil : try await compareByReading(source, from, destination, to)
        }
    }

    /// ETags that look like MD5 are none where the store encrypts with a key of its own (S3: SSE-KMS, SSE-C). So before a
    /// copy is called damaged both objects are read once; when they are equal, that store's ETags are not compared again.
    private func compareByReading(
        _ source: CopySource, _ sourceETag: ETagShape, _ destination: CopyDestination, _ destinationETag: ETagShape
    ) async throws -> String? {
        let damage = BackupError(
            .corrupted,
            "the copy \"\(destination.key)\" in bucket \"\(destination.store.identity.bucket)\" differs from its source "
                + "\"\(source.key)\": ETags \(destinationETag.text) and \(sourceETag.text)",
            isRetryable: true)
        let (wanted, found): ([UInt8], [UInt8])
        do {
            wanted = try await digest(of: source)
            found = try await digest(
                of: CopySource(store: destination.store, key: destination.key, size: source.size))
        } catch let error as BackupError where error.code == .permissionDenied {
            throw damage
        }
        guard wanted == found else { throw damage }
        for (etag, store) in [(sourceETag, source.store), (destinationETag, destination.store)]
        where try etag.text != etag.expected(forContentMD5: wanted).text {
            routes.rememberETagsWithoutMD5(store.identity)
            logger.info(
                "ETags of this store are not the MD5 of the content; they are not compared any more",
                ["provider": store.identity.provider, "bucket": store.identity.bucket])
        }
        return StreamDigest.hexadecimal(wanted)
    }

    private func digest(of source: CopySource) async throws -> [UInt8] {
        try await streamSlots.withPermit {
            let pipe = BytePipe(capacity: options.pipeCapacity, throttle: limiter.bytes)
            return try await watchdog.watch(
                "read of \"\(source.key)\"", timeout: options.stallTimeout,
                progress: { pipe.isHeld ? nil : pipe.bytesRead }
            ) {
                defer { pipe.cancel() }
                _ = try await source.store.get(source.key, range: nil, ifMatch: source.etag, into: pipe)
                let digest = try StreamDigest()
                while let bytes = try await pipe.read() { digest.update(bytes) }
                return digest.finish()
            }
        }
    }
}

extension ETagShape {
    /// As a store writes it.
    fileprivate var text: String {
        switch self {
        case .plain(let digest): digest
        case .multipart(let digest, let parts): "\(digest)-\(parts)"
        case .opaque: ""
        }
    }

    /// The ETag of this shape that content with the digest `md5` has; for one part at most, since only that follows from it.
    fileprivate func expected(forContentMD5 md5: [UInt8]) throws(BackupError) -> ETagShape {
        guard case .multipart(_, let parts) = self else { return .plain(StreamDigest.hexadecimal(md5)) }
        let digest = try StreamDigest()
        digest.update(md5)
        return .multipart(StreamDigest.hexadecimal(digest.finish()), parts: parts)
    }
}
