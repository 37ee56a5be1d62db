import Support

/// How many requests an endpoint is given at a time: more as long as more gets done, half as many when it says that it is too
/// much. A value without a clock: every call gets the time and, where chance matters, a number in 0..<1.
///
/// It begins at its upper bound, so that a store that has nothing to say against it is used to the full. Rounds of as many
/// successes as there are places measure what gets done; a round in which places that had been taken stayed empty says nothing.
/// Whoever asks may be bound elsewhere, and never take all places.
package struct AdaptiveConcurrency: Sendable {
    package struct Bounds: Sendable, Hashable {
        package var minimum: Int
        package var maximum: Int

        package init(minimum: Int = 1, maximum: Int) {
            self.minimum = max(1, minimum)
            self.maximum = max(self.minimum, maximum)
        }
    }

    private struct Round {
        var began: ContinuousClock.Instant?
        var successes = 0
        var busy = 0
        /// Most requests under way.
        var peak = 0
        var work = 0.0
    }

    /// What a request costs that moves nothing, in bytes.
    private static let requestCost = 64.0 * 1024
    private static let shortestRound = Duration.milliseconds(250)
    /// A store that asks for more patience than this is asked again before.
    private static let longestPause = Duration.seconds(60)

    private let bounds: Bounds
    private var width: Double
    private var round = Round()
    /// What got done in a second, of late.
    private var usual: Double?
    /// What got done when it was made wider last.
    private var beforeGrowth: Double?
    private var poorRounds = 0
    /// Most requests under way in the round before.
    private var earlierPeak = 0
    /// Rounds until it may grow again.
    private var rest = 0
    private var lastBackOff: ContinuousClock.Instant?
    /// The endpoint wants to hear nothing before.
    package private(set) var pausedUntil: ContinuousClock.Instant?

    package init(bounds: Bounds) {
        self.bounds = bounds
        width = Double(bounds.maximum)
    }

    /// Requests at a time.
    package var limit: Int { Int(width) }

    /// The endpoint has refused because it is too much for it, or has not answered in time.
    ///
    /// What was begun before the last step back belongs to the same overload and does not count again.
    ///
    /// - Parameters:
    ///   - begun: when the request was.
    ///   - inFlight: requests under way, this one included.
    /// - Returns: whether the limit is lower now.
    package mutating func refused(
        begun: ContinuousClock.Instant, retryAfter: Duration?, inFlight: Int, now: ContinuousClock.Instant,
        jitter: Double
    ) -> Bool {
        if let retryAfter {
            let end = now + min(retryAfter, AdaptiveConcurrency.longestPause)
            pausedUntil = max(pausedUntil ?? end, end)
        }
        if let lastBackOff, begun < lastBackOff { return false }
        lastBackOff = now
        // Places that nobody took must not make the step smaller.
        return narrow(to: min(width, Double(inFlight)) * (0.45 + 0.1 * jitter), lowest: bounds.minimum, jitter)
    }

    /// A request has succeeded.
    ///
    /// - Parameters:
    ///   - bytes: that it moved.
    ///   - inFlight: requests under way, this one included.
    /// - Returns: whether the limit has changed.
    package mutating func succeeded(
        bytes: Int64, inFlight: Int, now: ContinuousClock.Instant, jitter: @autoclosure () -> Double
    ) -> Bool {
        guard let began = round.began else {
            round.began = now
            return false
        }
        round.successes += 1
        round.work += Double(bytes) + AdaptiveConcurrency.requestCost
        round.peak = max(round.peak, inFlight)
        let reach = min(limit, max(round.peak, earlierPeak))
        if inFlight * 8 >= reach * 7 { round.busy += 1 }
        let elapsed = now - began
        guard round.successes >= max(reach, 4), elapsed >= AdaptiveConcurrency.shortestRound else { return false }
        defer {
            earlierPeak = round.peak
            round = Round(began: now)
        }
        guard round.busy * 2 >= round.successes else {
            (usual, beforeGrowth, poorRounds) = (nil, nil, 0)
            return false
        }
        return judge(round.work / elapsed.seconds, reach, jitter())
    }

    /// With as many under way, less done in the same time means that every answer takes longer.
    private mutating func judge(_ rate: Double, _ reach: Int, _ jitter: Double) -> Bool {
        // Nobody has complained: this may as well be somebody else's doing, and is not followed far.
        let lowest = max(bounds.minimum, bounds.maximum / 4)
        poorRounds = usual.map { rate < $0 / 2 } == true ? poorRounds + 1 : 0
        // One such round may be chance.
        if poorRounds == 1 { return false }
        if poorRounds > 1, reach > lowest {
            return narrow(to: min(width, Double(reach)) * 0.8, lowest: lowest, jitter)
        }
        usual = usual.map { ($0 + rate) / 2 } ?? rate
        if let before = beforeGrowth {
            beforeGrowth = nil
            if rate < before * 1.01 { rest = max(rest, 2 + Int(jitter * 4)) }
        }
        guard rest == 0 else {
            rest -= 1
            return false
        }
        // More places are of no use to those who do not take these.
        guard limit < bounds.maximum, reach * 8 >= limit * 7 else { return false }
        beforeGrowth = rate
        width = min(Double(bounds.maximum), width + max(1, Double(bounds.maximum) / 32))
        return true
    }

    private mutating func narrow(to wanted: Double, lowest: Int, _ jitter: Double) -> Bool {
        let before = limit
        width = min(width, max(Double(lowest), wanted.rounded(.down)))
        (round, usual, beforeGrowth, poorRounds) = (Round(), nil, nil, 0)
        rest = 1 + Int(jitter * 3)
        return limit < before
    }
}
