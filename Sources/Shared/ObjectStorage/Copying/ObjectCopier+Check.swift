import Support

/// The check that follows a stream.
extension ObjectCopier {
    /// Compares the ETags of source and destination when they can be compared.
    ///
    /// - Parameters:
    ///   - boundariesAreEqual: see ``ETagShape/compared(to:boundariesAreEqual:)``.
    ///   - wereSeen: whether the bytes have passed through this process. If they have not, and the ETags prove nothing,
    ///     both objects are read.
    /// - Returns: the MD5 of the content when both sides agree on it; nil when there is no evidence either way.
    /// - Throws: ``BackupError/Code/corrupted``, retryable, when the copy differs from its source.
    func checkETags(
        _ source: CopySource, sourceETag: String, _ destination: CopyDestination, _ stored: StoredObject,
        boundariesAreEqual: Bool, wereSeen: Bool
    ) async throws -> String? {
        let from = try await confirmed(ETagShape(sourceETag), of: source.key, in: source.store)
        let to = try await confirmed(ETagShape(stored.etag), of: destination.key, in: destination.store)
        switch from.compared(to: to, boundariesAreEqual: boundariesAreEqual) {
        case .incomparable: return wereSeen ? nil : try await compareByReading(source, from, destination, to)
        case .equal:
            guard case .plain(let md5) = from else { return nil }
            routes.rememberETagsWithMD5(source.store.identity)
            routes.rememberETagsWithMD5(destination.store.identity)
            return md5
        case .different:
            let isExplained =
                routes.hasETagsWithoutMD5(source.store.identity)
                || routes.hasETagsWithoutMD5(destination.store.identity)
            return isExplained && wereSeen ? nil : try await compareByReading(source, from, destination, to)
        }
    }

    /// An ETag that says nothing may be a garbled answer, and it would leave a damaged copy unseen: the store is asked once
    /// more. One that says nothing again is taken at its word from then on.
    private func confirmed(
        _ etag: ETagShape, of key: String, in store: any ObjectStore
    ) async throws -> ETagShape {
        guard etag == .opaque, !routes.hasOpaqueETags(store.identity) else { return etag }
        let found = ETagShape(try await store.head(key)?.etag)
        if found == .opaque { routes.rememberOpaqueETags(store.identity) }
        return found
    }

    /// ETags that look like MD5 are none where the store encrypts with a key of its own (S3: SSE-KMS, SSE-C). So before a
    /// copy is called damaged both objects are read once. When they are equal, that store's ETags are not compared again,
    /// unless one was seen to be an MD5: then each object is a matter of its own.
    ///
    /// - Returns: the MD5 of the content.
    /// - Throws: `corrupted`, retryable, when they differ.
    @discardableResult
    func compareByReading(
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
        try await learn(from: sourceETag, of: source.key, in: source.store, contentMD5: wanted)
        try await learn(from: destinationETag, of: destination.key, in: destination.store, contentMD5: wanted)
        return StreamDigest.hexadecimal(wanted)
    }

    /// Remembers what the ETag of an object, whose content is known, says about the others of its store.
    private func learn(
        from etag: ETagShape, of key: String, in store: any ObjectStore, contentMD5: [UInt8]
    ) async throws {
        guard let expected = try etag.expected(forContentMD5: contentMD5)?.text, etag.text != expected else { return }
        // One answer may have been garbled, and it would leave all other copies without a proof: so the store is asked.
        guard let found = try await store.head(key), ETagShape(found.etag).text != expected,
            routes.rememberETagsWithoutMD5(store.identity)
        else { return }
        logger.info(
            "ETags of this store are not the MD5 of the content; they are not compared any more",
            ["provider": store.identity.provider, "bucket": store.identity.bucket])
    }

    private func digest(of source: CopySource) async throws -> [UInt8] {
        try await streamSlots.withPermit(options.streamShares(source.size)) {
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

    /// The ETag of this shape that content with the digest `md5` has; nil when it does not follow from that.
    fileprivate func expected(forContentMD5 md5: [UInt8]) throws(BackupError) -> ETagShape? {
        switch self {
        case .plain: return .plain(StreamDigest.hexadecimal(md5))
        case .multipart(_, parts: 1):
            let digest = try StreamDigest()
            digest.update(md5)
            return .multipart(StreamDigest.hexadecimal(digest.finish()), parts: 1)
        case .multipart, .opaque: return nil
        }
    }
}
