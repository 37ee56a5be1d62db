import CMicroHTTPD
import Support
import Synchronization

/// libmicrohttpd's handle of a connection.
///
/// Safe to send: it is a number to us. It is given to libmicrohttpd only on the daemon's thread, or to resume a suspended
/// connection, which any thread may do and which keeps the handle valid.
struct ConnectionHandle: @unchecked Sendable {
    let pointer: OpaquePointer
}

/// One request and its answer.
///
/// The daemon's thread fills in the request and sends the answer; in between the connection is suspended, which costs no
/// thread, and the handler runs as a task. Whoever answers first (handler, shutdown) resumes the connection, once.
final class Exchange: Sendable {
    private enum Phase {
        case receiving
        case handling(Task<Void, Never>, ConnectionHandle)
        case answered(HTTPServerResponse)
        /// The answer is on its way, or there is nobody left to read it.
        case over
    }

    private struct State {
        var phase = Phase.receiving
        var body: [UInt8] = []
        /// Whether all of the request has come.
        var isComplete = false
        /// The status that was sent.
        var status: Int?
    }

    /// What came in the head of the request.
    private let head: HTTPServerRequest
    let begin = ContinuousClock.now
    private let state = Mutex(State())

    init(_ head: HTTPServerRequest) { self.head = head }

    var method: String { head.method }
    var path: String { head.path }
    var status: Int? { state.withLock { $0.status } }
    var isComplete: Bool { state.withLock { $0.isComplete } }

    /// Takes a piece of the body.
    ///
    /// - Returns: false when it makes the body larger than `maximum`.
    func append(_ bytes: UnsafeRawBufferPointer, maximum: Int) -> Bool {
        state.withLock { state in
            guard state.body.count + bytes.count <= maximum else {
                state.body = []
                return false
            }
            state.body += bytes
            return true
        }
    }

    /// The answer to send now; when there is none yet, the connection is suspended and `handler` begins, unless it has.
    ///
    /// For the daemon's thread, when the request is complete.
    func answer(
        on connection: ConnectionHandle, by handler: @escaping HTTPServer.Handler, onSuspended: () -> Void
    ) -> HTTPServerResponse? {
        state.withLock { state -> HTTPServerResponse? in
            state.isComplete = true
            switch state.phase {
            case .receiving:
                var request = head
                request.body = state.body
                state.body = []
                onSuspended()
                MHD_suspend_connection(connection.pointer)
                let task = Task.detached { [self, request] in finish(await handler(request)) }
                state.phase = .handling(task, connection)
                return nil
            case .answered(let response):
                state.phase = .over
                return response
            case .handling, .over:
                return nil
            }
        }
    }

    /// Notes the answer that is sent.
    func isAnswered(with status: Int) {
        state.withLock {
            $0.phase = .over
            $0.status = status
        }
    }

    /// Answers the request unless that has been done. The handler may go on; what it says is dropped.
    func finish(_ response: HTTPServerResponse) {
        state.withLock { state in
            switch state.phase {
            case .handling(_, let connection):
                state.phase = .answered(response)
                // Under the lock: a second caller must not find a handle that is no longer valid.
                MHD_resume_connection(connection.pointer)
            case .receiving: state.phase = .answered(response)
            case .answered, .over: break
            }
        }
    }

    /// Tells the handler to come to an end.
    func cancel() {
        let task: Task<Void, Never>? = state.withLock { state in
            if case .handling(let task, _) = state.phase { task } else { nil }
        }
        task?.cancel()
    }

    /// Nobody is there to read an answer any more.
    func end() { state.withLock { $0.phase = .over } }
}
