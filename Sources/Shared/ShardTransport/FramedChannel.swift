import ShardProtocol
import Support
import Synchronization
import TLS

/// Messages as frames over a connection of bytes.
///
/// Until ``authenticated()`` is called the peer may send only small frames.
final class FramedChannel<Outgoing: FramedMessage, Incoming: FramedMessage>: MessageChannel {
    private let connection: any ByteConnection
    private let decoder = Mutex(FrameDecoder(limits: .handshake))
    private let onAuthenticated: @Sendable () -> Void

    init(_ connection: any ByteConnection, onAuthenticated: @escaping @Sendable () -> Void = {}) {
        self.connection = connection
        self.onAuthenticated = onAuthenticated
    }

    deinit { connection.close() }

    var peer: String { connection.peer }

    func authenticated() {
        decoder.withLock { $0.limits = .session }
        onAuthenticated()
    }

    func secured() async throws -> TLSPeer? {
        do { return try await connection.secured() } catch { throw BackupError(wrapping: error) }
    }

    func send(_ message: Outgoing) async throws {
        let frame = try message.frame(limits: .session)
        do { try await connection.write(frame.bytes) } catch { throw BackupError(wrapping: error) }
    }

    func receive() async throws -> Incoming? {
        do {
            while true {
                if let message = try nextMessage() { return message }
                guard let bytes = try await connection.read() else { break }
                decoder.withLock { $0.feed(bytes) }
            }
        } catch {
            throw end(BackupError(wrapping: error))
        }
        if decoder.withLock({ $0.isInsideFrame }) {
            throw BackupError(
                .unavailable, "\(peer) closed the connection in the middle of a message", isRetryable: true)
        }
        return nil
    }

    func close() {
        connection.close()
        // Half a message that was read before is nobody's any more.
        decoder.withLock { $0 = FrameDecoder(limits: $0.limits) }
    }

    /// The next message that is known here.
    private func nextMessage() throws(BackupError) -> Incoming? {
        while true {
            let (found, limits) = decoder.withLock { decoder in
                (Result { () throws(BackupError) in try decoder.next() }, decoder.limits)
            }
            guard let frame = try found.get() else { return nil }
            if let message = try Incoming(frame, limits: limits) { return message }
        }
    }

    /// A peer that does not speak the protocol is cut off.
    private func end(_ error: BackupError) -> BackupError {
        guard error.code == .protocolViolation else { return error }
        let named = error.prefixed(peer)
        connection.abort(named)
        return named
    }
}
