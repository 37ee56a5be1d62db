import HTTP
import Support

/// Why an exchange cannot go on.
struct WireFailure: Error {
    /// A ``BackupError`` or a ``RelayUnsuited``.
    var error: any Error
    /// The server has closed a kept-alive connection instead of answering: a new one may do.
    var isStale = false

    init(_ error: any Error, isStale: Bool = false) {
        self.error = error
        self.isStale = isStale
    }
}

/// Who lets an exchange happen: a call.
protocol ExchangeOwner: AnyObject {
    /// The connection is open, or ready for more.
    func exchangeIsReady(_ exchange: Exchange)
    func exchangeHasFailed(_ exchange: Exchange, _ failure: WireFailure)
}

/// One request and its answer on one connection: what a single request and both halves of a relay have in common.
///
/// It finds a connection, sends the head and what goes along with it, and reads the answer's head, and its body when it is to
/// be collected. Its owner moves all other bytes.
final class Exchange: ConnectionUser {
    let peer: Peer
    let method: String
    /// Not bound by the limit of connections: others that hold one wait for this.
    let isUrgent: Bool
    let wantsNewConnection: Bool
    private let head: [UInt8]
    private unowned let loop: WireLoop
    private unowned let owner: any ExchangeOwner

    /// Addresses that were tried, or still are: the last one.
    var triedAddresses: [SocketAddress] = []
    private var connectClock: ConnectClock
    /// It counts as one of the peer's connections, although it may not have one yet.
    var hasPlace = false
    private(set) var connection: Connection?
    private var isClosed = false
    private var sentHeadBytes = 0
    private var parser = AnswerParser()
    private var collector: BodyCollector?
    private(set) var answer: AnswerHead?
    /// More came than the answer announced: the connection cannot be used any more.
    private(set) var hasSurplus = false
    /// Bytes of the head and of the answer so far, to see whether anything moves.
    private(set) var moved: Int64 = 0

    init(
        _ request: WireRequest, _ loop: WireLoop, _ owner: any ExchangeOwner, isUrgent: Bool = false,
        wantsNewConnection: Bool = false
    ) {
        peer = request.peer
        method = request.method
        head = request.head
        connectClock = ConnectClock(limit: request.connectTimeout)
        self.isUrgent = isUrgent
        self.wantsNewConnection = wantsNewConnection
        self.loop = loop
        self.owner = owner
    }

    // MARK: The connection

    /// Whether it is still in need of a connection.
    var isWaiting: Bool { !isClosed && !hasPlace }
    var isOpen: Bool { connection?.state == .open }
    var isReadable: Bool { connection?.isReadable == true }
    var isHeadSent: Bool { sentHeadBytes == head.count }

    func begin() { loop.pool.obtain(for: self) }

    /// Takes an open connection.
    func use(_ connection: Connection) {
        hasPlace = true
        self.connection = connection
        connection.user = self
        owner.exchangeIsReady(self)
    }

    /// Takes a connection that is still to be opened.
    ///
    /// - Parameter others: addresses that can be tried when this one does not do.
    func open(_ connection: Connection, others: Int) {
        self.connection = connection
        connection.user = self
        connectClock.beginAttempt(others: others, at: .now)
    }

    func connectionIsReady(_ connection: Connection) {
        guard connection.state != .open else { return owner.exchangeIsReady(self) }
        let wasConnecting = connection.state == .connecting
        let result = connection.open()
        switch result {
        case .bytes:
            loop.pool.note(self, isConnected: true)
            owner.exchangeIsReady(self)
        case .blocked: break
        case .ended, .failed:
            // Only the first part has other addresses to try; what is wrong with TLS libcurl says best.
            guard wasConnecting, connection.state == .connecting else {
                return fail(WireFailure(RelayUnsuited("no TLS with \(peer.origin)", isLasting: false)))
            }
            var reason: String?
            if case .failed(let error) = result { reason = error.text }
            leaveAddress(because: connectFailure(reason))
        }
    }

    /// Goes on with the next address when this one has had its time, be it that nobody is there or that TLS gets nowhere.
    func checkConnecting(at now: ContinuousClock.Instant) {
        guard !isClosed, connection != nil, !isOpen, connectClock.isOver(at: now) else { return }
        leaveAddress(
            because: .noConnection("cannot connect to \(peer.origin) within \(connectClock.limit.text)"))
    }

    private func leaveAddress(because failure: BackupError) {
        if let connection { loop.close(connection) }
        connection = nil
        loop.pool.dial(self, after: failure)
    }

    /// - Parameter reason: the system's words; nil when there is no address that could have failed.
    func connectFailure(_ reason: String?) -> BackupError {
        let reason = reason ?? "it has no address"
        return BackupError(.unavailable, "cannot connect to \(peer.origin): \(reason)", isRetryable: true)
    }

