import Support

/// Runs `operation` and cancels it when it takes longer than `limit`; then `error` is thrown.
///
/// The operation must end soon after its task is cancelled.
func withTimeLimit<Result: Sendable>(
    _ limit: Duration, _ error: @autoclosure @escaping @Sendable () -> BackupError,
    _ operation: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await operation() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let result = first else { throw error() }
        return result
    }
}
