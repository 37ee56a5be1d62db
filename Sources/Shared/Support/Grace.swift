/// Runs `body` in a task of its own. When this one is cancelled, `body` still has `grace` to come to its end before it is
/// cancelled as well: for what should be done on every way out, and must not hold anybody up.
///
/// `body` must end soon after its task is cancelled.
package func withGrace<Result: Sendable>(
    _ grace: Duration, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let work = Task { try await body() }
    return try await withTaskCancellationHandler {
        try await work.value
    } onCancel: {
        Task {
            try? await Task.sleep(for: grace)
            work.cancel()
        }
    }
}
