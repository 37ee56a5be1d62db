import CWire
import Glibc
import HTTP
import Support

/// Something a loop works on: one request, or a relay of two.
protocol LoopCall: AnyObject {
    var id: CallID { get }
    func begin()
    /// Goes on after its turn was over; see ``WireLoop/goOnLater(_:)``.
    func goOn()
    /// The throttle it waits for has let it go on.
    func granted()
    /// Looked at several times a second, for time limits.
    func check(at now: ContinuousClock.Instant)
    func fail(_ error: any Error)
}

extension LoopCall {
    func granted() {}
}

/// One thread's connections and calls, driven by epoll.
///
/// Lives and dies on its own thread; others reach it through its ``LoopMailbox``.
final class WireLoop {
    let mailbox: LoopMailbox<WireCommand>
    let contexts: TLSContexts
    let lookUp: SocketAddress.LookUp
    private(set) lazy var pool = ConnectionPool(self, limit: connectionsPerPeer)
    var buffers = BufferPool()
    var pipes = PipePool()
    private let connectionsPerPeer: Int
    private let epoll: Int32
    private var connections: [UInt64: Connection] = [:]
    private var lastConnectionID: UInt64 = 0
    private var calls: [CallID: any LoopCall] = [:]
    private var later: [any LoopCall] = []
    private var nextCheck = ContinuousClock.now
    private var load = ThreadLoad()
    private var isStopped = false

    /// How often time limits are looked at.
    private static let checkInterval = Duration.milliseconds(250)
    /// The share of a processor from which on others are given the next calls.
    private static let busyShare = 0.6

    /// - Throws: ``BackupError/Code/internalError`` when the process has no file descriptors left.
    init(
        _ mailbox: LoopMailbox<WireCommand>, _ contexts: TLSContexts, connectionsPerPeer: Int,
        lookUp: @escaping SocketAddress.LookUp
    ) throws(BackupError) {
        self.mailbox = mailbox
        self.contexts = contexts
        self.lookUp = lookUp
        self.connectionsPerPeer = connectionsPerPeer
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw BackupError(.internalError, "cannot create an epoll: \(SystemError().text)") }
        var event = epoll_event(events: EPOLLIN.rawValue, data: epoll_data_t(u64: 0))
        epoll_ctl(epoll, EPOLL_CTL_ADD, mailbox.wakeDescriptor, &event)
    }

    deinit { _ = Glibc.close(epoll) }

    // MARK: The thread

    /// Runs until it is told to stop.
    func run() {
        var events = [epoll_event](repeating: epoll_event(), count: 256)
        var commands: [WireCommand] = []
        while !isStopped {
            mailbox.take(into: &commands)
            for command in commands { perform(command) }
            commands.removeAll(keepingCapacity: true)
            continueCalls()
            checkCalls()
            let mayWait = mailbox.prepareToSleep() && later.isEmpty && !isStopped
            let count = epoll_wait(epoll, &events, Int32(events.count), mayWait ? patience : 0)
            for index in 0..<Int(max(count, 0)) { dispatch(events[index]) }
        }
        end()
    }

    /// Milliseconds to the next look at time limits; -1 for ever.
    private var patience: Int32 {
        if calls.isEmpty && !pool.hasIdle { return -1 }
        return Int32((max(.zero, nextCheck - .now).seconds * 1000).rounded(.up))
    }

    private func dispatch(_ event: epoll_event) {
        guard event.data.u64 != 0 else { return mailbox.clearWake() }
        // It may have been closed by what came before in the same batch.
        guard let connection = connections[event.data.u64] else { return }
        connection.changed(event.events)
        if let user = connection.user {
            user.connectionIsReady(connection)
        } else if connection.hasHungUp {
            pool.forget(connection)
        }
    }

    private func perform(_ command: WireCommand) {
        switch command {
        case .start(let submission):
            let call: any LoopCall =
                switch submission.work {
                case .request(let request, let reply): RequestCall(submission.id, request, reply, self)
                case .relay(let relay, let reply): RelayCall(submission.id, relay, reply, self)
                }
            calls[submission.id] = call
            call.begin()
        case .cancel(let id): calls[id]?.fail(BackupError(.canceled, "canceled"))
        case .granted(let id): calls[id]?.granted()
        case .resolved(let origin, let result): pool.resolved(origin, result)
        case .stop: isStopped = true
        }
    }

    private func continueCalls() {
        guard !later.isEmpty else { return }
        let calls = later
        later.removeAll(keepingCapacity: true)
        for call in calls { call.goOn() }
    }

    private func checkCalls() {
        let now = ContinuousClock.now
        guard now >= nextCheck else { return }
        nextCheck = now + WireLoop.checkInterval
        let share = load.measure(at: now)
        mailbox.isBusy = !calls.isEmpty && share > WireLoop.busyShare
        for call in Array(calls.values) { call.check(at: now) }
        pool.closeIdle(at: now)
    }

    private func end() {
        let error = BackupError(.canceled, "the HTTP client has been shut down")
        for call in Array(calls.values) { call.fail(error) }
        for case .start(let submission) in mailbox.close() { submission.fail(error) }
        for connection in connections.values { connection.close() }
        connections = [:]
    }

    // MARK: For calls and the pool

    /// The call has answered, and is forgotten.
    func ended(_ call: any LoopCall) {
        calls[call.id] = nil
        if calls.isEmpty { mailbox.isBusy = false }
    }

    /// Lets others have their turn.
    func goOnLater(_ call: any LoopCall) { later.append(call) }

    /// Begins to connect.
    func connect(_ peer: Peer, _ address: SocketAddress, context: TLSContext?) throws(SystemError) -> Connection {
        let descriptor = try address.connect()
        lastConnectionID += 1
        let connection = Connection(peer, descriptor, id: lastConnectionID, context: context)
        connections[connection.id] = connection
        let interest = EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
        var event = epoll_event(events: interest, data: epoll_data_t(u64: connection.id))
        epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event)
        return connection
    }

    /// Closing takes the socket out of the epoll, too.
    func close(_ connection: Connection) {
        connections[connection.id] = nil
        connection.close()
    }
}

/// How much of a processor the calling thread has had.
private struct ThreadLoad {
    private var last: (time: ContinuousClock.Instant, used: Duration)?

    /// The share since the last call; 0 at first.
    mutating func measure(at now: ContinuousClock.Instant) -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        let used = Duration.seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
        defer { last = (now, used) }
        guard let last, now > last.time else { return 0 }
        return (used - last.used) / (now - last.time)
    }
}
