/// How often something may be asked of a server: more often as long as it goes well, half as often when the server objects
/// (additive increase, multiplicative decrease).
package struct RateLimiter: Sendable {
    /// Calls per second.
    package private(set) var rate: Double
    package let minimum: Double
    package let maximum: Double
    private var lastPlace: ContinuousClock.Instant?

    package init(start: Double, minimum: Double, maximum: Double) {
        self.rate = start
        self.minimum = minimum
        self.maximum = maximum
    }

    /// Flushing: what servers allow by default ranges from one in ten seconds to no limit at all.
    package static let flush = RateLimiter(start: 5, minimum: 0.01, maximum: 50)
    /// Creating databases, collections, partitions and indexes.
    package static let dataDefinition = RateLimiter(start: 5, minimum: 1, maximum: 100)

    /// Takes the next free place and says how long to wait for it.
    package mutating func reserve(at now: ContinuousClock.Instant) -> Duration {
        // The distance is that of the rate of now: a rate that has grown since the last call counts at once.
        let place = lastPlace.map { max(now, $0.advanced(by: .seconds(1 / rate))) } ?? now
        lastPlace = place
        return now.duration(to: place)
    }

    /// A call went well.
    package mutating func succeeded() {
        rate = min(maximum, rate + (rate < 1 ? 0.1 : 1))
    }

    /// The server objected to the rate.
    package mutating func failed() {
        rate = max(minimum, rate / 2)
    }
}
