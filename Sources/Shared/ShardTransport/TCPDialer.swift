import Glibc
import ShardProtocol
import Support
import Synchronization
import TLS

/// Connects to a coordinator; the handshake comes next, see ``agentHandshake(over:identity:token:timeLimit:probe:)``.
///
/// - Parameters:
///   - address: every address behind the name is tried in turn.
///   - tls: whom to trust and what to show; nil for a plain connection. With TLS nothing is ever said in plain text.
///   - timeout: for all of it.
/// - Throws: ``BackupError/Code/unavailable`` or ``BackupError/Code/timedOut``, both retryable; with TLS also
///   ``BackupError/Code/permissionDenied`` when one side does not accept the other's certificate.
package func dialCoordinator(
    _ address: HostAndPort, tls: TLSContext? = nil, timeout: Duration = .seconds(10)
) async throws -> AgentChannel {
    let deadline = ContinuousClock.now + timeout
    do {
        let connection = try await TCPConnection.dial(address, tls: tls, timeout: timeout)
        let channel = FramedChannel<AgentMessage, CoordinatorMessage>(connection)
        guard tls != nil else { return channel }
        let late = BackupError(.timedOut, "the TLS handshake took too long", isRetryable: true)
        _ = try await withTimeLimit(deadline - .now, late) { try await channel.secured() }
        return channel
    } catch {
        throw BackupError(wrapping: error).prefixed("cannot reach the coordinator at \(address)")
    }
}

extension TCPConnection {
    /// Connects to the first address behind the name that answers.
    static func dial(
        _ address: HostAndPort, tls: TLSContext? = nil, timeout: Duration
    ) async throws -> TCPConnection {
        let deadline = ContinuousClock.now + timeout
        var failure = BackupError(.unavailable, "the name has no address", isRetryable: true)
        for candidate in try await address.resolve(forListening: false, timeout: timeout) {
            do {
                let attempt = try ConnectAttempt(to: candidate)
                return TCPConnection(try await attempt.connect(timeout: deadline - ContinuousClock.now), tls: tls)
            } catch {
                try Task.checkCancellation()
                failure = BackupError(wrapping: error)
            }
        }
        throw failure
    }
}

/// One try to connect to one address.
private final class ConnectAttempt: ReadinessHandler {
    private struct State {
        var registration: EventLoop.Registration?
        var timer: EventLoop.Timer?
        var result: Result<Int32, any Error>?
        var continuation: CheckedContinuation<Int32, any Error>?
    }

    private let address: SocketAddress
    private let descriptor: Int32
    private let loop = EventLoop.shared
    private let state = Mutex(State())

    init(to address: SocketAddress) throws(BackupError) {
        self.address = address
        self.descriptor = try Sockets.make(family: address.family)
    }

    /// The connected socket, which is the caller's from then on. Called once.
    func connect(timeout: Duration) async throws -> Int32 {
        begin(timeout: timeout)
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result = state.withLock { state in
                    if state.result == nil { state.continuation = continuation }
                    return state.result
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            end(CancellationError())
        }
    }

    private func begin(timeout: Duration) {
        let status = address.withPointer { Glibc.connect(descriptor, $0, address.length) }
        if status != 0 && errno != EINPROGRESS { return end(Sockets.failure("connect", errno)) }
        state.withLock { state in
            state.registration = loop.register(descriptor, for: .writable, self)
            state.timer = loop.schedule(after: timeout) { [weak self] in
                self?.end(BackupError(.timedOut, "no answer in time", isRetryable: true))
            }
        }
    }

    func socketIsReady(_ readiness: Readiness, scratch: UnsafeMutableRawBufferPointer) {
        let error = Sockets.pendingError(descriptor)
        end(error == 0 ? nil : Sockets.failure("connect", error))
    }

    /// - Parameter error: nil when the socket is connected.
    private func end(_ error: (any Error)?) {
        let (continuation, result) = state.withLock {
            state -> (CheckedContinuation<Int32, any Error>?, Result<Int32, any Error>) in
            if let result = state.result { return (nil, result) }
            if let registration = state.registration { loop.deregister(registration) }
            if let timer = state.timer { loop.cancel(timer) }
            if error != nil { close(descriptor) }
            let result: Result<Int32, any Error> = error.map { .failure($0) } ?? .success(descriptor)
            state.result = result
            defer { state.continuation = nil }
            return (state.continuation, result)
        }
        continuation?.resume(with: result)
    }
}
