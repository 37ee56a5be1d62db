import Glibc
import Support

/// Socket calls with their errors as ``BackupError``s.
enum Sockets {
    /// Seconds without an answer to our bytes or to keepalive probes after which a peer counts as gone: less than the lease
    /// of 30 s, so that a dead agent's shards are free at about the time its leases run out.
    private static let deadPeerSeconds: Int32 = 25

    /// A non-blocking TCP socket.
    static func make(family: Int32) throws(BackupError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw failure("cannot make a socket", errno) }
        return descriptor
    }

    /// Gives an accepted socket what ``make(family:)`` gives its own.
    static func prepareAccepted(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }

    /// What every connection wants: small messages at once, and to notice a peer that is gone.
    static func tune(_ descriptor: Int32) {
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 10)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 5)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 3)
        set(descriptor, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, deadPeerSeconds * 1000)
    }

    static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The error a socket has met since it was last asked; 0 for none.
    static func pendingError(_ descriptor: Int32) -> Int32 {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length) == 0 ? value : errno
    }

    static func localAddress(_ descriptor: Int32) -> HostAndPort {
        SocketAddress { getsockname(descriptor, $0, $1) }?.hostAndPort ?? HostAndPort(host: "unknown", port: 0)
    }

    static func peerAddress(_ descriptor: Int32) -> HostAndPort {
        SocketAddress { getpeername(descriptor, $0, $1) }?.hostAndPort ?? HostAndPort(host: "unknown", port: 0)
    }

    static func failure(_ what: String, _ error: Int32) -> BackupError {
        BackupError(
            error == ETIMEDOUT ? .timedOut : .unavailable, "\(what): \(SystemError(error).text)",
            isRetryable: true)
    }

    /// Whether a call would have had to wait, or was interrupted.
    static func isTemporary(_ error: Int32) -> Bool { error == EAGAIN || error == EWOULDBLOCK || error == EINTR }
}
