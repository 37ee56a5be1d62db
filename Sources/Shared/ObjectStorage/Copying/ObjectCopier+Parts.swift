import Checksums
import Support

/// A range of an object that becomes a part of an upload.
package struct CopyPart: Sendable, Hashable {
    package var number: Int
    package var range: Range<Int64>
    package var uploadID: String
    /// Parts of the whole, when they are the source's: then its ETag will prove the copy, and the bytes need not be seen.
    package var provenBy: Int?

    package init(number: Int, range: Range<Int64>, uploadID: String, provenBy: Int? = nil) {
        self.number = number
        self.range = range
        self.uploadID = uploadID
        self.provenBy = provenBy
    }
}

/// Objects whose parts are copied by several processes: one begins the upload (``ObjectCopier/withUpload(_:size:_:)``), ends it
/// and looks at the result; all of them copy parts.
extension ObjectCopier {
    /// Copies one part.
    ///
    /// - Parameter source: all parts must come from one version of it, so it needs its ETag.
    /// - Returns: ETag and checksum of the part.
    /// - Throws: as ``copy(_:to:mode:progress:)``.
    package func copy(
        _ part: CopyPart, of source: CopySource, to destination: CopyDestination, mode: CopyMode,
        progress: CopyProgress = CopyProgress()
    ) async throws(BackupError) -> CopyOutcome {
        try await copy(source, to: destination, mode, progress) {
            StoredObject(etag: try await self.copyInStore(part, source, destination, progress).etag)
        } streaming: {
            let moved = try await self.stream(part, source, destination, progress)
            return CopyOutcome(etag: moved.etag, copiedByStore: false, crc32c: moved.crc32c)
        }
    }

    /// The parts that an object is to be copied in.
    package func sharedParts(
        of source: CopySource, told: [Int64]?, to destination: CopyDestination
    ) throws(BackupError) -> (plan: PartPlan, boundaries: PartPlan.Boundaries) {
        try PartPlan.forSharing(
            size: source.size, sourceETag: source.etag, told: told, options: options, limits: destination.store.limits)
    }

    /// Whether equal ETags may be expected to prove a copy in parts.
    package func mayProve(_ source: CopySource, _ destination: CopyDestination) -> Bool {
        source.store.etagsTellContent && destination.store.etagsTellContent
            && routes.mayProve(source.store.identity, destination.store.identity)
    }

    /// Looks at an object that was put together of parts which others have copied: its size, and its ETag as far as that can
    /// be compared with the source's or with those of the parts.
    ///
    /// - Parameter wereSeen: whether all bytes passed a process of ours, or were copied by the store. If not, and the ETags
    ///   prove nothing, both objects are read.
    /// - Returns: the object as its store shows it.
    /// - Throws: `corrupted`, retryable, when the copy differs from its source.
    package func check(
        _ destination: CopyDestination, isMadeOf parts: [UploadedPart], from source: CopySource,
        boundaries: PartPlan.Boundaries, wereSeen: Bool
    ) async throws -> StoredObject {
        let what = "look at \"\(destination.key)\""
        let found = try await retrying(what) {
            try await watched(what, timeout: options.stallTimeout) {
                try await destination.store.head(destination.key)
            }
        }
        guard let found, found.size == source.size else {
            throw wrongSize(destination.key, expected: source.size, found: found?.size ?? 0, isRetryable: true)
        }
        let stored = StoredObject(etag: found.etag)
        let (from, to) = (source.store.identity, destination.store.identity)
        // A store that made another ETag of the parts than S3 does has got others than were reported, or makes them its own
        // way: reading tells.
        if case .multipart = ETagShape(stored.etag), let expected = multipartETag(of: parts),
            ETagShape(expected) != ETagShape(stored.etag), !routes.hasETagsWithoutMD5(to)
        {
            try await compareByReading(source, ETagShape(source.etag), destination, ETagShape(stored.etag))
            _ = routes.rememberETagsWithoutMD5(to)
            return stored
        }
        _ = try await checkETags(
            source, sourceETag: source.etag ?? "", destination, stored, boundariesAreEqual: boundaries == .told,
            wereSeen: wereSeen)
        if boundaries != .own, ETagShape(source.etag) != ETagShape(stored.etag) {
            routes.rememberUnequalParts(from, to)
        }
        return stored
    }
}

extension PartPlan {
    /// The checksum of the whole; nil unless it is known of every part.
    ///
    /// - Parameter parts: CRC-32C by number.
    package func checksum(of parts: [Int: UInt32]) -> UInt32? {
        var whole: UInt32?
        for number in 1...count {
            guard let part = parts[number] else { return nil }
            whole = whole.map { CRC32C.combined($0, part, secondLength: Int64(range(of: number).count)) } ?? part
        }
        return whole
    }
}
