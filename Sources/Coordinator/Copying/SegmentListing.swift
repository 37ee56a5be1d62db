import ObjectStorage
import Support

/// Lists the logs of segments. More than a page of them are listed by the directories of the segments, several at a
/// time: a million logs would be a thousand requests in a row.
///
/// A copy of it stands for the same: have one for a whole job, whose memory depends on how many pages there are at a time.
struct SegmentListing: Sendable {
    private let parallelism: Int
    /// Held for the listing of one prefix of many.
    private let slots: AsyncSemaphore

    /// - Parameter parallelism: prefixes of large listings that are listed at the same time.
    init(parallelism: Int = 8) {
        self.parallelism = parallelism
        slots = AsyncSemaphore(permits: parallelism)
    }

    /// Calls `body` with every page, from several tasks at a time. The logs of a segment come from one of them, in the
    /// order of the listing.
    ///
    /// - Parameters:
    ///   - directories: of the segments, all below `prefix`: where there is more than a page, the rest is not looked at.
    ///   - check: called with the pages of a listing that has the directories below `prefix`, and the objects directly in
    ///     it, when there is more than a page. Nil when nobody minds what else is there.
    func forEachPage(
        of store: any ObjectStore, below prefix: String, directories: () -> Set<String>,
        check: ((ObjectPage) throws -> Void)? = nil, _ body: @escaping @Sendable (ObjectPage) throws -> Void
    ) async throws {
        let first = try await store.list(prefix: prefix, delimiter: nil, continuation: nil, limit: 1000)
        guard first.continuation != nil else { return try body(first) }
        if let check { try await store.forEachPage(prefix: prefix, delimiter: "/") { page in try check(page) } }
        let prefixes = ParallelListing.shortened(directories().sorted(), limit: 4 * parallelism)
        try await forEachInParallel(prefixes, limit: parallelism) { prefix in
            try await slots.withPermit { _ = try await store.forEachPage(prefix: prefix) { page in try body(page) } }
        }
    }
}
