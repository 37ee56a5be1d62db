import Support
import Synchronization

/// Names one transfer within the process.
struct TransferID: Hashable, Sendable {
    private static let counter = Atomic<UInt64>(0)
    private let number: UInt64

    /// A new one.
    init() { number = TransferID.counter.add(1, ordering: .relaxed).newValue }
}

/// A request on its way to an event loop.
struct Submission: Sendable {
    enum Destination: Sendable {
        case memory
        case pipe(BytePipe)
    }

    let id: TransferID
    let request: HTTPRequest
    let origin: Origin
    /// Path and query.
    let pathAndQuery: String
    let destination: Destination
    let submitted: ContinuousClock.Instant
    let cancellation: CancellationFlag
    let placement: Placement
    /// Resumed exactly once.
    let reply: CheckedContinuation<HTTPResponse, any Error>

    /// The body when it is streamed.
    var uploadPipe: BytePipe? {
        if case .pipe(let pipe, _) = request.body { return pipe }
        return nil
    }
}

/// What other threads ask of an event loop.
enum LoopCommand: Sendable {
    case start(Submission)
    case cancel(TransferID)
    /// A paused direction of a transfer can go on.
    case resume(TransferID, PausedDirections)
    case stop
}

/// Set when a task is cancelled, perhaps before its request has reached a loop.
final class CancellationFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}

/// The directions in which a transfer waits for our side.
struct PausedDirections: OptionSet, Sendable {
    let rawValue: UInt8
    static let receiving = PausedDirections(rawValue: 1)
    static let sending = PausedDirections(rawValue: 2)
}
