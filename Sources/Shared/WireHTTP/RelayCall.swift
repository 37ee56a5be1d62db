import Checksums
import HTTP
import Support

/// Passes the body of one answer on as the body of another request, on the thread of its loop.
///
/// Bytes go the way ``HTTP/RelayPath`` says: through a pipe of the kernel where nobody has to see them and both connections are
/// plain, or they are only looked at; else through a lent buffer. Neither is held while it is empty.
final class RelayCall: LoopCall, ExchangeOwner {
    private enum Phase {
        /// The source was asked, and has not answered yet.
        case asking
        /// The source has refused; its reasons are being read.
        case hearingRefusal
        /// The body is on its way.
        case passing
        /// The destination has all of the body, or has answered before.
        case hearingAnswer
        case ended
    }

    /// Bytes that one relay moves before others have their turn.
    private static let turn: Int64 = 2 << 20
    /// Bytes of a refusal that are kept.
    private static let refusalLimit = 64 * 1024
    /// Larger bodies do not come along with the head of the answer: their place is in a pipe.
    private static let smallBody: Int64 = 128 * 1024

    let id: CallID
    private let relay: RelayRequest
    private let reply: CheckedContinuation<RelayOutcome, any Error>
    private unowned let loop: WireLoop
    private var phase = Phase.asking
    private var isSecondTry = false
    private var source: Exchange?
    private var destination: Exchange?
    private var sourceAnswer: HTTPResponse?
    private var step = StepSize(left: 0, now: .now)
    private var path = RelayPath.unseen
    private var buffer: LentBuffer?
    private var pipe: LentPipe?
    /// No descriptors are left for pipes.
    private var lacksPipes = false
    private var crc = CRC32C()
    /// Bytes of the body that are still to come from the source, and to go to the destination.
    private var left: (toReceive: Int64, toSend: Int64)
    private var leftInTurn = RelayCall.turn
    /// Bytes that may be taken from the source before the throttle is asked again, and what it was asked for.
    private var allowance: Int64
    private var wish: (amount: Int64, ticket: TokenBucket.Ticket)?
    private var stallClock: StallClock
    private var movedAtLastCheck: Int64 = .min
    private var unacknowledgedAtLastCheck = 0

    init(
        _ id: CallID, _ relay: RelayRequest, _ reply: CheckedContinuation<RelayOutcome, any Error>, _ loop: WireLoop
    ) {
        self.id = id
        self.relay = relay
        self.reply = reply
        self.loop = loop
        left = (relay.length, relay.length)
        allowance = relay.paid
        stallClock = StallClock(
            limit: min(relay.source.stallTimeout, relay.destination.stallTimeout), now: .now)
    }

    func begin() {
        do throws(BackupError) {
            let request = try WireRequest(relay.source, length: nil)
            let exchange = Exchange(request, loop, self, wantsNewConnection: isSecondTry)
            source = exchange
            exchange.begin()
        } catch {
            fail(error)
        }
    }

    // MARK: Progress

    func goOn() { advance() }

    func exchangeIsReady(_ exchange: Exchange) { advance() }

    private func advance() {
        leftInTurn = RelayCall.turn
        do throws(WireFailure) {
            if phase == .asking { try ask() }
            if phase == .hearingRefusal { try hearRefusal() }
            if phase == .passing { try pass() }
            if phase == .hearingAnswer { try hearAnswer() }
        } catch {
            recover(from: error)
        }
    }

    private func ask() throws(WireFailure) {
        guard let source, source.isOpen else { return }
        if !source.isHeadSent { _ = try source.send(followedBy: empty, more: false) }
        guard source.isReadable else { return }
        let buffer = takeBuffer()
        let most = relay.length > RelayCall.smallBody ? 16 * 1024 : LentBuffer.capacity
        guard try source.receiveHead(into: buffer, most: most), let answer = source.answer else {
            return giveBufferBack()
        }
        guard answer.isSuccess else { return phase = .hearingRefusal }
        try admit(answer, source)
    }

