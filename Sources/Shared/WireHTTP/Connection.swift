import CWire
import Glibc
import HTTP
import Support

/// Where connections go, and whom they trust.
struct Peer: Hashable {
    let origin: Origin
    let tls: TLSSettings

    init(_ origin: Origin, _ tls: TLSSettings) {
        self.origin = origin
        self.tls = origin.isSecure ? tls : TLSSettings()
    }
}

/// Told when its connection can do more than before.
protocol ConnectionUser: AnyObject {
    func connectionIsReady(_ connection: Connection)
}

/// One socket, plain or with TLS. Used on the thread of its loop.
///
/// The socket is watched for changes only (edge-triggered), and registered once: so it is remembered here what it was ready
/// for, until a call had to be broken off.
final class Connection {
    enum State {
        case connecting
        case shakingHands
        case open
        case closed
    }

    /// Three quarters of what a pipe holds: more may come before the loop is awake.
    private static let largestLowWater = LentPipe.size / 4 * 3

    /// Of TLS: 16 KiB of data and what goes around them, rounded up.
    private static let largestRecord: Int64 = 17 * 1024

    let peer: Peer
    let id: UInt64
    private(set) var descriptor: Int32
    private(set) var state = State.connecting
    /// Kept until the connection is given back or closed.
    var user: (any ConnectionUser)?
    /// Whether a request was answered on it before.
    var isReused = false
    var idleSince: ContinuousClock.Instant = .now
    private(set) var isReadable = false
    private(set) var isWritable = false
    /// The peer will send no more: what is left is to be read, and then the end.
    private(set) var hasHungUp = false
    private let context: TLSContext?
    private var tls: TLSSession?
    private var lowWater = 1

    init(_ peer: Peer, _ descriptor: Int32, id: UInt64, context: TLSContext?) {
        self.peer = peer
        self.descriptor = descriptor
        self.id = id
        self.context = context
    }

    deinit { close() }

    var isPlain: Bool { context == nil }

    func close() {
        guard state != .closed else { return }
        state = .closed
        tls = nil
        _ = Glibc.close(descriptor)
        descriptor = -1
    }

    /// Takes what epoll has to say.
    func changed(_ events: UInt32) {
        let failed = events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0
        if events & EPOLLRDHUP.rawValue != 0 || failed { hasHungUp = true }
        if events & EPOLLIN.rawValue != 0 || hasHungUp { isReadable = true }
        if events & EPOLLOUT.rawValue != 0 || failed { isWritable = true }
        // TLS may have to write in order to read, and the other way round.
        guard let tls else { return }
        (isReadable, isWritable) = (true, true)
        if tls.isUnflushed { tls.flush() }
    }

    // MARK: Opening

    /// Goes on with connecting; `.bytes` when the connection is open.
    func open() -> Transferred {
        if state == .connecting {
            guard isWritable else { return .blocked }
            if let error = pendingError { return .failed(error) }
            guard let context else {
                state = .open
                return .bytes(1)
            }
            let name = peer.tls.serverName.isEmpty ? peer.origin.host : peer.tls.serverName
            tls = TLSSession(context, socket: descriptor, name: name)
            state = .shakingHands
        }
        guard state == .shakingHands, let tls else { return .failed(SystemError(EPROTO)) }
        let result = tls.shakeHands()
        if case .bytes = result { state = .open }
        return result
    }

    private var pendingError: SystemError? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length) == 0 else { return SystemError() }
        return value == 0 ? nil : SystemError(value)
    }

    // MARK: Bytes

    /// Reads until the room is filled or nothing more is there.
    func receive(into room: UnsafeMutableRawBufferPointer) -> Transferred {
        guard let tls else { return receivePlain(into: room) }
        var count = 0
        // TLS hands out a record at a time.
        while count < room.count {
            let result = tls.receive(into: UnsafeMutableRawBufferPointer(rebasing: room[count...]))
            guard case .bytes(let some) = result else {
                if result == .blocked { isReadable = false }
                // What it means is told again by the next call.
                return count > 0 ? .bytes(count) : result
            }
            count += some
        }
        return .bytes(count)
    }

    private func receivePlain(into room: UnsafeMutableRawBufferPointer) -> Transferred {
        let result = Transferred(recv(descriptor, room.baseAddress, room.count, Int32(MSG_DONTWAIT)))
        switch result {
        // A call that filled less than it could has emptied the socket, unless the end is behind it.
        case .bytes(let count) where count < room.count && !hasHungUp: isReadable = false
        case .blocked: isReadable = false
        default: break
        }
        return result
    }

    /// Sends two pieces, as far as there is room.
    ///
    /// - Parameter more: whether bytes will follow at once.
    func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, more: Bool) -> Transferred {
        guard let tls else {
            return sent(
                Transferred(
                    cwire_send(
                        descriptor, first.baseAddress, first.count, second.baseAddress, second.count, more ? 1 : 0)))
        }
        defer { tls.flush() }
        let result = tls.send(first)
        guard case .bytes(let count) = result, count == first.count, !second.isEmpty else { return sent(result) }
        guard case .bytes(let more) = tls.send(second) else { return result }
        return .bytes(count + more)
    }

    private func sent(_ result: Transferred) -> Transferred {
        if result == .blocked { isWritable = false }
        return result
    }

    /// Takes bytes out of a plain connection into a pipe.
    func fill(_ pipe: LentPipe, most: Int64) -> Transferred {
        let result = pipe.fill(from: descriptor, most: most)
        if result == .blocked { isReadable = false }
        return result
    }

    /// Sends up to `most` bytes of what a pipe holds over a plain connection.
    func drain(_ pipe: LentPipe, most: Int, more: Bool) -> Transferred {
        sent(pipe.drain(into: descriptor, most: most, more: more))
    }

    /// Lets the loop sleep until so many bytes are there at once: fewer and larger steps.
    func setLowWater(_ bytes: Int64) {
        // Of what is to come over TLS, up to a record may have come.
        let certain = isPlain ? bytes : bytes - Connection.largestRecord
        let wanted = Int(max(1, min(certain, Int64(Connection.largestLowWater))))
        guard wanted != lowWater else { return }
        lowWater = wanted
        var value = Int32(wanted)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVLOWAT, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    // MARK: State

    /// Whether a request may be sent on it after some time of idleness: it is open, and the peer has said nothing meanwhile.
    var isFresh: Bool {
        guard state == .open, !hasHungUp else { return false }
        guard isReadable else { return true }
        guard isPlain else { return isQuietTLS() }
        var byte: UInt8 = 0
        guard Transferred(recv(descriptor, &byte, 1, Int32(MSG_PEEK | MSG_DONTWAIT))) == .blocked
        else { return false }
        isReadable = false
        return true
    }

    /// TLS 1.3 servers send session tickets behind the handshake; reading for data takes them in.
    private func isQuietTLS() -> Bool {
        var byte: UInt8 = 0
        let result = withUnsafeMutableBytes(of: &byte) { tls?.receive(into: $0) }
        isReadable = false
        return result == .blocked
    }

    /// See ``HTTP/StallClock``.
    var unacknowledgedBytes: Int { max(0, Int(cwire_unacknowledged_bytes(descriptor))) }
}
