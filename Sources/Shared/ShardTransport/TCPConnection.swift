import Glibc
import Support
import Synchronization

/// One TCP connection, served by the event loop.
///
/// Memory is bounded: reading pauses while ``readAhead`` bytes wait for the reader, and a write holds its bytes in its own
/// task until the kernel has taken them.
final class TCPConnection: ByteConnection, ReadinessHandler {
    /// Bytes kept for the reader before reading pauses.
    private static let readAhead = 256 * 1024
    /// How long a closed connection may take to bring its last bytes to the peer and to see the peer's end.
    private static let lingerTime = Duration.seconds(10)

    private struct Writer {
        let id: UInt64
        let bytes: [UInt8]
        let continuation: CheckedContinuation<Void, any Error>
    }

    private enum ReadEnd {
        case closed
        case failed(BackupError)
    }

    private struct State {
        /// nil once the socket is closed.
        var registration: EventLoop.Registration?
        var interest: Readiness = .readable

        var incoming = FirstInFirstOut<[UInt8]>()
        var incomingBytes = 0
        var reader: (id: UInt64, continuation: CheckedContinuation<[UInt8]?, any Error>)?
        /// Set when no more bytes come into `incoming`.
        var readEnd: ReadEnd?

        var writers = FirstInFirstOut<Writer>()
        /// The write that is under way and how many of its bytes the kernel has.
        var current: (writer: Writer, sent: Int)?
        /// Set when no more writes are taken.
        var writeEnd: BackupError?

        /// This side has closed: what comes is thrown away until the peer has closed, too.
        var isDraining = false
        var hasShutDown = false
        var lingerTimer: EventLoop.Timer?
        var onClosed: (@Sendable () -> Void)?
        var lastID: UInt64 = 0
    }

    let peer: String
    private let loop: EventLoop
    private let state = Mutex(State())

    /// Takes over a connected, non-blocking socket.
    ///
    /// - Parameter onClosed: called once, when the socket is closed.
    init(_ descriptor: Int32, loop: EventLoop = .shared, onClosed: (@Sendable () -> Void)? = nil) {
        Sockets.tune(descriptor)
        self.peer = Sockets.peerAddress(descriptor).description
        self.loop = loop
        state.withLock { state in
            state.onClosed = onClosed
            // Registered under the lock: the first event waits until the registration is known.
            state.registration = loop.register(descriptor, for: .readable, self)
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

    func close() {
        perform { state in
            let closed = BackupError.channelClosed(peer: peer)
            var effects = endReading(.closed, &state)
            state.incoming = FirstInFirstOut()
            state.incomingBytes = 0
            state.readEnd = .closed
            state.writeEnd = state.writeEnd ?? closed
            guard !state.isDraining, state.registration != nil else { return effects }
            state.isDraining = true
            for writer in state.writers.elements { effects.append(.failWrite(writer.continuation, closed)) }
            state.writers = FirstInFirstOut()
            state.lingerTimer = loop.schedule(after: TCPConnection.lingerTime) { [weak self] in self?.abort(closed) }
            shutDownWhenIdle(&state)
            updateInterest(&state)
            return effects
        }
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
            let bytes = [UInt8](UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            if let reader = state.reader {
                state.reader = nil
                effects.append(.giveBytes(reader.continuation, bytes))
            } else {
                state.incoming.append(bytes)
                state.incomingBytes += count
            }
            if count < scratch.count { break }
        }
        return effects
    }

    private func sendPending(_ state: inout State) -> [Effect] {
        var effects: [Effect] = []
        while let descriptor = state.registration?.descriptor {
            guard let (writer, sent) = state.current ?? state.writers.popFirst().map({ ($0, 0) }) else { break }
            let count = writer.bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            state.current = (writer, sent + max(count, 0))
            if count < 0 {
                guard !Sockets.isTemporary(errno) else { break }
                return effects + tearDown(broken(errno), &state)
            }
            guard sent + count == writer.bytes.count else { continue }
            state.current = nil
            effects.append(.endWrite(writer.continuation))
        }
        shutDownWhenIdle(&state)
        return effects
    }

    /// The peer has closed: it reads no more, so there is nothing to stay for.
    private func meetEnd(_ state: inout State) -> [Effect] {
        endReading(.closed, &state) + tearDown(.peerClosed(peer: peer), &state)
    }

    private func shutDownWhenIdle(_ state: inout State) {
        guard state.isDraining, !state.hasShutDown, state.current == nil else { return }
        guard let descriptor = state.registration?.descriptor else { return }
        shutdown(descriptor, Int32(SHUT_WR))
        state.hasShutDown = true
    }

    private func updateInterest(_ state: inout State) {
        guard let registration = state.registration else { return }
        var interest: Readiness = []
        if state.isDraining || state.incomingBytes < TCPConnection.readAhead { interest.insert(.readable) }
        if state.current != nil || !state.writers.isEmpty { interest.insert(.writable) }
        guard interest != state.interest else { return }
        state.interest = interest
        loop.setInterest(interest, of: registration)
    }

    // MARK: Ending

    private func broken(_ error: Int32) -> BackupError { Sockets.failure("the connection to \(peer) broke", error) }

    private func endReading(_ end: ReadEnd, _ state: inout State) -> [Effect] {
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
    private func tearDown(_ error: BackupError, _ state: inout State) -> [Effect] {
        guard let registration = state.registration else { return [] }
        state.registration = nil
        loop.deregister(registration)
        Glibc.close(registration.descriptor)
        if let timer = state.lingerTimer { loop.cancel(timer) }
        var effects = endReading(.failed(error), &state)
        state.writeEnd = state.writeEnd ?? error
        let unfinished = (state.current.map { [$0.writer] } ?? []) + state.writers.elements
        for writer in unfinished { effects.append(.failWrite(writer.continuation, error)) }
        state.current = nil
        state.writers = FirstInFirstOut()
        if let onClosed = state.onClosed { effects.append(.call(onClosed)) }
        state.onClosed = nil
        return effects
    }

    // MARK: Effects

    /// What is done after the lock is given back: continuations and callbacks may call here again.
    private enum Effect: Sendable {
        case giveBytes(CheckedContinuation<[UInt8]?, any Error>, [UInt8]?)
        case failRead(CheckedContinuation<[UInt8]?, any Error>, any Error)
        case endWrite(CheckedContinuation<Void, any Error>)
        case failWrite(CheckedContinuation<Void, any Error>, any Error)
        case call(@Sendable () -> Void)
    }

    private func perform(_ body: (inout State) -> [Effect]) {
        for effect in state.withLock({ body(&$0) }) {
            switch effect {
            case .giveBytes(let reader, let bytes): reader.resume(returning: bytes)
            case .failRead(let reader, let error): reader.resume(throwing: error)
            case .endWrite(let writer): writer.resume()
            case .failWrite(let writer, let error): writer.resume(throwing: error)
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
