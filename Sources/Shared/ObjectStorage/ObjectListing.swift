import Support

extension ObjectStore {
    /// Calls `body` with every page of the objects below `prefix`, in order, one page in memory at a time.
    ///
    /// - Returns: the number of objects listed.
    @discardableResult
    package func forEachPage(
        prefix: String, delimiter: String? = nil, _ body: (ObjectPage) async throws -> Void
    ) async throws -> Int {
        var continuation: String?
        var count = 0
        repeat {
            let page = try await list(prefix: prefix, delimiter: delimiter, continuation: continuation, limit: 1000)
            count += page.objects.count
            try await body(page)
            continuation = page.continuation
        } while continuation != nil
        return count
    }

    /// Whether any object's key begins with `prefix`.
    package func hasObjects(prefix: String) async throws -> Bool {
        var continuation: String?
        repeat {
            let page = try await list(prefix: prefix, delimiter: nil, continuation: continuation, limit: 1)
            if !page.objects.isEmpty { return true }
            continuation = page.continuation
        } while continuation != nil
        return false
    }

    /// Deletes everything below `prefix`, `parallelism` batches at a time.
    ///
    /// Stores that keep directories of their own show those that have become empty as objects, which go in further passes.
    ///
    /// - Parameter onProgress: called with every page that has been listed or deleted.
    /// - Returns: the number of objects deleted.
    @discardableResult
    package func deleteAll(
        prefix: String, parallelism: Int = 4, onProgress: @escaping @Sendable () -> Void = {}
    ) async throws -> Int {
        precondition(!prefix.isEmpty, "an empty prefix would delete the whole bucket")
        let count = try await deleteListed(prefix: prefix, parallelism: parallelism, onProgress)
        var left = count
        var passes = 1
        while left > 0, passes < 64 {
            left = try await deleteListed(prefix: prefix, parallelism: parallelism, onProgress)
            passes += 1
        }
        return count
    }

    private func deleteListed(
        prefix: String, parallelism: Int, _ onProgress: @escaping @Sendable () -> Void
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            let count = try await forEachPage(prefix: prefix) { page in
                guard !page.objects.isEmpty else { return }
                if running >= parallelism {
                    try await group.next()
                    running -= 1
                }
                let keys = page.objects.map(\.key)
                onProgress()
                group.addTask {
                    try await self.delete(keys)
                    onProgress()
                }
                running += 1
            }
            try await group.waitForAll()
            return count
        }
    }
}
