import Synchronization

/// A number of permits that tasks wait for in order. Waiting ends with the task's cancellation.
package final class AsyncSemaphore: Sendable {
    private struct State {
        var permits: Int
        var nextTicket = 0
        /// Waiting tasks in order of arrival; a cancelled one is removed.
        var waiting: [(ticket: Int, continuation: CheckedContinuation<Void, any Error>)] = []
    }

    private let state: Mutex<State>

    /// - Parameter permits: tasks inside at the same time, at least 1.
    package init(permits: Int) { state = Mutex(State(permits: max(1, permits))) }

    /// Runs `body` while holding a permit.
    package func withPermit<Result>(
        isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        try await acquire()
        defer { release() }
        return try await body()
    }

    /// Waits for a permit; every acquired one is to be released.
    package func acquire() async throws {
        let ticket = state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    // A cancellation that came before this point has found nobody waiting.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.permits > 0 {
                        state.permits -= 1
                        return .success(())
                    }
                    state.waiting.append((ticket, continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Void, any Error>? in
                if let index = state.waiting.firstIndex(where: { $0.ticket == ticket }) {
                    return state.waiting.remove(at: index).continuation
                }
                return nil
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    /// Gives a permit back.
    package func release() { change(by: 1) }

    /// More permits from now on, or fewer: those who are inside stay there.
    package func change(by count: Int) {
        let next = state.withLock { state in
            state.permits += count
            let ready = min(max(0, state.permits), state.waiting.count)
            state.permits -= ready
            let next = state.waiting.prefix(ready).map(\.continuation)
            state.waiting.removeFirst(ready)
            return next
        }
        for continuation in next { continuation.resume() }
    }
}
