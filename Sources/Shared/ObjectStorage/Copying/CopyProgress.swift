import HTTP
import Support
import Synchronization

/// How many bytes of one copy have arrived, unfinished streams included. Read it at any time.
///
/// The number falls when a stream broke and begins again.
package final class CopyProgress: Sendable {
    private struct State {
        var finished: Int64 = 0
        var streams: [ObjectIdentifier: any StreamMeter] = [:]
    }

    private let state = Mutex(State())

    package init() {}

    package var bytes: Int64 {
        state.withLock { state in state.streams.values.reduce(state.finished) { $0 + $1.bytesMoved } }
    }

    /// Counts what goes through `stream` from now on.
    func begin(_ stream: any StreamMeter) { state.withLock { $0.streams[ObjectIdentifier(stream)] = stream } }

    /// What went through `stream` does not count any more: it has failed, or is added as a whole.
    func end(_ stream: any StreamMeter) { state.withLock { $0.streams[ObjectIdentifier(stream)] = nil } }

    func add(_ bytes: Int64) { state.withLock { $0.finished += bytes } }

    /// What was copied does not count: another way is taken.
    func reset() { state.withLock { $0 = State() } }
}

/// Knows how many bytes have come through.
protocol StreamMeter: AnyObject, Sendable {
    var bytesMoved: Int64 { get }
}

extension BytePipe: StreamMeter {
    var bytesMoved: Int64 { bytesRead }
}

extension RelayMeter: StreamMeter {
    var bytesMoved: Int64 { bytes }
}