    func fail(_ failure: WireFailure) {
        guard !isClosed else { return }
        owner.exchangeHasFailed(self, failure)
    }

    /// Ends it: the connection goes back when the answer was read to its end, else it is closed.
    func close(isComplete: Bool = false) {
        guard !isClosed else { return }
        isClosed = true
        guard let connection else {
            if hasPlace { loop.pool.leave(peer) }
            return
        }
        self.connection = nil
        if isComplete && answer?.keepsConnection == true && !hasSurplus {
            loop.pool.release(connection)
        } else {
            loop.pool.discard(connection)
        }
    }

    // MARK: Sending

    /// Sends what is left of the head and then of `body`.
    ///
    /// - Parameter more: whether bytes will follow behind `body`.
    /// - Returns: how many bytes of `body` went, nil when the connection takes no more now.
    func send(followedBy body: UnsafeRawBufferPointer, more: Bool) throws(WireFailure) -> Int? {
        guard let connection else { return nil }
        let left = head.count - sentHeadBytes
        let result = head.withUnsafeBytes { head in
            let rest = UnsafeRawBufferPointer(rebasing: head[sentHeadBytes...])
            return left > 0 ? connection.send(rest, body, more: more) : connection.send(body, empty, more: more)
        }
        guard let count = try bytes(result, whenEnded: "the connection was closed while the request was being sent")
        else { return nil }
        let ofHead = min(count, left)
        sentHeadBytes += ofHead
        moved += Int64(ofHead)
        return count - ofHead
    }

    /// What a transfer of bytes has come to; nil when it must wait.
    func bytes(_ result: Transferred, whenEnded message: String) throws(WireFailure) -> Int? {
        switch result {
        case .bytes(let count): return count
        case .blocked: return nil
        case .ended, .failed: throw broken(message)
        }
    }

    /// The connection does not work any more.
    func broken(_ message: String) -> WireFailure {
        let isStale = connection?.isReused == true && !parser.hasBegun && answer == nil
        return WireFailure(
            BackupError(.unavailable, "\(peer.origin): \(message)", isRetryable: true), isStale: isStale)
    }

    // MARK: Receiving

    /// Reads on until the head of the answer is there.
    ///
    /// - Parameter buffer: has the first bytes of the body afterwards.
    /// - Returns: false when more has to come first.
    func receiveHead(into buffer: LentBuffer, most: Int = LentBuffer.capacity) throws(WireFailure) -> Bool {
        while let connection, connection.isReadable {
            buffer.clear()
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer.room.prefix(most))
            guard
                let count = try bytes(
                    connection.receive(into: room), whenEnded: "the connection was closed without an answer")
            else { return false }
            moved += Int64(count)
            buffer.filled(count)
            do throws(MalformedAnswer) {
                guard let (head, consumed) = try parser.receive(buffer.bytes) else { continue }
                answer = head
                buffer.consumed(consumed)
                return true
            } catch {
                throw malformed(error)
            }
        }
        return false
    }

    /// Reads the rest of the answer, whose head is there, and keeps its body.
    ///
    /// - Parameters:
    ///   - buffer: may hold the first bytes; is empty afterwards.
    ///   - limit: bytes to be kept.
    ///   - cutsOff: whether it is enough when there are that many.
    /// - Returns: the answer, nil when more has to come first.
    func collect(
        through buffer: LentBuffer, limit: Int, cutsOff: Bool
    ) throws(WireFailure) -> HTTPResponse? {
        guard let answer else { return nil }
        var collector = self.collector ?? BodyCollector(answer.framing(of: method), limit: limit)
        self.collector = nil
        defer { self.collector = collector }
        while true {
            do throws(MalformedAnswer) {
                let count = try collector.receive(buffer.bytes)
                hasSurplus = hasSurplus || count < buffer.count || (collector.isCutOff && !collector.isComplete)
                buffer.clear()
            } catch {
                throw malformed(error)
            }
            if collector.isCutOff && !cutsOff {
                throw WireFailure(
                    BackupError(
                        .corrupted, "\(peer.origin): the answer is larger than the expected \(limit) bytes"))
            }
            if collector.isComplete || collector.isCutOff {
                return HTTPResponse(status: answer.status, headers: answer.headers, body: collector.body)
            }
            guard let connection, connection.isReadable else { return nil }
            switch connection.receive(into: buffer.room) {
            case .bytes(let count):
                moved += Int64(count)
                buffer.filled(count)
            case .blocked: return nil
            case .ended where collector.end(): hasSurplus = true
            case .ended, .failed: throw broken("the connection ended before the answer was complete")
            }
        }
    }

    /// Bytes came behind the announced end.
    func noteSurplus() { hasSurplus = true }

    private func malformed(_ error: MalformedAnswer) -> WireFailure {
        WireFailure(RelayUnsuited("\(peer.origin): \(error.reason)"))
    }
}

var empty: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
