import ObjectStorage
import Support

/// Lists everything below some prefixes, several requests at a time. A prefix with more than one page is cut at its
/// directories, as long as there are fewer prefixes than requests.
struct ParallelListing: Sendable {
    let store: any ObjectStore
    private let parallelism: Int
    private let slots: AsyncSemaphore

    /// - Parameter parallelism: requests under way at the same time.
    init(store: any ObjectStore, parallelism: Int = 16) {
        self.store = store
        self.parallelism = parallelism
        slots = AsyncSemaphore(permits: parallelism)
    }

    /// Calls `body` with every page, from several tasks at a time.
    ///
    /// - Parameter prefixes: none of which begins with another one.
    func forEachPage(below prefixes: [String], _ body: @escaping @Sendable ([ObjectInfo]) -> Void) async throws {
        try await list(prefixes, share: parallelism, body)
    }

    /// - Parameter share: requests that these prefixes may keep busy.
    private func list(
        _ prefixes: [String], share: Int, _ body: @escaping @Sendable ([ObjectInfo]) -> Void
    ) async throws {
        let each = share / max(1, prefixes.count)
        try await forEachInParallel(prefixes, limit: parallelism) { prefix in
            let first = try await page(prefix, after: nil)
            guard first.continuation != nil, each > 1 else {
                body(first.objects)
                var continuation = first.continuation
                while continuation != nil {
                    let page = try await page(prefix, after: continuation)
                    body(page.objects)
                    continuation = page.continuation
                }
                return
            }
            try await list(try await parts(of: prefix, body), share: each, body)
        }
    }

    /// What lies directly below a prefix goes to `body`; its directories are the parts.
    private func parts(of prefix: String, _ body: @Sendable ([ObjectInfo]) -> Void) async throws -> [String] {
        var directories: [String] = []
        var continuation: String?
        repeat {
            let page = try await page(prefix, delimiter: "/", after: continuation)
            body(page.objects)
            directories += page.commonPrefixes
            continuation = page.continuation
        } while continuation != nil
        return ParallelListing.shortened(directories, limit: 4 * parallelism)
    }

    private func page(_ prefix: String, delimiter: String? = nil, after continuation: String?) async throws
        -> ObjectPage
    {
        try await slots.withPermit {
            try await store.list(prefix: prefix, delimiter: delimiter, continuation: continuation, limit: 1000)
        }
    }

    /// Fewer prefixes that stand for all `directories`, each of them for what begins with it: a request for each of ten
    /// thousand small directories would cost more than it gains.
    ///
    /// - Parameters:
    ///   - directories: in the order of a listing.
    ///   - limit: at most so many, if the directories differ in more than one character.
    static func shortened(_ directories: [String], limit: Int) -> [String] {
        guard directories.count > limit, let first = directories.first, let last = directories.last else {
            return directories
        }
        var length = zip(first.unicodeScalars, last.unicodeScalars).prefix { $0 == $1 }.count + 1
        func prefixes() -> Set<String> { Set(directories.map { String($0.unicodeScalars.prefix(length)) }) }
        var shortened = prefixes()
        while true {
            length += 1
            let longer = prefixes()
            guard longer.count <= limit else { return shortened.sorted() }
            shortened = longer
        }
    }
}
