import CCurl
import Glibc
import Support

/// One request on its event loop: what libcurl's callbacks read and write, and how it ends.
///
/// Used by the loop's thread only.
final class Transfer {
    let submission: Submission
    /// Counted by ``Admission``.
    var occupiesPlace = false
    /// While libcurl works on it.
    var handle: EasyHandle?
    /// The directions in which the pipe's other end is waited for.
    var paused: PausedDirections = []

    private let mailbox: LoopMailbox<LoopCommand>
    private var head = ResponseHead()
    private var body: [UInt8] = []
    /// Why our own side ended the transfer.
    private(set) var failure: BackupError?
    /// The answer is complete enough, though its (error) body goes on.
    private var isCutOff = false
    private var isAnswered = false
    /// An error answer has come before the body was sent: no more of it is sent, the answer is the result.
    private(set) var isRefused = false
    /// What is sent: the request's body, or what was gathered of it.
    private(set) var outgoing: HTTPRequest.Body
    private var gathered: [UInt8] = []
    /// Bytes read from the pipe.
    private var taken: Int64 = 0
    /// Body bytes handed to libcurl.
    private var provided: Int64 = 0
    private(set) var received: Int64 = 0
    let expectsContinue: Bool
    /// The body had to be sent although the server did not answer `Expect: 100-continue`.
    private(set) var ignoredExpectation = false
    /// libcurl has begun to send it.
    private var hasGoneOut = false
    /// For HTTP/2 without TLS where libcurl needs help.
    var plainReuse: PlainReuse?
    var stallClock: StallClock
    private var started: ContinuousClock.Instant

    init(
        _ submission: Submission, mailbox: LoopMailbox<LoopCommand>, expectsContinue: Bool, now: ContinuousClock.Instant
    ) {
        self.submission = submission
        self.mailbox = mailbox
        self.expectsContinue = expectsContinue
        outgoing = submission.request.body
        started = now
        stallClock = StallClock(limit: submission.request.stallTimeout, now: now)
    }

    /// Its turn has come.
    func begin(with handle: EasyHandle) {
        self.handle = handle
        started = .now
    }

    /// How long the body is, 0 when there is none.
    var bodyLength: Int64 {
        switch submission.request.body {
        case .none: 0
        case .bytes(let bytes): Int64(bytes.count)
        case .pipe(_, let length): length
        }
    }

    /// Takes a small body out of its pipe before anything is sent: it then goes out in one piece with the head, and libcurl
    /// can send it again when the server has closed the connection.
    ///
    /// - Returns: true when the request can start; otherwise the loop is told to resume sending when there is more.
    func gatherBody() throws(BackupError) -> Bool {
        guard case .pipe(let pipe, let length) = outgoing, (1...initialBodySize).contains(length) else { return true }
        if gathered.isEmpty { gathered = [UInt8](repeating: 0, count: Int(length)) }
        while taken < length {
            let rest = Int(taken)
            let result = gathered.withUnsafeMutableBytes { bytes in
                Result { () throws(BackupError) in
                    try pipe.tryRead(into: UnsafeMutableRawBufferPointer(rebasing: bytes[rest...]))
                }
            }
            switch try result.get() {
            case .bytes(let count): taken += Int64(count)
            case .end: throw endedEarly
            case .wouldBlock:
                resumeSending(when: pipe)
                return false
            }
        }
        outgoing = .bytes(gathered)
        gathered = []
        return true
    }

    private func resumeSending(when pipe: BytePipe) {
        pipe.whenReadable { [mailbox, id = submission.id] in mailbox.post(.resume(id, .sending)) }
    }

    private var endedEarly: BackupError {
        BackupError(.unavailable, "the data to send ended after \(taken) of \(bodyLength) bytes", isRetryable: true)
    }

    // MARK: Callbacks

    /// Whether the request may go out on the connection libcurl has chosen.
    func acceptsConnection() -> Bool {
        guard let handle else { return false }
        // When the server closes a used connection, libcurl takes another one. What a POST does may have been done already.
        if hasGoneOut && submission.request.method == "POST" && !expectsContinue {
            failure = transferError(CURLE_GOT_NOTHING, submission, nil)
            return false
        }
        hasGoneOut = plainReuse?.accepts(isNew: handle.hasNewConnection) ?? true
        return hasGoneOut
    }

