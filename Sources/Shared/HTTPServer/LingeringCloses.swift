import Glibc
import Synchronization

/// Keeps refused connections open for a moment after their answer.
///
/// A socket that is closed with unread bytes resets the connection, and the peer may then lose the answer that tells it why. So
/// a copy of the descriptor is kept while the rest is read and dropped: for a short time and up to a number of bytes.
final class LingeringCloses: Sendable {
    private static let maximumConnections = 64
    private static let maximumBytes = 4 << 20
    private static let maximumTime = Duration.seconds(5)

    private let count = Mutex(0)

    /// Drains the connection in the background. The caller closes its own descriptor.
    func adopt(copyOf descriptor: Int32) {
        let isFull = count.withLock { count in
            guard count < Self.maximumConnections else { return true }
            count += 1
            return false
        }
        guard !isFull else { return }
        let copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return count.withLock { $0 -= 1 } }
        Task.detached { [self] in
            await drain(copy)
            close(copy)
            count.withLock { $0 -= 1 }
        }
    }

    private func drain(_ descriptor: Int32) async {
        let end = ContinuousClock.now + Self.maximumTime
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        var total = 0
        while total < Self.maximumBytes, ContinuousClock.now < end {
            let received = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if received > 0 {
                total += received
            } else if received < 0, errno == EAGAIN || errno == EINTR {
                try? await Task.sleep(for: .milliseconds(10))
            } else {
                return
            }
        }
    }
}
