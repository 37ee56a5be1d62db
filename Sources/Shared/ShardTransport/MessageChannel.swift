import ShardProtocol
import Support
import TLS

/// A two-way connection that carries whole messages in order: TCP frames or a queue inside the process.
///
/// Contract: `receive` gives nil when the other side has closed in an orderly way and throws ``BackupError`` when the
/// connection broke or the peer broke the protocol; one task at a time receives. `send` may be called from any task; it waits
/// while the peer is slow, and throws when the channel is closed. `close` may be called at any time, more than once; a
/// waiting `receive` on this side then gives nil, and messages sent before are still delivered to the peer.
package protocol MessageChannel<Outgoing, Incoming>: Sendable {
    associatedtype Outgoing: Sendable
    associatedtype Incoming: Sendable

    /// Who is at the other end, for messages: `10.0.0.7:41234` or `in process`.
    var peer: String { get }
    /// Waits until the connection is as safe as it is going to be, and tells who is at the other end by its certificate; nil
    /// when the connection is not encrypted.
    func secured() async throws -> TLSPeer?
    func send(_ message: Outgoing) async throws
    func receive() async throws -> Incoming?
    func close()
    /// The peer has proven who it is: it may send large messages from now on, and no time limit is running any more.
    func authenticated()
}

extension MessageChannel {
    package func secured() async throws -> TLSPeer? { nil }
    package func authenticated() {}
}

/// The agent's end of a connection.
package typealias AgentChannel = any MessageChannel<AgentMessage, CoordinatorMessage>
/// The coordinator's end of a connection.
package typealias CoordinatorChannel = any MessageChannel<CoordinatorMessage, AgentMessage>
