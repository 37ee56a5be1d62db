import CCurl
import Support

/// One thread's transfers: a libcurl multi handle driven by epoll.
///
/// Lives and dies on its own thread; others reach it through its ``LoopMailbox``. The work for one event does not depend on
/// how many transfers there are.
final class EventLoop {
    private let mailbox: LoopMailbox<LoopCommand>
    private let balancer: LoopBalancer
    private let environment: ConnectionEnvironment
    private let poller: Poller
    private let multi: UnsafeMutableRawPointer
    /// TLS sessions, for short handshakes. No locks are set: it never leaves this thread.
    private let share: UnsafeMutableRawPointer?
    private var transfers: [TransferID: Transfer] = [:]
    private var admission: Admission
    private var idleHandles: [EasyHandle] = []
    /// Servers that do not answer `Expect: 100-continue`: asking them costs a second each time.
    private var ignoringExpectations: Set<Origin> = []
    private var idlePlainConnections = IdlePlainConnections()
    /// When libcurl wants to be called without an event.
    private var curlDeadline: ContinuousClock.Instant?
    private var nextInspection: ContinuousClock.Instant?
    private var commands: [LoopCommand] = []
    private var isStopping = false

    private static let inspectionInterval = Duration.milliseconds(200)
    /// Handles and connections kept for later.
    private static let maximumIdleHandles = 64

