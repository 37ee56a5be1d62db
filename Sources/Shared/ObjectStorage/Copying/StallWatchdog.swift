import Support
import Synchronization

/// Ends operations that make no progress, so that a hung request cannot live for ever.
///
/// One timer watches all of them: a timer for each would outlive a small object by a minute, and pile up.
package final class StallWatchdog: Sendable {
    private struct Entry {
        /// Ticks without progress after which it is ended.
        let limit: Int
        let progress: @Sendable () -> Int64?
        let end: @Sendable () -> Void
        var mark: Int64?
        var idleTicks = 0
        var hasFired = false
    }

    private struct State {
        var entries: [Int: Entry] = [:]
        var nextID = 0
        var isTicking = false
    }

    private let interval: Duration
    private let clock: any Clock<Duration>
    private let state = Mutex(State())

    /// - Parameter interval: how often it looks; time-outs are exact to one or two intervals.
    package init(interval: Duration, clock: any Clock<Duration> = ContinuousClock()) {
        self.interval = max(interval, .milliseconds(1))
        self.clock = clock
    }

    /// Runs `body` and cancels it when `progress` gives the same number for `timeout`.
    ///
    /// - Parameters:
    ///   - what: names the operation in the error, as in `upload of "a/b"`.
    ///   - progress: nil as long as it is held back by ourselves, which does not count.
    /// - Throws: ``BackupError/Code/timedOut``, retryable, when that happened; else what `body` throws.
    package func watch<Result: Sendable>(
        _ what: @autoclosure () -> String, timeout: Duration, progress: @escaping @Sendable () -> Int64?,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let task = Task { try await body() }
        let id = add(timeout, progress) { task.cancel() }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        let hasFired = remove(id)
        switch result {
        case .success(let value): return value
        case .failure(let error):
            guard hasFired else { throw error }
            throw BackupError(
                .timedOut, "\(what()): no progress for \(formatted(timeout.seconds, decimals: 0)) s", cause: error,
                isRetryable: true)
        }
    }

    private func add(
        _ timeout: Duration, _ progress: @escaping @Sendable () -> Int64?, end: @escaping @Sendable () -> Void
    ) -> Int {
        // One more than needed: the first tick may come at once.
        let limit = Int((timeout / interval).rounded(.up)) + 1
        let entry = Entry(limit: limit, progress: progress, end: end, mark: progress())
        let (id, starts) = state.withLock { state in
            defer {
                state.nextID += 1
                state.isTicking = true
            }
            state.entries[state.nextID] = entry
            return (state.nextID, !state.isTicking)
        }
        if starts { Task.detached { await self.keepTicking() } }
        return id
    }

    private func remove(_ id: Int) -> Bool { state.withLock { $0.entries.removeValue(forKey: id)?.hasFired ?? false } }

    /// Goes on until there is nothing to watch any more.
    private func keepTicking() async {
        repeat {
            do { try await clock.sleep(for: interval) } catch { return }
        } while tick()
    }

    private func tick() -> Bool {
        let (stalled, goesOn) = state.withLock { state in
            var stalled: [@Sendable () -> Void] = []
            for (id, var entry) in state.entries where !entry.hasFired {
                let mark = entry.progress()
                entry.idleTicks = mark != nil && mark == entry.mark ? entry.idleTicks + 1 : 0
                entry.mark = mark
                if entry.idleTicks >= entry.limit {
                    entry.hasFired = true
                    stalled.append(entry.end)
                }
                state.entries[id] = entry
            }
            state.isTicking = !state.entries.isEmpty
            return (stalled, state.isTicking)
        }
        for end in stalled { end() }
        return goesOn
    }
}
