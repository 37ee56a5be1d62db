import Support
import TLS

/// TLS on a connection: what is received is decrypted, and the handshake goes before the first message.
extension TCPConnection {
    /// The first byte of everything that TLS says in a handshake.
    private static let handshakeRecord: UInt8 = 22

    /// Begins the handshake of a new connection, if it has one.
    func begin(_ context: TLSContext?, _ state: inout State) -> [Effect] {
        guard let context else {
            state.handshake = .success(nil)
            return []
        }
        do throws(BackupError) {
            let session = try TLSSession(context)
            // The agent speaks first; what it says waits in the session.
            if case .agent = context.role { _ = try session.shakeHands() }
            state.tls = session
            return []
        } catch {
            return tearDown(error, &state)
        }
    }

    /// Takes what has been received into `scratch`, and gives on what it says.
    func decrypt(
        _ count: Int, of scratch: UnsafeMutableRawBufferPointer, _ state: inout State
    ) -> [Effect] {
        guard let tls = state.tls else { return [] }
        if !tls.hasReceived, scratch.first != TCPConnection.handshakeRecord { return refusePlain(&state) }
        var effects: [Effect] = []
        do throws(BackupError) {
            tls.feed(UnsafeRawBufferPointer(rebasing: scratch[..<count]))
            if state.handshake == nil {
                guard try tls.shakeHands() else { return [] }
                effects += endHandshake(.success(try tls.peer()), &state)
            }
            while let size = try tls.read(into: scratch) {
                guard size > 0 else { return effects + endSaid(&state) }
                effects += deliver(scratch[..<size], &state)
            }
        } catch {
            effects += fail(error.prefixed(peer), &state)
        }
        return effects
    }

    /// Whoever sends no TLS where it is due is told so, and nothing else.
    private func refusePlain(_ state: inout State) -> [Effect] {
        let error = BackupError(
            .permissionDenied, "\(peer) speaks no TLS, which is due here",
            hint: "coordinator.tls and agent.tls must both be set, or neither")
        if !answerToPlain.isEmpty { state.current = Transmission(bytes: answerToPlain) }
        state.tls = nil
        return fail(error, &state)
    }

    /// Ends the connection for this side; what TLS has to say of it still goes out.
    func fail(_ error: BackupError, _ state: inout State) -> [Effect] {
        let effects =
            endHandshake(.failure(error), &state) + endReading(.failed(error), &state) + failWriters(error, &state)
        guard !state.isDraining else { return effects }
        linger(error, &state)
        // At once: the process may end because of this.
        return effects + sendPending(&state)
    }

    func endHandshake(_ result: Result<TLSPeer?, BackupError>, _ state: inout State) -> [Effect] {
        guard state.handshake == nil else { return [] }
        state.handshake = result
        guard let waiter = state.handshakeWaiter else { return [] }
        state.handshakeWaiter = nil
        return [.endHandshake(waiter.continuation, result)]
    }

    /// The connection has ended without TLS' farewell.
    func torn(_ state: State) -> BackupError {
        guard state.handshake == nil else {
            return BackupError(.unavailable, "\(peer) has left without a farewell", isRetryable: true)
        }
        return BackupError(
            .unavailable, "\(peer) closed the connection during the TLS handshake",
            hint: "does it speak TLS? coordinator.tls and agent.tls must both be set, or neither", isRetryable: true)
    }
}