    /// Looks at the source's answer and turns to the destination.
    private func admit(_ answer: AnswerHead, _ source: Exchange) throws(WireFailure) {
        guard let length = answer.contentLength, answer.status == 200 || answer.status == 206 else {
            throw WireFailure(
                RelayUnsuited("\(source.peer.origin): an answer of status \(answer.status) without a length"))
        }
        let head = HTTPResponse(status: answer.status, headers: answer.headers)
        do throws(BackupError) {
            path = try relay.admit(head)
            guard length == relay.length else {
                throw BackupError(
                    .corrupted, "\(source.peer.origin): expected \(relay.length) bytes, found \(length)")
            }
            let request = try WireRequest(relay.destination, length: length)
            sourceAnswer = head
            received(buffer?.count ?? 0)
            step = StepSize(left: left.toReceive, now: .now)
            phase = .passing
            let exchange = Exchange(request, loop, self, isUrgent: true, wantsNewConnection: isSecondTry)
            destination = exchange
            exchange.begin()
        } catch {
            throw WireFailure(error)
        }
    }

    private func hearRefusal() throws(WireFailure) {
        guard let source else { return }
        let buffer = takeBuffer()
        guard let answer = try source.collect(through: buffer, limit: RelayCall.refusalLimit, cutsOff: true) else {
            return giveBufferBack()
        }
        source.close(isComplete: true)
        end(.sourceRefused(answer))
    }

    /// Whether the destination has said something before it had everything.
    private func hearEarlyAnswer(_ destination: Exchange) throws(WireFailure) -> Bool {
        guard destination.isReadable else { return false }
        let spare = loop.buffers.take()
        defer { loop.buffers.give(spare) }
        guard try destination.receiveHead(into: spare), let answer = destination.answer else { return false }
        guard answer.status >= 300 else {
            throw WireFailure(RelayUnsuited("\(destination.peer.origin): it accepts what it has not read"))
        }
        // From here on the source does not matter any more.
        giveBufferBack()
        givePipeBack()
        source?.close()
        phase = .hearingAnswer
        if let refusal = try collect(destination, through: spare) { end(.destinationRefused(refusal)) }
        return true
    }

    private func hearAnswer() throws(WireFailure) {
        guard let destination, destination.isReadable else { return }
        let buffer = takeBuffer()
        defer { giveBufferBack() }
        if destination.answer == nil {
            guard try destination.receiveHead(into: buffer) else { return }
        }
        guard let answer = try collect(destination, through: buffer) else { return }
        guard answer.isSuccess else {
            destination.close(isComplete: left.toSend == 0)
            return end(.destinationRefused(answer))
        }
        guard left.toSend == 0, let sourceAnswer else { return }
        destination.close(isComplete: true)
        end(
            .relayed(
                source: sourceAnswer, destination: answer, crc32c: path == .checksummed ? crc.value : nil))
    }

    /// An answer to a body that was not sent wholly counts even when the connection breaks behind its head.
    private func collect(_ destination: Exchange, through buffer: LentBuffer) throws(WireFailure) -> HTTPResponse? {
        do throws(WireFailure) {
            return try destination.collect(through: buffer, limit: RelayCall.refusalLimit, cutsOff: true)
        } catch {
            guard left.toSend > 0, let answer = destination.answer, answer.status >= 300 else { throw error }
            return HTTPResponse(status: answer.status, headers: answer.headers)
        }
    }

    // MARK: Bytes

    private func pass() throws(WireFailure) {
        guard let source, let destination, destination.isOpen else { return }
        if try hearEarlyAnswer(destination) { return }
        do throws(WireFailure) {
            guard try passBytes(source, destination) else { return }
        } catch {
            // A destination that refuses may close its connection behind the answer, which counts.
            if destination.isReadable, !error.isStale, (try? hearEarlyAnswer(destination)) == true { return }
            throw error
        }
        giveBufferBack()
        phase = .hearingAnswer
    }

