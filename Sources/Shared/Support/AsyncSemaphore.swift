import Synchronization

/// A number of permits that tasks wait for in order. Waiting ends with the task's cancellation.
package final class AsyncSemaphore: Sendable {
    private struct Waiter {
        var ticket: Int
        var count: Int
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var permits: Int
        var nextTicket = 0
        /// Waiting tasks in order of arrival; a cancelled one is removed.
        var waiting: [Waiter] = []

        /// Takes out those whose turn it is. Who wants many permits is not overtaken by those who want few.
        mutating func admit() -> [CheckedContinuation<Void, any Error>] {
            var admitted = 0
            while admitted < waiting.count, waiting[admitted].count <= permits {
                permits -= waiting[admitted].count
                admitted += 1
            }
            defer { waiting.removeFirst(admitted) }
            return waiting.prefix(admitted).map(\.continuation)
        }
    }

    private let state: Mutex<State>

    /// - Parameter permits: tasks inside at the same time, at least 1.
    package init(permits: Int) { state = Mutex(State(permits: max(1, permits))) }

    /// Tasks that wait.
    package var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs `body` while holding permits.
    ///
    /// - Parameter count: of them, no more than there are at all.
    package func withPermit<Result>(
        _ count: Int = 1, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async throws -> Result {
        try await acquire(count)
        defer { release(count) }
        return try await body()
    }

    /// Waits for permits; all that were acquired are to be released.
    package func acquire(_ count: Int = 1) async throws {
        let ticket = state.withLock { state in
            defer { state.nextTicket += 1 }
            return state.nextTicket
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    // A cancellation that came before this point has found nobody waiting.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    if state.waiting.isEmpty, state.permits >= count {
                        state.permits -= count
                        return .success(())
                    }
                    state.waiting.append(Waiter(ticket: ticket, count: count, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let (canceled, next) = state.withLock { state in
                let index = state.waiting.firstIndex { $0.ticket == ticket }
                let canceled = index.map { state.waiting.remove(at: $0).continuation }
                // Others may have waited for this one to be let in.
                return (canceled, state.admit())
            }
            canceled?.resume(throwing: CancellationError())
            for continuation in next { continuation.resume() }
        }
    }

    /// Gives permits back.
    package func release(_ count: Int = 1) { change(by: count) }

    /// More permits from now on, or fewer: those who are inside stay there.
    package func change(by count: Int) {
        let next = state.withLock { state in
            state.permits += count
            return state.admit()
        }
        for continuation in next { continuation.resume() }
    }
}
