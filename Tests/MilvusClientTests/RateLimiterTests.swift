import MilvusClient
import Testing

@Suite struct RateLimiterTests {
    /// `+` is a call that went well, `-` one that was refused for its rate.
    @Test(arguments: [
        (RateLimiter.flush, "", 5.0),
        (.flush, "+", 6),
        (.flush, "-", 2.5),
        (.flush, "---", 0.625),
        // Slow growth below one, so that a server that allows little is not overrun.
        (.flush, "---+", 0.725),
        (.flush, "---++++", 1.025),
        (.flush, "---+++++", 2.025),
        (.flush, String(repeating: "-", count: 20), 0.01),
        (.flush, String(repeating: "+", count: 60), 50),
        (.dataDefinition, "-", 2.5),
        (.dataDefinition, "-----", 1),
        (.dataDefinition, "-----+", 2),
        (.dataDefinition, String(repeating: "+", count: 200), 100),
    ])
    func rateFollowsTheServer(limiter: RateLimiter, calls: String, expected: Double) {
        var limiter = limiter
        for call in calls {
            if call == "+" { limiter.succeeded() } else { limiter.failed() }
        }
        #expect(abs(limiter.rate - expected) < 1e-9)
    }

    @Test func placesAreApartByTheRate() {
        let now = ContinuousClock.now
        var limiter = RateLimiter(start: 4, minimum: 1, maximum: 8)
        #expect(limiter.reserve(at: now) == .zero)
        #expect(limiter.reserve(at: now) == .milliseconds(250))
        #expect(limiter.reserve(at: now) == .milliseconds(500))
        // Time that passes is waited for already.
        #expect(limiter.reserve(at: now + .milliseconds(600)) == .milliseconds(150))
        // Unused places do not add up.
        #expect(limiter.reserve(at: now + .seconds(60)) == .zero)
        #expect(limiter.reserve(at: now + .seconds(60)) == .milliseconds(250))
    }

    @Test func aRateThatHasGrownCountsAtOnce() {
        let now = ContinuousClock.now
        var limiter = RateLimiter(start: 1, minimum: 1, maximum: 8)
        #expect(limiter.reserve(at: now) == .zero)
        limiter.succeeded()
        #expect(limiter.reserve(at: now) == .milliseconds(500))
    }
}
