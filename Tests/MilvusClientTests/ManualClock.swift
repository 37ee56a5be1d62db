import Synchronization

@testable import MilvusClient

/// A clock that stands still until the test moves it on.
final class ManualClock: Sendable {
    private struct State {
        var now = ContinuousClock.now
        var nextID = 0
        var sleeping: [Int: (deadline: ContinuousClock.Instant, continuation: CheckedContinuation<Void, any Error>)] =
            [:]
    }

    private let state = Mutex(State())

    var clock: MonotonicClock {
        MonotonicClock(now: { self.state.withLock { $0.now } }, sleep: { try await self.sleep(until: $0) })
    }

    /// Moves on minute by minute, and lets whoever wakes up do its work until it sleeps again.
    func advance(minutes: Int) async {
        for _ in 0..<minutes {
            await untilSomeoneSleeps()
            let due = state.withLock { state in
                state.now = state.now.advanced(by: .seconds(60))
                let due = state.sleeping.filter { $0.value.deadline <= state.now }
                for id in due.keys { state.sleeping[id] = nil }
                return due.values.map(\.continuation)
            }
            for continuation in due { continuation.resume() }
        }
        await untilSomeoneSleeps()
    }

    private func untilSomeoneSleeps() async {
        while state.withLock({ $0.sleeping.isEmpty }) { await Task.yield() }
    }

    private func sleep(until deadline: ContinuousClock.Instant) async throws {
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isOver = state.withLock { state in
                    if Task.isCancelled || deadline <= state.now { return true }
                    state.sleeping[id] = (deadline, continuation)
                    return false
                }
                if isOver { continuation.resume(with: Task.isCancelled ? .failure(CancellationError()) : .success(())) }
            }
        } onCancel: {
            let continuation = state.withLock { $0.sleeping.removeValue(forKey: id)?.continuation }
            continuation?.resume(throwing: CancellationError())
        }
    }
}
