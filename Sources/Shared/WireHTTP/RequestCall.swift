import HTTP
import Support

/// One request with a body in memory, whose answer is collected.
final class RequestCall: LoopCall, ExchangeOwner {
    let id: CallID
    private let request: HTTPRequest
    private let body: [UInt8]
    private let reply: CheckedContinuation<HTTPResponse, any Error>
    private unowned let loop: WireLoop
    private var exchange: Exchange?
    private var sent = 0
    private var isSecondTry = false
    private var isEnded = false
    private let submitted = ContinuousClock.now
    private var stallClock: StallClock

    init(
        _ id: CallID, _ request: HTTPRequest, _ reply: CheckedContinuation<HTTPResponse, any Error>, _ loop: WireLoop
    ) {
        self.id = id
        self.request = request
        self.reply = reply
        self.loop = loop
        if case .bytes(let bytes) = request.body { body = bytes } else { body = [] }
        stallClock = StallClock(limit: request.stallTimeout, now: submitted)
    }

    func begin() {
        do throws(BackupError) {
            let hasBody = !body.isEmpty || request.method == "PUT" || request.method == "POST"
            let wire = try WireRequest(request, length: hasBody ? Int64(body.count) : nil)
            let exchange = Exchange(wire, loop, self, wantsNewConnection: isSecondTry)
            self.exchange = exchange
            exchange.begin()
        } catch {
            fail(error)
        }
    }

    func goOn() { if let exchange { exchangeIsReady(exchange) } }

    func exchangeIsReady(_ exchange: Exchange) {
        guard !isEnded else { return }
        do throws(WireFailure) {
            // An answer that comes before all of the body has gone is read first; it may be a refusal.
            if !exchange.isReadable || exchange.answer == nil { try send(exchange) }
            try receive(exchange)
        } catch {
            exchangeHasFailed(exchange, error)
        }
    }

    private func send(_ exchange: Exchange) throws(WireFailure) {
        while !exchange.isHeadSent || sent < body.count {
            do throws(WireFailure) {
                let result = body.withUnsafeBytes { body in
                    Result { () throws(WireFailure) in
                        try exchange.send(followedBy: UnsafeRawBufferPointer(rebasing: body[sent...]), more: false)
                    }
                }
                guard let count = try result.get() else { return }
                sent += count
            } catch {
                // The server may have answered before it closed.
                guard exchange.isReadable, !error.isStale else { throw error }
                return
            }
        }
    }

    private func receive(_ exchange: Exchange) throws(WireFailure) {
        guard exchange.isReadable else { return }
        let buffer = loop.buffers.take()
        defer { loop.buffers.give(buffer) }
        if exchange.answer == nil {
            guard try exchange.receiveHead(into: buffer) else { return }
        }
        let answer = try exchange.collect(
            through: buffer, limit: request.maximumResponseSize, cutsOff: exchange.answer?.isSuccess != true)
        guard let answer else { return }
        let isWhole = exchange.isHeadSent && sent == body.count
        guard isWhole || answer.status >= 300 else {
            throw WireFailure(RelayUnsuited("\(exchange.peer.origin): it accepts what it has not read"))
        }
        end(isComplete: isWhole)
        reply.resume(returning: answer)
    }

    func exchangeHasFailed(_ exchange: Exchange, _ failure: WireFailure) {
        guard !isEnded, exchange === self.exchange else { return }
        guard failure.isStale, !isSecondTry, request.method != "POST" else { return fail(failure.error) }
        isSecondTry = true
        exchange.close()
        sent = 0
        begin()
    }

    func check(at now: ContinuousClock.Instant) {
        guard let exchange, !isEnded else { return }
        let origin = exchange.peer.origin
        if let limit = request.totalTimeout, now - submitted >= limit {
            return fail(
                BackupError(.timedOut, "\(origin): no complete answer within \(limit.text)", isRetryable: true))
        }
        exchange.checkConnecting(at: now)
        guard !isEnded else { return }
        let isStalled = stallClock.isStalled(
            at: now, moved: exchange.moved + Int64(sent), waitsForUs: !exchange.isOpen,
            unacknowledged: { exchange.connection?.unacknowledgedBytes ?? 0 })
        if isStalled {
            fail(
                BackupError(
                    .timedOut, "\(origin): no data moved for \(request.stallTimeout.text)", isRetryable: true))
        }
    }

    func fail(_ error: any Error) {
        guard !isEnded else { return }
        end(isComplete: false)
        reply.resume(throwing: error)
    }

    private func end(isComplete: Bool) {
        isEnded = true
        exchange?.close(isComplete: isComplete)
        loop.ended(self)
    }
}
