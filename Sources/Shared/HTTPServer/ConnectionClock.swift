/// Decides when a connection is too slow. Takes the time as an argument and touches nothing.
///
/// libmicrohttpd cuts connections on which nothing moves, but one byte now and then satisfies it. Here a peer must deliver
/// the head of its request within the idle time, and bodies, in either direction, at no less than ``minimumRate`` on top.
struct ConnectionClock: Sendable {
    enum Phase: Sendable {
        /// Between requests, in a TLS handshake, or in the head of a request.
        case waiting(since: ContinuousClock.Instant)
        case receiving(since: ContinuousClock.Instant, bytes: Int)
        /// The handler has the request: for as long as it likes.
        case handling
        case sending(since: ContinuousClock.Instant, size: Int)
    }

    /// Bytes in a second.
    static let minimumRate = 1024

    let idleTime: Duration
    var phase: Phase

    init(idleTime: Duration, now: ContinuousClock.Instant) {
        self.idleTime = idleTime
        phase = .waiting(since: now)
    }

    mutating func received(_ count: Int) {
        if case .receiving(let since, let bytes) = phase { phase = .receiving(since: since, bytes: bytes + count) }
    }

    /// What the peer does that takes too long; nil when it does not.
    func complaint(at now: ContinuousClock.Instant) -> String? {
        switch phase {
        case .waiting(let since): now - since > idleTime ? "no request" : nil
        case .receiving(let since, let bytes): now - since > allowance(bytes) ? "sends too slowly" : nil
        case .handling: nil
        case .sending(let since, let size): now - since > allowance(size) ? "reads too slowly" : nil
        }
    }

    private func allowance(_ bytes: Int) -> Duration { idleTime + .seconds(bytes / Self.minimumRate) }
}
