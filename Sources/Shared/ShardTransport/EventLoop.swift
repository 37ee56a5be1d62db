import CEpoll
import Glibc
import Support
import Synchronization

/// What a socket is ready for.
struct Readiness: OptionSet, Sendable {
    let rawValue: UInt32
    static let readable = Readiness(rawValue: EPOLLIN.rawValue)
    static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
    /// The connection is broken or closed in both directions; reported whether it was asked for or not.
    static let hungUp = Readiness(rawValue: EPOLLHUP.rawValue | EPOLLERR.rawValue)
}

/// Told by the loop that its socket is ready.
protocol ReadinessHandler: AnyObject, Sendable {
    /// Called on the loop's thread; must not block.
    ///
    /// - Parameter scratch: memory to read into, valid during the call.
    func socketIsReady(_ readiness: Readiness, scratch: UnsafeMutableRawBufferPointer)
}

/// One thread that waits for sockets and timers, so that none of Swift's own threads ever does.
///
/// Sockets are level-triggered. Every call may be made from any thread. A handler may still be called once after its
/// registration has ended on another thread, so handlers check their own state.
final class EventLoop: Sendable {
    /// The loop of the process; it runs until the end of it.
    static let shared = EventLoop()

    /// A socket's entry; 0 is the loop's own.
    struct Registration: Sendable {
        fileprivate let id: UInt64
        let descriptor: Int32
    }

    struct Timer: Sendable {
        fileprivate let id: UInt64
    }

    private struct State {
        var handlers: [UInt64: any ReadinessHandler] = [:]
        var timers: [UInt64: (deadline: ContinuousClock.Instant, body: @Sendable () -> Void)] = [:]
        /// The earliest deadline of a timer, or an earlier moment.
        var nextDeadline: ContinuousClock.Instant?
        var lastID: UInt64 = 0

        mutating func newID() -> UInt64 {
            lastID += 1
            return lastID
        }
    }

    private static let scratchSize = 64 * 1024
    private let epoll: Int32
    private let wakeUp: Int32
    private let state = Mutex(State())

    private init() {
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        wakeUp = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        // Without these two descriptors nothing can run; the process has just begun or is out of every resource.
        precondition(epoll >= 0 && wakeUp >= 0, "no descriptors left for an event loop")
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
        epoll_ctl(epoll, EPOLL_CTL_ADD, wakeUp, &event)
        startThread { self.run() }
    }

    // MARK: Sockets

    /// Begins to watch a socket. The handler is kept until ``deregister(_:)``.
    func register(_ descriptor: Int32, for interest: Readiness, _ handler: any ReadinessHandler) -> Registration {
        let id = state.withLock { state in
            let id = state.newID()
            state.handlers[id] = handler
            return id
        }
        control(EPOLL_CTL_ADD, descriptor, id, interest)
        return Registration(id: id, descriptor: descriptor)
    }

    func setInterest(_ interest: Readiness, of registration: Registration) {
        control(EPOLL_CTL_MOD, registration.descriptor, registration.id, interest)
    }

    /// Ends the watching; call it before the descriptor is closed.
    func deregister(_ registration: Registration) {
        control(EPOLL_CTL_DEL, registration.descriptor, registration.id, [])
        // The handler is let go outside the lock: its end may come back here.
        let handler = state.withLock { $0.handlers.removeValue(forKey: registration.id) }
        withExtendedLifetime(handler) {}
    }

    private func control(_ operation: Int32, _ descriptor: Int32, _ id: UInt64, _ interest: Readiness) {
        var event = epoll_event(events: interest.rawValue, data: epoll_data_t(u64: id))
        epoll_ctl(epoll, operation, descriptor, &event)
    }

    // MARK: Timers

    /// Calls `body` once on the loop's thread, not before `delay` is over.
    @discardableResult
    func schedule(after delay: Duration, _ body: @escaping @Sendable () -> Void) -> Timer {
        let deadline = ContinuousClock.now + delay
        let (id, isNext) = state.withLock { state in
            let id = state.newID()
            state.timers[id] = (deadline, body)
            let isNext = state.nextDeadline.map { deadline < $0 } ?? true
            if isNext { state.nextDeadline = deadline }
            return (id, isNext)
        }
        if isNext { eventfd_write(wakeUp, 1) }
        return Timer(id: id)
    }

    func cancel(_ timer: Timer) {
        let removed = state.withLock { $0.timers.removeValue(forKey: timer.id) }
        withExtendedLifetime(removed) {}
    }

    // MARK: The thread

    private func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: EventLoop.scratchSize, alignment: 64)
        while true {
            let count = epoll_wait(epoll, &events, Int32(events.count), millisecondsToNextTimer())
            for event in events.prefix(Int(max(count, 0))) {
                guard event.data.u64 != 0 else {
                    var value = eventfd_t()
                    eventfd_read(wakeUp, &value)
                    continue
                }
                let handler = state.withLock { $0.handlers[event.data.u64] }
                handler?.socketIsReady(Readiness(rawValue: event.events), scratch: scratch)
            }
            for body in dueTimers() { body() }
        }
    }

    /// -1 for ever.
    private func millisecondsToNextTimer() -> Int32 {
        guard let deadline = state.withLock({ $0.nextDeadline }) else { return -1 }
        let left = (deadline - ContinuousClock.now).seconds * 1000
        return Int32(clamping: Int(min(max(left.rounded(.up), 0), 60_000)))
    }

    private func dueTimers() -> [@Sendable () -> Void] {
        let now = ContinuousClock.now
        return state.withLock { state in
            guard let next = state.nextDeadline, next <= now else { return [] }
            let due = state.timers.filter { $0.value.deadline <= now }.sorted { $0.value.deadline < $1.value.deadline }
            for (id, _) in due { state.timers[id] = nil }
            state.nextDeadline = state.timers.values.map(\.deadline).min()
            return due.map(\.value.body)
        }
    }
}
