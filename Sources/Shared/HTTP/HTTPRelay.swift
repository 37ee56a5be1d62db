import Support
import Synchronization

/// An ``HTTPClient`` that can also move the body of one answer into another request, without handing it to anybody.
package protocol HTTPRelay: HTTPClient {
    /// Sends `relay.source` and passes the body of its answer on as the body of `relay.destination`.
    ///
    /// The destination hears of it only when the source has answered well, and gets all of the body or never a whole request.
    /// Nothing is retried, except that both requests are sent once more when the server has closed a kept-alive connection
    /// without a word. Cancelling the task closes both connections.
    ///
    /// - Throws: ``BackupError``; ``RelayUnsuited`` when this is to be done in the ordinary way.
    func relay(_ relay: RelayRequest) async throws -> RelayOutcome
}

/// Why two requests cannot be joined by a relay: the ordinary way must be taken. Nothing has been stored.
package struct RelayUnsuited: Error, Sendable {
    /// For the log.
    package var reason: String
    /// Whether the same pair of servers will be unsuited again.
    package var isLasting: Bool

    package init(_ reason: String, isLasting: Bool = true) {
        self.reason = reason
        self.isLasting = isLasting
    }
}

/// How the bytes of a relay go.
package enum RelayPath: Sendable, Hashable {
    /// Wherever it is cheapest; nobody looks at them.
    case unseen
    /// Through this process, which computes their CRC-32C.
    case checksummed
}

/// Two requests of which one takes the answer of the other.
package struct RelayRequest: Sendable {
    /// A GET.
    package var source: HTTPRequest
    /// A PUT or POST; its own body is not looked at.
    package var destination: HTTPRequest
    /// Bytes the source must announce, and the destination is promised.
    package var length: Int64
    package var meter: RelayMeter
    /// What the bytes of the body are bound by, but for the first `paid` ones; nil for nothing.
    package var throttle: Throttle?
    package var paid: Int64 = 0
    /// Looks at an answer of status 2xx before the destination hears of it; what it throws ends the relay.
    ///
    /// Called on the thread of an event loop: it must not block.
    package var admit: @Sendable (HTTPResponse) throws(BackupError) -> RelayPath

    package init(
        from source: HTTPRequest, to destination: HTTPRequest, length: Int64, meter: RelayMeter = RelayMeter(),
        admit: @escaping @Sendable (HTTPResponse) throws(BackupError) -> RelayPath
    ) {
        self.source = source
        self.destination = destination
        self.length = length
        self.meter = meter
        self.admit = admit
    }
}

/// How a relay ended.
package enum RelayOutcome: Sendable {
    /// All bytes have gone, and the destination has answered with status 2xx.
    ///
    /// `crc32c` is of the whole body when it went the checksummed way.
    case relayed(source: HTTPResponse, destination: HTTPResponse, crc32c: UInt32?)
    /// The source has answered with another status; the destination has not heard of it.
    case sourceRefused(HTTPResponse)
    /// The destination has answered with another status, maybe before it had all bytes.
    case destinationRefused(HTTPResponse)
}

/// How far a relay is; read it at any time.
package final class RelayMeter: Sendable {
    private let moved = Atomic<Int64>(0)
    private let pulses = Atomic<Int64>(0)

    package init() {}

    /// Bytes of the body that have gone to the destination. Falls to 0 when the relay begins again.
    package var bytes: Int64 { moved.load(ordering: .relaxed) }

    /// Changes as long as anything goes on: bytes move in either direction, or leave this host, or the relay is held back by
    /// its throttle.
    package var pulse: Int64 { pulses.load(ordering: .relaxed) }

    package func set(_ bytes: Int64) {
        moved.store(bytes, ordering: .relaxed)
        beat()
    }

    package func beat() { pulses.add(1, ordering: .relaxed) }
}
