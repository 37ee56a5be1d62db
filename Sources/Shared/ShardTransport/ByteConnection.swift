import Support
import TLS

/// A two-way stream of bytes: a socket, plain or with TLS. Frames are the next layer up.
///
/// One task at a time reads; any number write, and the bytes of one `write` are never mixed with those of another.
package protocol ByteConnection: Sendable {
    /// Who is at the other end, as `10.0.0.7:41234`.
    var peer: String { get }

    /// Waits for the end of the TLS handshake. Reading and writing before it is over is allowed, and waits as well.
    ///
    /// - Returns: nil for a plain connection.
    /// - Throws: ``BackupError`` that says why the two sides do not come together.
    func secured() async throws -> TLSPeer?

    /// The next bytes; nil when the peer has closed in an orderly way or this side has closed.
    ///
    /// - Throws: ``BackupError`` when the connection broke.
    func read() async throws -> [UInt8]?

    /// Returns when the operating system has taken all of `bytes`, which it does not while the peer is slow.
    ///
    /// - Throws: ``BackupError`` when the connection is closed or broke.
    func write(_ bytes: [UInt8]) async throws

    /// Ends the connection after what was written. May be called at any time, more than once.
    func close()

    /// Ends the connection at once; a read that waits or comes later throws `error`.
    func abort(_ error: BackupError)
}
