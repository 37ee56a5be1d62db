import Support

extension MilvusClient {
    /// The segments of a collection that are in the object store, in every state the server reports.
    ///
    /// Asked up to fifty times, because a compaction that is going on makes the server lose sight of segments for a moment.
    package func persistentSegments(
        of collection: String, database: String
    ) async throws -> [Milvus.PersistentSegment] {
        var request = Milvus.GetPersistentSegmentInfoRequest()
        request.collection = collection
        let operation = Self.operation("GetPersistentSegmentInfo", database, collection)
        let policy = RetryPolicy(
            attempts: 50, initialDelay: .milliseconds(200), maximumDelay: .milliseconds(400), multiplier: 2)
        return try await persistently(policy) {
            try await self.call(request, operation, database: database, deadline: .seconds(120), retry: .once).segments
        }
    }

    /// Repeats `body`, a call without retries of its own, after every failure that may pass: all but wrong names, missing
    /// rights and missing features.
    func persistently<Result>(_ policy: RetryPolicy, _ body: () async throws -> Result) async throws -> Result {
        try await withRetries(policy, clock: clock) {
            do {
                return try await body()
            } catch {
                var failure = BackupError(wrapping: error)
                failure.isRetryable = Self.mayPass(failure)
                throw failure
            }
        }
    }

    /// Whether the same call may go well later; an error text of Milvus says too little to tell, so most may.
    static func mayPass(_ failure: BackupError) -> Bool {
        let permanent: Set<BackupError.Code> = [
            .notFound, .permissionDenied, .unsupported, .canceled, .configuration, .invalidArgument,
        ]
        return !permanent.contains(failure.code)
    }
}
