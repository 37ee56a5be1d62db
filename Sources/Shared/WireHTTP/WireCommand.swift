import HTTP
import Support
import Synchronization

/// Names a call of any loop.
struct CallID: Hashable, Sendable {
    private static let last = Atomic<UInt64>(0)
    private let number = CallID.last.wrappingAdd(1, ordering: .relaxed).newValue
}

/// A call on its way to a loop.
struct Submission: Sendable {
    enum Work: Sendable {
        case request(HTTPRequest, CheckedContinuation<HTTPResponse, any Error>)
        case relay(RelayRequest, CheckedContinuation<RelayOutcome, any Error>)
    }

    let id: CallID
    let work: Work

    func fail(_ error: any Error) {
        switch work {
        case .request(_, let reply): reply.resume(throwing: error)
        case .relay(_, let reply): reply.resume(throwing: error)
        }
    }
}

/// What other threads ask of a loop.
enum WireCommand: Sendable {
    case start(Submission)
    case cancel(CallID)
    /// The throttle has granted what the call has asked for.
    case granted(CallID)
    /// A name was looked up.
    case resolved(Origin, Result<[SocketAddress], BackupError>)
    case stop
}