    /// - Throws: ``BackupError/Code/internalError`` when the process has no file descriptors or memory left.
    init(
        mailbox: LoopMailbox<LoopCommand>, balancer: LoopBalancer, environment: ConnectionEnvironment,
        connectionsPerOrigin: Int
    ) throws(BackupError) {
        self.mailbox = mailbox
        self.balancer = balancer
        self.environment = environment
        admission = Admission(limit: connectionsPerOrigin)
        poller = try Poller()
        guard let multi = curl_multi_init() else {
            throw BackupError(.internalError, "cannot start libcurl: out of memory")
        }
        self.multi = multi
        share = curl_share_init().map { UnsafeMutableRawPointer($0) }
        if let share { curl_shim_share(share, CURL_LOCK_DATA_SSL_SESSION) }
        poller.watch(mailbox.wakeDescriptor, .read, isNew: true)
        let context = Unmanaged.passUnretained(self).toOpaque()
        curl_shim_multi_set_pointer(multi, CURLMOPT_SOCKETDATA, context)
        curl_shim_multi_set_pointer(multi, CURLMOPT_TIMERDATA, context)
        curl_shim_multi_set_socket_function(multi, socketChanged)
        curl_shim_multi_set_timer_function(multi, timerChanged)
        curl_shim_multi_set_long(multi, CURLMOPT_MAXCONNECTS, max(64, 2 * connectionsPerOrigin))
        // No multiplexing: with several streams on one connection libcurl 7.88 loses trailers, and with them gRPC's status.
        curl_shim_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_NOTHING))
    }

    deinit {
        idleHandles.removeAll()
        curl_multi_cleanup(multi)
        curl_share_cleanup(share)
    }

    /// Works until a `stop` command comes.
    func run() {
        while !isStopping {
            waitForEvents()
            carryOutCommands()
            runExpiredTimer()
            collectFinished()
            inspectTransfers()
        }
        shutDown()
    }

    // MARK: Events

    private func waitForEvents() {
        let milliseconds = mailbox.prepareToSleep() ? millisecondsToNextDeadline() : 0
        poller.wait(milliseconds: milliseconds) { socket, readable, writable, failed in
            if socket == mailbox.wakeDescriptor { return mailbox.clearWake() }
            var bits: Int32 = 0
            // Before anything is sent an answer is looked for: an early refusal must be seen before the broken connection.
            if readable || writable || failed { bits |= CURL_CSELECT_IN }
            if writable { bits |= CURL_CSELECT_OUT }
            if failed { bits |= CURL_CSELECT_ERR }
            var running: Int32 = 0
            curl_multi_socket_action(multi, socket, bits, &running)
        }
    }

    private func millisecondsToNextDeadline() -> Int32 {
        guard let deadline = [curlDeadline, nextInspection].compactMap({ $0 }).min() else { return -1 }
        let rest = deadline - ContinuousClock.now
        return rest <= .zero ? 0 : Int32(clamping: rest.milliseconds)
    }

    private func runExpiredTimer() {
        guard let deadline = curlDeadline, deadline <= ContinuousClock.now else { return }
        curlDeadline = nil
        var running: Int32 = 0
        curl_multi_socket_action(multi, CURL_SOCKET_BAD, 0, &running)
    }

    fileprivate func watch(_ socket: Int32, _ what: Int32, isNew: Bool) {
        switch what {
        case CURL_POLL_REMOVE: poller.forget(socket)
        case CURL_POLL_IN: poller.watch(socket, .read, isNew: isNew)
        case CURL_POLL_OUT: poller.watch(socket, .write, isNew: isNew)
        case CURL_POLL_INOUT: poller.watch(socket, [.read, .write], isNew: isNew)
        default: break
        }
        // What is assigned to a socket comes back with the next call for it: not nil means "watched".
        if isNew { curl_multi_assign(multi, socket, multi) }
    }

    fileprivate func wake(afterMilliseconds milliseconds: Int) {
        curlDeadline = milliseconds < 0 ? nil : ContinuousClock.now + .milliseconds(milliseconds)
    }

    private func collectFinished() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            let code = message.pointee.data.result
            var context: UnsafeMutableRawPointer?
            curl_shim_get_pointer(easy, CURLINFO_PRIVATE, &context)
            if let finished = transfer(context) { end(finished, code) }
        }
    }

    // MARK: Commands

    private func carryOutCommands() {
        mailbox.take(into: &commands)
        for command in commands {
            switch command {
            case .start(let submission): accept(submission)
            case .cancel(let id):
                if let transfer = transfers[id] { end(transfer, with: canceled(transfer.submission.origin)) }
            case .resume(let id, let directions): resume(id, directions)
            case .stop: isStopping = true
            }
        }
        commands.removeAll(keepingCapacity: true)
    }

    private func accept(_ submission: Submission) {
        let expects = asksBeforeSending(submission.request) && !ignoringExpectations.contains(submission.origin)
        let now = ContinuousClock.now
        let transfer = Transfer(submission, mailbox: mailbox, expectsContinue: expects, now: now)
        transfers[submission.id] = transfer
        if nextInspection == nil { nextInspection = now + EventLoop.inspectionInterval }
        if submission.cancellation.isSet { return end(transfer, with: canceled(submission.origin)) }
        // Whoever empties a pipe never waits: all places might be taken by those who fill one.
        if submission.uploadPipe != nil { return beginUpload(transfer) }
        guard admission.enter(submission.id, submission.origin) else { return }
        transfer.occupiesPlace = true
        begin(transfer)
    }

    private func beginUpload(_ transfer: Transfer) {
        do throws(BackupError) {
            if try transfer.gatherBody() { begin(transfer) }
        } catch {
            end(transfer, with: error)
        }
    }

    private func begin(_ transfer: Transfer) {
        guard let handle = idleHandles.popLast() ?? EasyHandle() else {
            return end(transfer, with: BackupError(.internalError, "\(transfer.submission.origin): out of memory"))
        }
        idlePlainConnections.prepare(transfer)
        handle.configure(for: transfer, share: share, environment)
        transfer.begin(with: handle)
        let code = curl_multi_add_handle(multi, handle.pointer)
        if code != CURLM_OK {
            let reason = String(cString: curl_multi_strerror(code))
            end(transfer, with: BackupError(.internalError, "\(transfer.submission.origin): libcurl: \(reason)"))
        }
    }

    private func resume(_ id: TransferID, _ directions: PausedDirections) {
        guard let transfer = transfers[id] else { return }
        guard let handle = transfer.handle else {
            if transfer.submission.uploadPipe != nil { beginUpload(transfer) }
            return
        }
        transfer.paused.subtract(directions)
        var pauses = CURLPAUSE_CONT
        if transfer.paused.contains(.receiving) { pauses |= CURLPAUSE_RECV }
        if transfer.paused.contains(.sending) { pauses |= CURLPAUSE_SEND }
        // What libcurl has held back is delivered from within this call.
        let code = curl_easy_pause(handle.pointer, pauses)
        if code != CURLE_OK && transfer.failure != nil { end(transfer, code) }
    }

    // MARK: The end of a transfer

    private func end(_ transfer: Transfer, _ code: CURLcode) {
        if transfer.plainReuse?.isRejected == true {
            idlePlainConnections.missed(transfer)
            giveBackHandle(transfer)
            return begin(transfer)
        }
        if code == CURLE_OK { idlePlainConnections.left(by: transfer) }
        if transfer.ignoredExpectation { ignoringExpectations.insert(transfer.submission.origin) }
        transfer.complete(code, environment)
        release(transfer)
    }

    private func end(_ transfer: Transfer, with error: BackupError) {
        transfer.fail(error)
        release(transfer)
    }

    /// Gives back the handle, the place and, unless the transfer is complete, the connection.
    private func release(_ transfer: Transfer) {
        let submission = transfer.submission
        transfers[submission.id] = nil
        if transfers.isEmpty { nextInspection = nil }
        giveBackHandle(transfer)
        balancer.release(submission.placement)
        guard submission.uploadPipe == nil else { return }
        guard transfer.occupiesPlace else { return admission.withdraw(submission.id, submission.origin) }
        if let id = admission.leave(submission.origin), let next = transfers[id] {
            next.occupiesPlace = true
            begin(next)
        }
    }

    private func giveBackHandle(_ transfer: Transfer) {
        guard let handle = transfer.handle else { return }
        transfer.handle = nil
        curl_multi_remove_handle(multi, handle.pointer)
        handle.reset()
        if idleHandles.count < EventLoop.maximumIdleHandles { idleHandles.append(handle) }
    }

    /// Ends what takes too long. Once in a while for all: cheaper than a timer for each.
    private func inspectTransfers() {
        let now = ContinuousClock.now
        guard let due = nextInspection, due <= now else { return }
        nextInspection = now + EventLoop.inspectionInterval
        let overdue = transfers.values.compactMap { transfer in transfer.reasonToEnd(at: now).map { (transfer, $0) } }
        for transfer in transfers.values where transfer.isRefused { transfer.endRefusedUpload() }
        for (transfer, reason) in overdue {
            // HTTP/2 would only end the stream and keep a connection on which nothing moves.
            transfer.handle?.set(CURLOPT_FORBID_REUSE, true)
            end(transfer, with: reason)
        }
    }

    private func canceled(_ origin: Origin) -> BackupError {
        BackupError(.canceled, "\(origin): the request was canceled")
    }

    private func shutDown() {
        let left = mailbox.close()
        for case .start(let submission) in left {
            submission.uploadPipe?.cancel()
            submission.reply.resume(throwing: shutDownError)
            balancer.release(submission.placement)
        }
        // No place becomes free for others: they end as well.
        let all = Array(transfers.values)
        transfers.removeAll()
        for transfer in all { end(transfer, with: shutDownError) }
    }
}

let shutDownError = BackupError(.canceled, "the HTTP client was shut down")

private func loop(_ context: UnsafeMutableRawPointer?) -> EventLoop? {
    context.map { Unmanaged<EventLoop>.fromOpaque($0).takeUnretainedValue() }
}

private let socketChanged: curl_socket_callback = { _, socket, what, context, assigned in
    loop(context)?.watch(socket, what, isNew: assigned == nil)
    return 0
}

private let timerChanged: curl_multi_timer_callback = { _, milliseconds, context in
    loop(context)?.wake(afterMilliseconds: milliseconds)
    return 0
}
