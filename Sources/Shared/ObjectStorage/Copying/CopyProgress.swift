import Support
import Synchronization

/// How many bytes of one copy have arrived, unfinished streams included. Read it at any time.
///
/// The number falls when a stream broke and begins again.
package final class CopyProgress: Sendable {
    private struct State {
        var finished: Int64 = 0
        var streams: [ObjectIdentifier: BytePipe] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package var bytes: Int64 {
        state.withLock { state in state.streams.values.reduce(state.finished) { $0 + $1.bytesRead } }
    }

    /// Counts what goes through `pipe` from now on.
    func begin(_ pipe: BytePipe) { state.withLock { $0.streams[ObjectIdentifier(pipe)] = pipe } }

    /// What went through `pipe` does not count any more: it has failed, or is added as a whole.
    func end(_ pipe: BytePipe) { state.withLock { $0.streams[ObjectIdentifier(pipe)] = nil } }

    func add(_ bytes: Int64) { state.withLock { $0.finished += bytes } }

    /// What was copied does not count: another way is taken.
    func reset() { state.withLock { $0 = State() } }
}
