import Glibc
import Support
import Synchronization
import TLS

/// One TCP connection, plain or with TLS, served by the event loop.
///
/// Memory is bounded: reading pauses while ``readAhead`` bytes wait for the reader, and a write holds its bytes in its own
/// task until the kernel has taken them.
final class TCPConnection: ByteConnection, ReadinessHandler {
    /// Bytes kept for the reader before reading pauses.
    private static let readAhead = 256 * 1024
    /// How long a closed connection may take to bring its last bytes to the peer and to see the peer's end.
    private static let lingerTime = Duration.seconds(10)

    struct Writer {
        let id: UInt64
        let bytes: [UInt8]
        let continuation: CheckedContinuation<Void, any Error>
    }

    /// Bytes on their way into the kernel.
    struct Transmission {
        let bytes: [UInt8]
        var sent = 0
        /// Whose they are; nil for what TLS has to say by itself, and when the writer was told of a failure.
        var writer: Writer?
    }

    enum ReadEnd {
        case closed
        case failed(BackupError)
    }

    struct State {
        /// nil once the socket is closed.
        var registration: EventLoop.Registration?
        var interest: Readiness = .readable

        var incoming = FirstInFirstOut<[UInt8]>()
        var incomingBytes = 0
        var reader: (id: UInt64, continuation: CheckedContinuation<[UInt8]?, any Error>)?
        /// Set when no more bytes come into `incoming`.
        var readEnd: ReadEnd?

        var writers = FirstInFirstOut<Writer>()
        var current: Transmission?
        /// Set when no more writes are taken.
        var writeEnd: BackupError?

        /// This side has closed: what comes is thrown away until the peer has closed, too.
        var isDraining = false
        var hasShutDown = false
        var lingerTimer: EventLoop.Timer?
        var onClosed: (@Sendable () -> Void)?
        var lastID: UInt64 = 0

        /// nil for a plain connection.
        var tls: TLSSession?
        /// What the TLS handshake has come to; of a plain connection from the beginning.
        var handshake: Result<TLSPeer?, BackupError>?
        var handshakeWaiter: (id: UInt64, continuation: CheckedContinuation<TLSPeer?, any Error>)?

        /// Whether messages may be sent.
        var isOpen: Bool { if case .success = handshake { true } else { false } }
        var hasToSend: Bool { current != nil || tls?.hasOutgoing ?? false || (isOpen && !writers.isEmpty) }
    }

    let peer: String
    let loop: EventLoop
    /// What is sent to a peer that speaks no TLS where it is due.
    let answerToPlain: [UInt8]
    private let state = Mutex(State())

    /// Takes over a connected, non-blocking socket.
    ///
    /// - Parameters:
    ///   - tls: nil for a plain connection.
    ///   - answerToPlain: sent to a peer that speaks no TLS where it is due, so that it can tell its operator.
    ///   - onClosed: called once, when the socket is closed.
    init(
        _ descriptor: Int32, tls: TLSContext? = nil, answerToPlain: [UInt8] = [], loop: EventLoop = .shared,
        onClosed: (@Sendable () -> Void)? = nil
    ) {
        Sockets.tune(descriptor)
        self.peer = Sockets.peerAddress(descriptor).description
        self.loop = loop
        self.answerToPlain = answerToPlain
        perform { state in
            state.onClosed = onClosed
            // Registered under the lock: the first event waits until the registration is known.
            state.registration = loop.register(descriptor, for: .readable, self)
            let effects = begin(tls, &state)
            updateInterest(&state)
            return effects
        }
    }

    // MARK: ByteConnection