    func receiveHeaderLine(_ line: UnsafeRawBufferPointer) -> Int {
        received += Int64(line.count)
        switch head.receive(line) {
        case .none: return line.count
        case .restarted:
            body.removeAll()
            return line.count
        case .tooLarge:
            failure = BackupError(.protocolViolation, "\(submission.origin): the head of the answer is too large")
            return writeFailed
        case .complete: return headIsComplete() ? line.count : writeFailed
        }
    }

    private func headIsComplete() -> Bool {
        // After 417 libcurl sends the request again without asking.
        let asksAgain = expectsContinue && head.status == 417 && provided == 0
        isRefused = head.status >= 300 && provided < bodyLength && !asksAgain
        if isRefused { endRefusedUpload() }
        if case .pipe = submission.destination, head.isSuccess {
            answer(.success(HTTPResponse(status: head.status, headers: head.headers)))
            return true
        }
        guard let length = head.contentLength, submission.request.method != "HEAD" else { return true }
        if length > submission.request.maximumResponseSize, head.isSuccess {
            failure = tooLarge
            return false
        }
        // A server's word is believed for a small amount only.
        body.reserveCapacity(Int(max(0, min(length, 1 << 20, Int64(submission.request.maximumResponseSize)))))
        return true
    }

    func receiveBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        received += Int64(bytes.count)
        if isRefused { endRefusedUpload() }
        if case .pipe(let pipe) = submission.destination, head.isSuccess { return pass(bytes, to: pipe) }
        let room = submission.request.maximumResponseSize - body.count
        guard bytes.count > room else {
            body.append(contentsOf: bytes)
            return bytes.count
        }
        if case .memory = submission.destination {
            failure = tooLarge
        } else {
            body.append(contentsOf: bytes[..<room])
            isCutOff = true
        }
        return writeFailed
    }

    private func pass(_ bytes: UnsafeRawBufferPointer, to pipe: BytePipe) -> Int {
        do {
            if try pipe.tryWrite(bytes) { return bytes.count }
        } catch {
            failure = error
            return writeFailed
        }
        paused.insert(.receiving)
        pipe.whenWritable(space: bytes.count) { [mailbox, id = submission.id] in mailbox.post(.resume(id, .receiving)) }
        return Int(CURL_WRITEFUNC_PAUSE)
    }

    /// libcurl does not end a transfer whose sending is paused, even when the answer is complete: sending is resumed, to be
    /// paused again if the answer goes on.
    func endRefusedUpload() {
        if paused.contains(.sending) { mailbox.post(.resume(submission.id, .sending)) }
    }

    func provideBody(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        if isRefused {
            paused.insert(.sending)
            return Int(CURL_READFUNC_PAUSE)
        }
        if expectsContinue && provided == 0 && !head.hasInterim { ignoredExpectation = true }
        let wanted = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<Int(min(Int64(buffer.count), bodyLength - provided))])
        guard !wanted.isEmpty else { return 0 }
        switch outgoing {
        case .none: return 0
        case .bytes(let bytes):
            bytes.withUnsafeBytes {
                wanted.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(provided)...].prefix(wanted.count)))
            }
            provided += Int64(wanted.count)
            return wanted.count
        case .pipe(let pipe, _): return read(from: pipe, into: wanted)
        }
    }

    private func read(from pipe: BytePipe, into buffer: UnsafeMutableRawBufferPointer) -> Int {
        do {
            switch try pipe.tryRead(into: buffer) {
            case .bytes(let count):
                taken += Int64(count)
                provided = taken
                return count
            case .wouldBlock:
                paused.insert(.sending)
                resumeSending(when: pipe)
                return Int(CURL_READFUNC_PAUSE)
            case .end: failure = endedEarly
            }
        } catch {
            failure = error
        }
        return Int(CURL_READFUNC_ABORT)
    }

    /// libcurl wants to send the body again on another connection.
    func rewind(to offset: Int64) -> Bool {
        if case .bytes = outgoing, (0...bodyLength).contains(offset) {
            provided = offset
            return true
        }
        return offset == provided
    }

    // MARK: Watching

    /// Why the transfer must be ended now, if it must: looked at several times a second.
    func reasonToEnd(at now: ContinuousClock.Instant) -> BackupError? {
        let request = submission.request
        if let limit = request.totalTimeout, now - submission.submitted >= limit {
            return timedOut("no complete answer within \(limit.text)")
        }
        guard let handle else { return nil }
        if let failure = peerFailure() { return failure }
        let requestSize = handle.requestSize
        let isConnecting = requestSize == 0 && received == 0
        // libcurl minds the time to connect, but not while a request waits for another one's connection.
        if isConnecting && now - started >= request.connectTimeout + .seconds(2) {
            return .noConnection("\(submission.origin): no connection within \(request.connectTimeout.text)")
        }
        let isStalled = stallClock.isStalled(
            at: now, moved: received + requestSize + handle.uploadedBytes,
            waitsForUs: isConnecting || (!paused.isEmpty && !isRefused),
            unacknowledged: { bodyLength > 0 ? handle.unacknowledgedBytes : 0 })
        return isStalled ? timedOut("no data moved for \(request.stallTimeout.text)") : nil
    }

    /// The pipes' other ends may leave or fail while nothing is read or written here.
    private func peerFailure() -> BackupError? {
        do throws(BackupError) {
            if case .pipe(let pipe) = submission.destination, isAnswered {
                _ = try pipe.tryWrite(UnsafeRawBufferPointer(start: nil, count: 0))
            }
            if let pipe = submission.uploadPipe, taken < bodyLength {
                _ = try pipe.tryRead(into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
            }
            return nil
        } catch {
            return error
        }
    }

    private func timedOut(_ what: String) -> BackupError {
        BackupError(.timedOut, "\(submission.origin): \(what)", isRetryable: true)
    }

    // MARK: The end

    /// Tells everybody how it ended: `code` is libcurl's result.
    func complete(_ code: CURLcode, _ environment: ConnectionEnvironment) {
        if let failure { return fail(failure) }
        if (code == CURLE_OK || isCutOff || isUsableAnswer) && head.isComplete { return succeed() }
        fail(
            transferError(code == CURLE_OK ? CURLE_GOT_NOTHING : code, submission, handle, environment.certificateFile))
    }

    /// An error answer to a body that was not sent wholly counts even when the connection broke behind it.
    private var isUsableAnswer: Bool {
        guard head.isComplete && head.status >= 300 && bodyLength > 0, let handle else { return false }
        return handle.uploadedBytes < bodyLength
    }

    private func succeed() {
        cancelUnreadUpload()
        if case .pipe(let pipe) = submission.destination, isAnswered { return pipe.finish() }
        answer(.success(HTTPResponse(status: head.status, headers: head.headers, trailers: head.trailers, body: body)))
    }

    func fail(_ error: BackupError) {
        cancelUnreadUpload()
        if case .pipe(let pipe) = submission.destination, isAnswered { return pipe.fail(error) }
        answer(.failure(error))
    }

    private func cancelUnreadUpload() {
        if taken < bodyLength { submission.uploadPipe?.cancel() }
    }

    private func answer(_ result: Result<HTTPResponse, any Error>) {
        guard !isAnswered else { return }
        isAnswered = true
        submission.reply.resume(with: result)
    }

    private var tooLarge: BackupError {
        BackupError(
            .corrupted,
            "\(submission.origin): the answer is larger than the expected \(submission.request.maximumResponseSize) bytes"
        )
    }

    /// Any count but the given one ends the transfer with CURLE_WRITE_ERROR.
    private var writeFailed: Int { Int(CURL_WRITEFUNC_ERROR) }
}

extension Duration {
    /// `10 s` or `250 ms`.
    package var text: String {
        let milliseconds = Int64((seconds * 1000).rounded())
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000) s" : "\(milliseconds) ms"
    }

    var milliseconds: Int { Int((seconds * 1000).rounded(.up)) }
}
