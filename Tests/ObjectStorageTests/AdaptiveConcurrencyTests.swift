import ObjectStorage
import Support
import Testing

/// An endpoint whose answers take a time that depends on how many requests it has at once.
private final class Endpoint {
    private(set) var concurrency: AdaptiveConcurrency
    var now = ContinuousClock.now

    init(_ concurrency: AdaptiveConcurrency) { self.concurrency = concurrency }

    convenience init(maximum: Int) { self.init(AdaptiveConcurrency(bounds: .init(maximum: maximum))) }

    /// All places are taken all the time, or as many as those who ask ever take; `latency` says how long an answer takes with
    /// that many requests.
    func work(rounds: Int, atMost: Int = .max, latency: (Int) -> Double) {
        for _ in 0..<rounds {
            let limit = min(concurrency.limit, atMost)
            let seconds = latency(limit)
            let waves = max(1, Int((0.3 / seconds).rounded(.up)))
            for _ in 0..<waves {
                now += .seconds(seconds)
                for _ in 0..<limit {
                    _ = concurrency.succeeded(bytes: 1 << 20, inFlight: limit, now: now, jitter: 0.5)
                }
            }
        }
    }

    func succeed(inFlight: Int) {
        _ = concurrency.succeeded(bytes: 1 << 20, inFlight: inFlight, now: now, jitter: 0.5)
    }

    func refuse(
        begun: ContinuousClock.Instant? = nil, retryAfter: Duration? = nil, inFlight: Int? = nil
    ) -> Bool {
        concurrency.refused(
            begun: begun ?? now, retryAfter: retryAfter, inFlight: inFlight ?? concurrency.limit, now: now, jitter: 0.5)
    }
}

@Suite struct AdaptiveConcurrencyTests {
    @Test func beginsWithAllThatIsAllowedAndStaysThereWithAHealthyStore() {
        let endpoint = Endpoint(maximum: 64)
        #expect(endpoint.concurrency.limit == 64)
        endpoint.work(rounds: 200) { _ in 0.05 }
        #expect(endpoint.concurrency.limit == 64)
    }

    @Test func aRefusalHalvesItOnceAndTimeBringsItBack() {
        let endpoint = Endpoint(maximum: 64)
        let begun = endpoint.now
        endpoint.now += .seconds(1)
        #expect(endpoint.refuse(begun: begun))
        #expect(endpoint.concurrency.limit == 32)
        // The others of the same moment say nothing new.
        #expect(!endpoint.refuse(begun: begun, inFlight: 63))
        #expect(endpoint.concurrency.limit == 32)
        endpoint.work(rounds: 100) { _ in 0.05 }
        #expect(endpoint.concurrency.limit == 64)
    }

    @Test func placesThatNobodyTookDoNotMakeTheStepSmaller() {
        let endpoint = Endpoint(maximum: 128)
        #expect(endpoint.refuse(inFlight: 20))
        #expect(endpoint.concurrency.limit == 10)
    }

    @Test func neverGoesBelowOne() {
        let endpoint = Endpoint(maximum: 8)
        for _ in 0..<20 {
            endpoint.now += .seconds(1)
            _ = endpoint.refuse()
        }
        #expect(endpoint.concurrency.limit == 1)
        endpoint.work(rounds: 100) { _ in 0.05 }
        #expect(endpoint.concurrency.limit == 8)
    }

    @Test func growsNoFurtherWhereItBringsNothing() {
        let endpoint = Endpoint(maximum: 64)
        endpoint.now += .seconds(1)
        #expect(endpoint.refuse())
        endpoint.now += .seconds(1)
        #expect(endpoint.refuse())
        #expect(endpoint.concurrency.limit == 16)
        let growing = Endpoint(endpoint.concurrency)
        growing.work(rounds: 12) { _ in 0.05 }
        // The same amount gets done whatever the number.
        endpoint.work(rounds: 12) { Double($0) * 0.003 }
        #expect(endpoint.concurrency.limit < growing.concurrency.limit)
    }

    @Test func answersThatTakeLongerAndLongerLowerIt() {
        let endpoint = Endpoint(maximum: 64)
        endpoint.work(rounds: 10) { _ in 0.05 }
        endpoint.work(rounds: 4) { _ in 0.4 }
        #expect(endpoint.concurrency.limit < 64)
        // But not to nothing: nobody has complained.
        for round in 1..<50 { endpoint.work(rounds: 4) { _ in 0.4 * Double(round) } }
        #expect(endpoint.concurrency.limit >= 16)
    }

    /// Streams are bound by the memory that their pipes take, long before the endpoint's places are.
    @Test func answersThatTakeLongerLowerItAlsoWherePlacesStayEmpty() {
        let endpoint = Endpoint(maximum: 128)
        endpoint.work(rounds: 10, atMost: 64) { _ in 0.05 }
        #expect(endpoint.concurrency.limit == 128)
        endpoint.work(rounds: 4, atMost: 64) { _ in 0.4 }
        #expect(endpoint.concurrency.limit < 64)
        for round in 1..<50 { endpoint.work(rounds: 4, atMost: 64) { _ in 0.4 * Double(round) } }
        #expect(endpoint.concurrency.limit >= 32)
        endpoint.work(rounds: 100, atMost: 64) { _ in 0.05 }
        #expect(endpoint.concurrency.limit >= 64)
    }

    /// Less gets done because less is asked for.
    @Test func aJobThatComesToItsEndSaysNothing() {
        let endpoint = Endpoint(maximum: 128)
        endpoint.work(rounds: 10, atMost: 64) { _ in 0.05 }
        for left in stride(from: 63, through: 1, by: -1) {
            endpoint.now += .seconds(0.05)
            endpoint.succeed(inFlight: left)
        }
        for _ in 0..<400 {
            endpoint.now += .seconds(0.05)
            endpoint.succeed(inFlight: Int.random(in: 1...20))
        }
        #expect(endpoint.concurrency.limit == 128)
    }

    /// What follows may be more.
    @Test func fewAtATimeSayNothingOfMany() {
        let endpoint = Endpoint(maximum: 128)
        endpoint.work(rounds: 10, atMost: 8) { _ in 0.05 }
        endpoint.work(rounds: 10, atMost: 8) { _ in 0.4 }
        #expect(endpoint.concurrency.limit == 128)
    }

    @Test func placesThatNobodyTakesAreNotGivenBack() {
        let endpoint = Endpoint(maximum: 128)
        endpoint.now += .seconds(1)
        #expect(endpoint.refuse(inFlight: 40))
        #expect(endpoint.concurrency.limit == 20)
        endpoint.work(rounds: 100, atMost: 5) { _ in 0.05 }
        #expect(endpoint.concurrency.limit == 20)
    }

    @Test func waitsAsLongAsItIsToldButNotForEver() {
        let endpoint = Endpoint(maximum: 64)
        _ = endpoint.refuse(retryAfter: .seconds(7))
        #expect(endpoint.concurrency.pausedUntil == endpoint.now + .seconds(7))
        _ = endpoint.refuse(retryAfter: .seconds(3))
        #expect(endpoint.concurrency.pausedUntil == endpoint.now + .seconds(7))
        _ = endpoint.refuse(retryAfter: .seconds(86_400))
        #expect(endpoint.concurrency.pausedUntil == endpoint.now + .seconds(60))
    }
}