    func read() async throws -> [UInt8]? {
        let id = newID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                perform { state in startReading(id, continuation, &state) }
            }
        } onCancel: {
            perform { state in
                guard let reader = state.reader, reader.id == id else { return [] }
                state.reader = nil
                return [.failRead(reader.continuation, CancellationError())]
            }
        }
    }

    func write(_ bytes: [UInt8]) async throws {
        guard !bytes.isEmpty else { return }
        let id = newID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                perform { state in
                    startWriting(Writer(id: id, bytes: bytes, continuation: continuation), &state)
                }
            }
        } onCancel: {
            // A write that has begun goes on: half a message would spoil the stream.
            perform { state in
                guard let writer = state.writers.removeFirst(where: { $0.id == id }) else { return [] }
                return [.failWrite(writer.continuation, CancellationError())]
            }
        }
    }

    func secured() async throws -> TLSPeer? {
        let id = newID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                perform { state in
                    if let result = state.handshake { return [.endHandshake(continuation, result)] }
                    if Task.isCancelled { return [.failHandshake(continuation, CancellationError())] }
                    state.handshakeWaiter = (id, continuation)
                    return []
                }
            }
        } onCancel: {
            perform { state in
                guard let waiter = state.handshakeWaiter, waiter.id == id else { return [] }
                state.handshakeWaiter = nil
                return [.failHandshake(waiter.continuation, CancellationError())]
            }
        }
    }

    func close() {
        perform { state in
            let closed = BackupError.channelClosed(peer: peer)
            var effects = endReading(.closed, &state) + endHandshake(.failure(closed), &state)
            state.incoming = FirstInFirstOut()
            state.incomingBytes = 0
            state.readEnd = .closed
            state.writeEnd = state.writeEnd ?? closed
            guard !state.isDraining, state.registration != nil else { return effects }
            for writer in state.writers.elements { effects.append(.failWrite(writer.continuation, closed)) }
            state.writers = FirstInFirstOut()
            state.tls?.end()
            linger(closed, &state)
            return effects
        }
    }

    /// Sends what is under way, and then waits for the peer to close, but not for ever.
    func linger(_ error: BackupError, _ state: inout State) {
        state.isDraining = true
        state.lingerTimer = loop.schedule(after: TCPConnection.lingerTime) { [weak self] in self?.abort(error) }
        shutDownWhenIdle(&state)
        updateInterest(&state)
    }

    func abort(_ error: BackupError) {
        perform { state in
            guard state.registration != nil else { return [] }
            state.incoming = FirstInFirstOut()
            state.incomingBytes = 0
            return tearDown(error, &state)
        }
    }

    // MARK: Tasks' side

    private func startReading(
        _ id: UInt64, _ continuation: CheckedContinuation<[UInt8]?, any Error>, _ state: inout State
    ) -> [Effect] {
        if let bytes = state.incoming.popFirst() {
            state.incomingBytes -= bytes.count
            updateInterest(&state)
            return [.giveBytes(continuation, bytes)]
        }
        switch state.readEnd {
        case .closed: return [.giveBytes(continuation, nil)]
        case .failed(let error): return [.failRead(continuation, error)]
        case nil: break
        }
        if Task.isCancelled { return [.failRead(continuation, CancellationError())] }
        guard state.reader == nil else {
            let error = BackupError(.internalError, "two tasks read from one connection at a time")
            return [.failRead(continuation, error)]
        }
        state.reader = (id, continuation)
        return []
    }

    private func startWriting(_ writer: Writer, _ state: inout State) -> [Effect] {
        if let error = state.writeEnd { return [.failWrite(writer.continuation, error)] }
        if Task.isCancelled { return [.failWrite(writer.continuation, CancellationError())] }
        state.writers.append(writer)
        updateInterest(&state)
        return []
    }

    // MARK: The loop's side

    func socketIsReady(_ readiness: Readiness, scratch: UnsafeMutableRawBufferPointer) {
        perform { state in
            var effects: [Effect] = []
            if !readiness.isDisjoint(with: [.readable, .hungUp]) {
                effects += receive(into: scratch, ignoringLimit: readiness.contains(.hungUp), &state)
            }
            if readiness.contains(.writable) { effects += sendPending(&state) }
            updateInterest(&state)
            return effects
        }
    }

    /// - Parameter ignoringLimit: takes all that is left, because a broken socket is reported again until it is empty.
    private func receive(
        into scratch: UnsafeMutableRawBufferPointer, ignoringLimit: Bool, _ state: inout State
    ) -> [Effect] {
        var effects: [Effect] = []
        // A bound on the rounds, so that a fast peer does not keep the others waiting.
        for _ in 0..<16 where state.incomingBytes < TCPConnection.readAhead || ignoringLimit {
            guard let descriptor = state.registration?.descriptor else { break }
            let count = recv(descriptor, scratch.baseAddress, scratch.count, 0)
            if count < 0 {
                guard !Sockets.isTemporary(errno) else { break }
                return effects + tearDown(broken(errno), &state)
            }
            guard count > 0 else { return effects + meetEnd(&state) }
            guard !state.isDraining else { continue }
            if state.tls == nil {
                effects += deliver(scratch[..<count], &state)
            } else {
                effects += decrypt(count, of: scratch, &state)
            }
            if count < scratch.count { break }
        }
        return effects
    }

    /// Gives what the peer has said to the reader, now or when it asks.
    func deliver(_ bytes: Slice<UnsafeMutableRawBufferPointer>, _ state: inout State) -> [Effect] {
        let bytes = [UInt8](bytes)
        guard let reader = state.reader else {
            state.incoming.append(bytes)
            state.incomingBytes += bytes.count
            return []
        }
        state.reader = nil
        return [.giveBytes(reader.continuation, bytes)]
    }

    func sendPending(_ state: inout State) -> [Effect] {
        var effects: [Effect] = []
        while let descriptor = state.registration?.descriptor {
            guard var current = state.current ?? nextTransmission(&state, &effects) else { break }
            let count = current.bytes.withUnsafeBytes {
                send(
                    descriptor, $0.baseAddress?.advanced(by: current.sent), $0.count - current.sent, Int32(MSG_NOSIGNAL)
                )
            }
            current.sent += max(count, 0)
            state.current = current
            if count < 0 {
                guard !Sockets.isTemporary(errno) else { break }
                return effects + tearDown(broken(errno), &state)
            }
            guard current.sent == current.bytes.count else { continue }
            state.current = nil
            if let writer = current.writer { effects.append(.endWrite(writer.continuation)) }
        }
        shutDownWhenIdle(&state)
        return effects
    }

    private func nextTransmission(_ state: inout State, _ effects: inout [Effect]) -> Transmission? {
        guard let tls = state.tls else {
            return state.writers.popFirst().map { Transmission(bytes: $0.bytes, writer: $0) }
        }
        // What TLS has to say by itself goes first: the handshake, or the alert that ends it.
        if tls.hasOutgoing { return Transmission(bytes: tls.takeOutgoing()) }
        guard state.isOpen, let writer = state.writers.popFirst() else { return nil }
        do throws(BackupError) {
            try tls.write(writer.bytes)
            return Transmission(bytes: tls.takeOutgoing(), writer: writer)
        } catch {
            effects.append(.failWrite(writer.continuation, error))
            effects += fail(error, &state)
            return nil
        }
    }

    /// The peer has closed: it reads no more, so there is nothing to stay for.
    func meetEnd(_ state: inout State) -> [Effect] {
        // Without TLS' own farewell the end is not the peer's, or it was torn away.
        let isTorn = state.tls != nil && !state.isDraining
        return isTorn ? tearDown(torn(state), &state) : endSaid(&state)
    }

    /// The peer has said that nothing follows.
    func endSaid(_ state: inout State) -> [Effect] {
        endReading(.closed, &state) + tearDown(.peerClosed(peer: peer), &state)
    }

    private func shutDownWhenIdle(_ state: inout State) {
        guard state.isDraining, !state.hasShutDown, !state.hasToSend else { return }
        guard let descriptor = state.registration?.descriptor else { return }
        shutdown(descriptor, Int32(SHUT_WR))
        state.hasShutDown = true
    }

    func updateInterest(_ state: inout State) {
        guard let registration = state.registration else { return }
        var interest: Readiness = []
        if state.isDraining || state.incomingBytes < TCPConnection.readAhead { interest.insert(.readable) }
        if state.hasToSend { interest.insert(.writable) }
        guard interest != state.interest else { return }
        state.interest = interest
        loop.setInterest(interest, of: registration)
    }

    // MARK: Ending

    private func broken(_ error: Int32) -> BackupError { Sockets.failure("the connection to \(peer) broke", error) }

    func endReading(_ end: ReadEnd, _ state: inout State) -> [Effect] {
        guard state.readEnd == nil else { return [] }
        state.readEnd = end
        guard let reader = state.reader else { return [] }
        state.reader = nil
        switch end {
        case .closed: return [.giveBytes(reader.continuation, nil)]
        case .failed(let error): return [.failRead(reader.continuation, error)]
        }
    }

    /// Closes the socket. What was received before stays for the reader.
    func tearDown(_ error: BackupError, _ state: inout State) -> [Effect] {
        guard let registration = state.registration else { return [] }
        state.registration = nil
        loop.deregister(registration)
        Glibc.close(registration.descriptor)
        if let timer = state.lingerTimer { loop.cancel(timer) }
        var effects = endReading(.failed(error), &state) + endHandshake(.failure(error), &state)
        effects += failWriters(error, &state)
        state.current = nil
        if let onClosed = state.onClosed { effects.append(.call(onClosed)) }
        state.onClosed = nil
        return effects
    }

    /// No write is taken any more, and those that wait have failed.
    func failWriters(_ error: BackupError, _ state: inout State) -> [Effect] {
        state.writeEnd = state.writeEnd ?? error
        let unfinished = [state.current?.writer].compactMap(\.self) + state.writers.elements
        state.current?.writer = nil
        state.writers = FirstInFirstOut()
        return unfinished.map { .failWrite($0.continuation, error) }
    }

    // MARK: Effects

    /// What is done after the lock is given back: continuations and callbacks may call here again.
    enum Effect: Sendable {
        case giveBytes(CheckedContinuation<[UInt8]?, any Error>, [UInt8]?)
        case failRead(CheckedContinuation<[UInt8]?, any Error>, any Error)
        case endWrite(CheckedContinuation<Void, any Error>)
        case failWrite(CheckedContinuation<Void, any Error>, any Error)
        case endHandshake(CheckedContinuation<TLSPeer?, any Error>, Result<TLSPeer?, BackupError>)
        case failHandshake(CheckedContinuation<TLSPeer?, any Error>, any Error)
        case call(@Sendable () -> Void)
    }

    private func perform(_ body: (inout State) -> [Effect]) {
        for effect in state.withLock({ body(&$0) }) {
            switch effect {
            case .giveBytes(let reader, let bytes): reader.resume(returning: bytes)
            case .failRead(let reader, let error): reader.resume(throwing: error)
            case .endWrite(let writer): writer.resume()
            case .failWrite(let writer, let error): writer.resume(throwing: error)
            case .endHandshake(let waiter, let result): waiter.resume(with: result)
            case .failHandshake(let waiter, let error): waiter.resume(throwing: error)
            case .call(let callback): callback()
            }
        }
    }

    private func newID() -> UInt64 {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }
}
