import CMicroHTTPD
import Glibc
import Synchronization

/// What is known about one TCP connection, from its acceptance to its end.
///
/// libmicrohttpd owns the socket and closes it right after ``closed(lingering:)``. Until then the descriptor is valid, and
/// everything that is done to it here is done under the lock that ``closed(lingering:)`` takes.
final class Connection: Sendable {
    private struct State {
        var clock: ConnectionClock
        /// The target of the request whose head is coming in.
        var target: [UInt8] = []
        /// The request in progress.
        var exchange: Exchange?
        /// Whether the peer is to read an answer although we do not read what it sends.
        var lingers = false
        var isOpen = true
    }

    let remoteAddress: String
    private let descriptor: Int32
    private let state: Mutex<State>

    init(descriptor: Int32, remoteAddress: String, idleTime: Duration) {
        self.descriptor = descriptor
        self.remoteAddress = remoteAddress
        state = Mutex(State(clock: ConnectionClock(idleTime: idleTime, now: .now)))
    }

    // MARK: For the daemon's thread

    func requestLine(_ target: [UInt8]) { state.withLock { $0.target = target } }

    /// The target of the request whose head is complete now.
    func takeTarget() -> [UInt8] {
        state.withLock { state in
            defer { state.target = [] }
            return state.target
        }
    }

    func began(_ exchange: Exchange) {
        state.withLock {
            $0.exchange = exchange
            $0.clock.phase = .receiving(since: .now, bytes: 0)
        }
    }

    func received(_ count: Int) { state.withLock { $0.clock.received(count) } }

    func isHandling() { state.withLock { $0.clock.phase = .handling } }

    /// - Parameter lingers: whether the connection is closed afterwards without reading what the peer has yet to send.
    func isSending(_ size: Int, lingers: Bool) {
        state.withLock {
            $0.clock.phase = .sending(since: .now, size: size)
            if lingers { $0.lingers = true }
        }
    }

    func ended(_ exchange: Exchange) {
        state.withLock {
            $0.exchange = nil
            $0.clock.phase = .waiting(since: .now)
        }
    }

    /// From now on the socket is no longer ours to touch.
    func closed(lingering: LingeringCloses) {
        state.withLock { state in
            state.isOpen = false
            if state.lingers || cmhd_unread_bytes(descriptor) > 0 { lingering.adopt(copyOf: descriptor) }
        }
    }

    // MARK: For others

    /// Ends the connection if its peer is too slow.
    ///
    /// - Returns: what the peer did wrong.
    func cutIfOverdue(at now: ContinuousClock.Instant) -> String? {
        state.withLock { state in
            guard state.isOpen, let complaint = state.clock.complaint(at: now) else { return nil }
            // The daemon's thread finds the end of the stream and closes the socket.
            shutdown(descriptor, Int32(SHUT_RDWR))
            return complaint
        }
    }

    /// The request that is being handled for a peer that has closed its side of the connection.
    func abandonedExchange() -> Exchange? {
        state.withLock { state in
            guard state.isOpen, case .handling = state.clock.phase else { return nil }
            var entry = pollfd(fd: descriptor, events: Int16(POLLRDHUP), revents: 0)
            guard poll(&entry, 1, 0) == 1 else { return nil }
            return Int32(entry.revents) & (POLLRDHUP | POLLHUP | POLLERR) == 0 ? nil : state.exchange
        }
    }
}

/// `POLLRDHUP` of the Linux C library, which Swift's Glibc module leaves out.
private let POLLRDHUP: Int32 = 0x2000
private let POLLHUP: Int32 = 0x0010
private let POLLERR: Int32 = 0x0008
