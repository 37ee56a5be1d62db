import Synchronization

/// Tells whoever is at work that the process was asked to end.
final class StopSignal: Sendable {
    private struct State {
        var isRequested = false
        var handler: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())

    var isRequested: Bool { state.withLock { $0.isRequested } }

    /// False when it was requested before.
    func request() -> Bool {
        let (isFirst, handler) = state.withLock { state in
            defer { state.isRequested = true }
            return (!state.isRequested, state.handler)
        }
        if isFirst { handler?() }
        return isFirst
    }

    /// Calls `handler` when the signal comes while `body` runs, and at once when it has come before.
    func whileHandling<Result>(
        with handler: @escaping @Sendable () -> Void, isolation: isolated (any Actor)? = #isolation,
        _ body: () async throws -> Result
    ) async rethrows -> Result {
        let isRequested = state.withLock { state in
            state.handler = handler
            return state.isRequested
        }
        if isRequested { handler() }
        defer { state.withLock { $0.handler = nil } }
        return try await body()
    }
}