    /// Moves bytes until all have gone, or one of the two has to be waited for.
    private func passBytes(_ source: Exchange, _ destination: Exchange) throws(WireFailure) -> Bool {
        while true {
            guard try flush(destination) else { return false }
            if left.toReceive == 0 {
                source.close(isComplete: true)
                return left.toSend == 0
            }
            guard leftInTurn > 0 else {
                loop.goOnLater(self)
                return false
            }
            guard source.isReadable else {
                giveBufferBack()
                givePipeBack()
                if relay.length > RelayCall.smallBody {
                    source.connection?.setLowWater(step.next(left: left.toReceive, now: .now))
                }
                return false
            }
            guard mayTake() else { return false }
            if isThroughKernel { try fillPipe(source) } else { try fillBuffer(source) }
        }
    }

    /// Whether more bytes may be taken from the source; when not, the throttle calls.
    private func mayTake() -> Bool {
        guard let throttle = relay.throttle, throttle.isLimited else {
            allowance = 0
            return true
        }
        while allowance <= 0 {
            guard wish == nil else { return false }
            let amount = min(left.toReceive, throttle.slice)
            let ticket = throttle.request(amount) { [mailbox = loop.mailbox, id] in mailbox.post(.granted(id)) }
            if let ticket {
                wish = (amount, ticket)
                giveBufferBack()
                givePipeBack()
                return false
            }
            allowance += amount
        }
        return true
    }

    func granted() {
        guard let wish, phase != .ended else { return }
        allowance += wish.amount
        self.wish = nil
        advance()
    }

    /// Bytes to take from the source in one step, at most.
    private var mostToTake: Int64 { allowance > 0 ? min(left.toReceive, allowance) : left.toReceive }

    private var isThroughKernel: Bool {
        !lacksPipes && relay.length > RelayCall.smallBody && source?.connection?.isPlain == true
            && destination?.connection?.isPlain == true
    }

    /// Sends the head and whatever has come from the source. False when the destination takes no more now.
    private func flush(_ destination: Exchange) throws(WireFailure) -> Bool {
        while !destination.isHeadSent || buffer?.isEmpty == false {
            let bytes = buffer?.bytes ?? empty
            guard let count = try destination.send(followedBy: bytes, more: left.toReceive > 0) else { return false }
            buffer?.consumed(count)
            sent(count)
        }
        while let pipe, pipe.count > 0, let connection = destination.connection {
            if path == .checksummed && pipe.seen == 0 { try look(into: pipe, destination) }
            let most = path == .checksummed ? pipe.seen : pipe.count
            guard
                let count = try destination.bytes(
                    connection.drain(pipe, most: most, more: left.toSend > Int64(most)),
                    whenEnded: "the connection was closed when a part of the body had been sent")
            else { return false }
            sent(count)
        }
        return true
    }

    private func fillBuffer(_ source: Exchange) throws(WireFailure) {
        guard let connection = source.connection else { return }
        let buffer = takeBuffer()
        let room = UnsafeMutableRawBufferPointer(rebasing: buffer.room.prefix(Int(clamping: mostToTake)))
        guard let count = try source.bytes(connection.receive(into: room), whenEnded: truncated) else { return }
        buffer.filled(count)
        received(count)
    }

    private func fillPipe(_ source: Exchange) throws(WireFailure) {
        giveBufferBack()
        if pipe == nil { pipe = loop.pipes.take() }
        guard let pipe, let connection = source.connection, path == .unseen || pipe.prepareToLook() else {
            givePipeBack()
            // No descriptors for a pipe: the bytes go the other way.
            lacksPipes = true
            return
        }
        guard let count = try source.bytes(connection.fill(pipe, most: mostToTake), whenEnded: truncated) else {
            return
        }
        left.toReceive -= Int64(count)
        leftInTurn -= Int64(count)
        allowance -= Int64(count)
    }

    /// Takes the bytes of the pipe into the checksum, without taking them out.
    private func look(into pipe: LentPipe, _ destination: Exchange) throws(WireFailure) {
        let spare = loop.buffers.take()
        defer { loop.buffers.give(spare) }
        _ = try destination.bytes(
            pipe.look(through: spare.room) { crc.update($0) }, whenEnded: "the bytes on their way are gone")
    }

