import Glibc
import ShardProtocol
import Support
import Synchronization
import TLS

/// Where agents dial in.
///
/// Iterate ``connections`` and run ``coordinatorHandshake(over:policy:token:probeTimeLimit:makeProbes:)`` on each in a task of
/// its own. A connection that has not proven itself when ``Limits/authenticationTime`` is over is cut; while
/// ``Limits/unauthenticated`` of them are open, further ones wait in the kernel's queue, so strangers cost a bounded amount.
package final class AgentListener: Sendable {
    package struct Limits: Sendable {
        /// Connections that have not proven who they are, at a time.
        package var unauthenticated: Int
        /// From the acceptance of a connection to the proof.
        package var authenticationTime: Duration

        package init(unauthenticated: Int = 64, authenticationTime: Duration = .seconds(10)) {
            self.unauthenticated = unauthenticated
            self.authenticationTime = authenticationTime
        }
    }

    /// What the kernel keeps for us while we do not accept.
    private static let backlog: Int32 = 512

    /// Where it listens, with the port the system has chosen when 0 was asked for.
    package let localAddress: HostAndPort
    /// The connections as they come; ends when the listener is closed. For one loop.
    package let connections: AsyncStream<CoordinatorChannel>
    private let acceptor: Acceptor

    /// Begins to listen.
    ///
    /// - Parameters:
    ///   - address: the first address behind the name that can be bound is taken; an empty host means every address of this
    ///     machine, IPv6 included where there is one.
    ///   - tls: what to show and whom to trust; nil for plain connections. Nobody can choose between the two.
    /// - Throws: ``BackupError/Code/unavailable`` when the port is taken or the address is not one of this machine.
    package init(
        _ address: HostAndPort, tls: TLSContext? = nil, limits: Limits = Limits(), logger: Logger = .silent
    ) async throws {
        do {
            var candidates = try await address.resolve(forListening: true, timeout: .seconds(10))
            // On every address of the host, a socket for IPv6 takes IPv4 as well.
            if address.host.isEmpty { candidates.sort { $0.family == AF_INET6 && $1.family != AF_INET6 } }
            let descriptor = try AgentListener.bind(candidates)
            localAddress = Sockets.localAddress(descriptor)
            let (stream, continuation) = AsyncStream.makeStream(of: CoordinatorChannel.self)
            connections = stream
            acceptor = Acceptor(descriptor, tls: tls, limits: limits, logger: logger, connections: continuation)
            acceptor.start()
        } catch {
            throw BackupError(wrapping: error).prefixed("cannot listen for agents on \(address)")
        }
    }

    deinit { acceptor.close() }

    /// Stops listening and ends ``connections``. Connections that were handed out go on.
    package func close() { acceptor.close() }

    private static func bind(_ addresses: [SocketAddress]) throws(BackupError) -> Int32 {
        var failure = BackupError(.unavailable, "the name has no address")
        for address in addresses {
            do throws(BackupError) {
                let descriptor = try Sockets.make(family: address.family)
                Sockets.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
                if address.family == AF_INET6 { Sockets.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
                let status = address.withPointer { Glibc.bind(descriptor, $0, address.length) }
                if status == 0, listen(descriptor, backlog) == 0 { return descriptor }
                failure = Sockets.failure("bind", errno)
                Glibc.close(descriptor)
            } catch {
                failure = error
            }
        }
        failure.isRetryable = false
        throw failure
    }
}

/// Accepts connections on the event loop.
private final class Acceptor: ReadinessHandler {
    private struct State {
        /// nil when closed.
        var registration: EventLoop.Registration?
        var isPaused = false
        var unauthenticated = 0
    }

    private let tls: TLSContext?
    private let limits: AgentListener.Limits
    private let logger: Logger
    private let connections: AsyncStream<CoordinatorChannel>.Continuation
    private let descriptor: Int32
    private let loop = EventLoop.shared
    private let state = Mutex(State())

    /// What an agent without TLS hears where TLS is due.
    private static let answerToPlain: [UInt8] = {
        let refusal = Refusal(
            message: "it speaks TLS only; set agent.tls.caPath on this agent's host", isRetryable: false)
        return (try? CoordinatorMessage.refused(refusal).frame(limits: .handshake).bytes) ?? []
    }()

    init(
        _ descriptor: Int32, tls: TLSContext?, limits: AgentListener.Limits, logger: Logger,
        connections: AsyncStream<CoordinatorChannel>.Continuation
    ) {
        self.descriptor = descriptor
        self.tls = tls
        self.limits = limits
        self.logger = logger
        self.connections = connections
    }

    func start() {
        state.withLock { $0.registration = loop.register(descriptor, for: .readable, self) }
    }

    func close() {
        state.withLock { state in
            guard let registration = state.registration else { return }
            state.registration = nil
            loop.deregister(registration)
            Glibc.close(descriptor)
        }
        connections.finish()
    }

    func socketIsReady(_ readiness: Readiness, scratch: UnsafeMutableRawBufferPointer) {
        while let descriptor = acceptOne() { admit(descriptor) }
    }

    /// The next connection; nil when there is none now, or none may be taken now.
    private func acceptOne() -> Int32? {
        state.withLock { state -> Int32? in
            guard let registration = state.registration else { return nil }
            guard state.unauthenticated < limits.unauthenticated else {
                pause(&state, registration)
                return nil
            }
            let descriptor = accept(registration.descriptor, nil, nil)
            if descriptor >= 0 {
                Sockets.prepareAccepted(descriptor)
                state.unauthenticated += 1
                return descriptor
            }
            let error = errno
            if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error) {
                logger.warn("cannot accept agents for now", ["reason": SystemError(error).text])
                pause(&state, registration)
                loop.schedule(after: .seconds(1)) { [weak self] in self?.resume() }
            }
            return nil
        }
    }

    private func pause(_ state: inout State, _ registration: EventLoop.Registration) {
        guard !state.isPaused else { return }
        state.isPaused = true
        loop.setInterest([], of: registration)
    }

    private func resume() {
        state.withLock { state in
            guard let registration = state.registration, state.isPaused else { return }
            state.isPaused = false
            loop.setInterest(.readable, of: registration)
        }
    }

    private func admit(_ descriptor: Int32) {
        let seat = Seat { [weak self] in self?.giveBackSeat() }
        let connection = TCPConnection(
            descriptor, tls: tls, answerToPlain: Acceptor.answerToPlain, onClosed: { seat.leave() })
        let limit = limits.authenticationTime
        let timer = loop.schedule(after: limit) { [weak connection] in
            guard let connection else { return }
            connection.abort(
                BackupError(.timedOut, "\(connection.peer) has not proven who it is within \(Int(limit.seconds)) s"))
        }
        seat.onLeave { [loop] in loop.cancel(timer) }
        let channel = FramedChannel<CoordinatorMessage, AgentMessage>(connection) { seat.leave() }
        connections.yield(channel)
    }

    private func giveBackSeat() {
        state.withLock { $0.unauthenticated -= 1 }
        resume()
    }
}

/// The place of one connection among those that have not proven who they are; it is left once, by the proof or by the end.
private final class Seat: Sendable {
    private struct State {
        var hasLeft = false
        var callbacks: [@Sendable () -> Void]
    }
    private let state: Mutex<State>

    init(_ callback: @escaping @Sendable () -> Void) { state = Mutex(State(callbacks: [callback])) }

    /// Calls `callback` when the seat is left, at once when that has happened.
    func onLeave(_ callback: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if !state.hasLeft { state.callbacks.append(callback) }
            return state.hasLeft
        }
        if now { callback() }
    }

    func leave() {
        let callbacks = state.withLock { state in
            state.hasLeft = true
            defer { state.callbacks = [] }
            return state.callbacks
        }
        for callback in callbacks { callback() }
    }
}
