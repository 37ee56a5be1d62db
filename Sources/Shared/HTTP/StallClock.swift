/// Decides when a transfer in which nothing moves has stalled.
package struct StallClock {
    private let limit: Duration
    private var quietSince: ContinuousClock.Instant
    private var moved: Int64 = 0
    private var unacknowledged: Int?

    package init(limit: Duration, now: ContinuousClock.Instant) {
        self.limit = limit
        quietSince = now
    }

    /// Whether no byte has moved for the whole limit.
    ///
    /// - Parameters:
    ///   - moved: bytes in either direction so far.
    ///   - waitsForUs: the transfer stands still because our side has nothing to give or no room to take: time that is not
    ///     counted.
    ///   - unacknowledged: how many bytes lie in the socket; looked at only when the transfer has been quiet for half of the
    ///     limit, because a slow link may need long to empty a large socket buffer.
    package mutating func isStalled(
        at now: ContinuousClock.Instant, moved: Int64, waitsForUs: Bool, unacknowledged: () -> Int
    ) -> Bool {
        if waitsForUs || moved != self.moved {
            self.moved = moved
            quietSince = now
            self.unacknowledged = nil
            return false
        }
        guard now - quietSince >= limit / 2 else { return false }
        let held = unacknowledged()
        if let before = self.unacknowledged, held < before { quietSince = now }
        self.unacknowledged = held
        return now - quietSince >= limit
    }
}