    private var truncated: String { "the connection ended before the answer was complete" }

    /// `count` more bytes of the body are in the buffer. Those behind the announced end are none of it.
    private func received(_ count: Int) {
        guard let buffer, count > 0 else { return }
        let wanted = Int(min(Int64(count), left.toReceive))
        if wanted < count {
            buffer.truncate(to: wanted)
            source?.noteSurplus()
        }
        if path == .checksummed { crc.update(buffer.bytes) }
        left.toReceive -= Int64(wanted)
        leftInTurn -= Int64(wanted)
        allowance -= Int64(wanted)
    }

    private func sent(_ count: Int) {
        left.toSend -= Int64(count)
        relay.meter.set(relay.length - left.toSend)
    }

    private func takeBuffer() -> LentBuffer {
        if let buffer { return buffer }
        let taken = loop.buffers.take()
        buffer = taken
        return taken
    }

    private func giveBufferBack() {
        if let buffer { loop.buffers.give(buffer) }
        buffer = nil
    }

    private func givePipeBack() {
        if let pipe { loop.pipes.give(pipe) }
        pipe = nil
    }

    // MARK: The end

    func exchangeHasFailed(_ exchange: Exchange, _ failure: WireFailure) {
        guard exchange === source || exchange === destination else { return }
        recover(from: failure)
    }

    /// Begins again when all that happened is that a kept connection was closed.
    private func recover(from failure: WireFailure) {
        guard phase != .ended else { return }
        guard failure.isStale, !isSecondTry else { return fail(failure.error) }
        isSecondTry = true
        closeAll()
        phase = .asking
        left = (relay.length, relay.length)
        crc = CRC32C()
        relay.meter.set(0)
        begin()
    }

    func check(at now: ContinuousClock.Instant) {
        for exchange in [source, destination].compactMap({ $0 }) { exchange.checkConnecting(at: now) }
        guard phase != .ended else { return }
        let isConnecting = source?.isOpen == false && phase == .asking || destination?.isOpen == false
        let moved = (source?.moved ?? 0) + (destination?.moved ?? 0) - left.toReceive - left.toSend
        // Bytes that trickle are passed on all the same: less often, and one by one if need be.
        if moved == movedAtLastCheck { source?.connection?.setLowWater(1) }
        showPulse(moved)
        let isStalled = stallClock.isStalled(
            at: now, moved: moved, waitsForUs: (isConnecting && phase != .hearingAnswer) || wish != nil,
            unacknowledged: { destination?.connection?.unacknowledgedBytes ?? 0 })
        guard isStalled else { return }
        let limit = min(relay.source.stallTimeout, relay.destination.stallTimeout)
        let slow = phase == .hearingAnswer ? destination : source
        let origin = slow?.peer.origin.description ?? ""
        fail(BackupError(.timedOut, "\(origin): no data moved for \(limit.text)", isRetryable: true))
    }

    /// Lets whoever watches from outside see what moves, also what only leaves the socket.
    private func showPulse(_ moved: Int64) {
        let unacknowledged = moved == movedAtLastCheck ? destination?.connection?.unacknowledgedBytes ?? 0 : 0
        if moved != movedAtLastCheck || unacknowledged < unacknowledgedAtLastCheck || wish != nil { relay.meter.beat() }
        movedAtLastCheck = moved
        unacknowledgedAtLastCheck = unacknowledged
    }

    func fail(_ error: any Error) {
        guard phase != .ended else { return }
        finish()
        reply.resume(throwing: error)
    }

    private func end(_ outcome: RelayOutcome) {
        guard phase != .ended else { return }
        finish()
        reply.resume(returning: outcome)
    }

    private func finish() {
        phase = .ended
        if let wish { relay.throttle?.withdraw(wish.ticket) }
        wish = nil
        closeAll()
        loop.ended(self)
    }

    private func closeAll() {
        source?.close()
        destination?.close()
        (source, destination) = (nil, nil)
        giveBufferBack()
        givePipeBack()
    }
}
