import ShardProtocol
import Support

/// Shards somebody waits for together: those of a collection, or of one segment group.
struct Batch {
    private(set) var remaining: Int
    private(set) var completions: [ShardCompletion] = []
    private let continuation: CheckedContinuation<[ShardCompletion], any Error>

    init(shards: Int, continuation: CheckedContinuation<[ShardCompletion], any Error>) {
        self.remaining = shards
        self.continuation = continuation
    }

    /// Takes a finished shard; true when it was the last one and the waiting has ended.
    mutating func complete(_ completion: ShardCompletion) -> Bool {
        completions.append(completion)
        remaining -= 1
        guard remaining == 0 else { return false }
        continuation.resume(returning: completions)
        return true
    }

    func fail(_ error: any Error) { continuation.resume(throwing: error) }
}
