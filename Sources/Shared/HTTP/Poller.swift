import CCurl
import Glibc
import Support

/// The sockets of one event loop, watched with epoll.
///
/// Level-triggered: what is not dealt with is told again.
struct Poller: ~Copyable {
    struct Interest: OptionSet {
        let rawValue: UInt8
        static let read = Interest(rawValue: 1)
        static let write = Interest(rawValue: 2)
    }

    private let descriptor: Int32
    private let events = UnsafeMutableBufferPointer<epoll_event>.allocate(capacity: 128)

    init() throws(BackupError) {
        events.initialize(repeating: epoll_event())
        descriptor = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard descriptor >= 0 else {
            let error = SystemError()
            events.deallocate()
            throw BackupError(.internalError, "cannot create an epoll instance: \(error.text)")
        }
    }

    deinit {
        close(descriptor)
        events.deallocate()
    }

    /// - Parameter isNew: the socket is not watched yet.
    func watch(_ socket: Int32, _ interest: Interest, isNew: Bool) {
        var event = epoll_event()
        if interest.contains(.read) { event.events |= EPOLLIN.rawValue }
        if interest.contains(.write) { event.events |= EPOLLOUT.rawValue }
        event.data.fd = socket
        guard epoll_ctl(descriptor, isNew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, socket, &event) != 0 else { return }
        // A number that was closed behind our back, or is watched already: the other operation fits.
        if errno == ENOENT { epoll_ctl(descriptor, EPOLL_CTL_ADD, socket, &event) }
        if errno == EEXIST { epoll_ctl(descriptor, EPOLL_CTL_MOD, socket, &event) }
    }

    func forget(_ socket: Int32) {
        var event = epoll_event()
        epoll_ctl(descriptor, EPOLL_CTL_DEL, socket, &event)
    }

    /// Waits until something happens and calls `handle` for every socket that is ready.
    ///
    /// - Parameter milliseconds: at most so long; -1 for ever.
    func wait(
        milliseconds: Int32, _ handle: (_ socket: Int32, _ readable: Bool, _ writable: Bool, _ failed: Bool) -> Void
    ) {
        let count = epoll_wait(descriptor, events.baseAddress, Int32(events.count), milliseconds)
        guard count > 0 else { return }
        for event in events[..<Int(count)] {
            let bits = event.events
            handle(
                event.data.fd, bits & EPOLLIN.rawValue != 0, bits & EPOLLOUT.rawValue != 0,
                bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0)
        }
    }
}
