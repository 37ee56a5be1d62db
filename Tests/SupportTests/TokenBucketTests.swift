import Support
import Testing

/// A bucket with a clock that stands still; times are seconds since its beginning.
private final class Bench {
    private let start = ContinuousClock.now
    private var bucket: TokenBucket

    init(rate: Double?) { bucket = TokenBucket(rate: rate, now: start) }

    func request(_ amount: Int64, at seconds: Double = 0) -> TokenBucket.Ticket? {
        bucket.request(amount, now: start + .seconds(seconds))
    }

    func granted(at seconds: Double) -> [TokenBucket.Ticket] { bucket.granted(now: start + .seconds(seconds)) }

    func delay(at seconds: Double) -> Duration? { bucket.delay(now: start + .seconds(seconds)) }

    func setRate(_ rate: Double?, at seconds: Double) { bucket.setRate(rate, now: start + .seconds(seconds)) }

    func withdraw(_ ticket: TokenBucket.Ticket) { bucket.withdraw(ticket) }
}

@Suite struct TokenBucketTests {
    @Test func grantsEverythingWithoutALimit() {
        let bench = Bench(rate: nil)
        #expect(bench.request(1 << 40, at: 0) == nil)
        #expect(bench.delay(at: 0) == nil)
    }

    @Test func neverGrantsMoreThanTheRateTimesTheTime() {
        let bench = Bench(rate: 1000)
        var waiting: Set<TokenBucket.Ticket> = []
        var granted = 0
        for step in 0..<1000 {
            let now = Double(step) / 100
            granted += bench.granted(at: now).count { waiting.remove($0) != nil }
            // Three askers of 10 units in every hundredth of a second: three times what there is.
            for _ in 0..<3 {
                if let ticket = bench.request(10, at: now) { waiting.insert(ticket) } else { granted += 1 }
            }
            #expect(granted * 10 <= step * 10)
        }
        // And hardly less.
        #expect(granted * 10 >= 9900)
    }

    @Test func servesInTheOrderOfAskingAlsoSmallBehindLarge() throws {
        let bench = Bench(rate: 100)
        let large = try #require(bench.request(100))
        let small = try #require(bench.request(1))
        #expect(bench.granted(at: 0.5) == [])
        #expect(bench.delay(at: 0.5) == .seconds(0.5))
        #expect(bench.granted(at: 1) == [large])
        #expect(bench.granted(at: 1.01) == [small])
    }

    @Test func whatNobodyUsesIsKeptForAMomentOnly() {
        let bench = Bench(rate: 1000)
        #expect(bench.request(100, at: 60) == nil)
        #expect(bench.request(1, at: 60) != nil)
    }

    @Test func heedsANewRateForThoseWhoWaitAlready() throws {
        let bench = Bench(rate: 1)
        let ticket = try #require(bench.request(1000))
        bench.setRate(1000, at: 10)
        #expect(bench.delay(at: 10) == .seconds(0.99))
        #expect(bench.granted(at: 11) == [ticket])
        let other = try #require(bench.request(1000, at: 11))
        bench.setRate(nil, at: 11)
        #expect(bench.granted(at: 11) == [other])
    }

    @Test func whoWithdrawsTakesNothing() throws {
        let bench = Bench(rate: 100)
        let first = try #require(bench.request(100))
        let second = try #require(bench.request(10))
        bench.withdraw(first)
        #expect(bench.granted(at: 0.1) == [second])
    }
}

@Suite struct ThrottleTests {
    @Test func letsWaitersGoWhenTheLimitIsLifted() async throws {
        let throttle = Throttle(rate: 0.001)
        async let waiting: Void = throttle.acquire(1_000_000)
        throttle.setRate(nil)
        try await waiting
    }

    @Test func waitingEndsWithTheTask() async throws {
        let throttle = Throttle(rate: 0.001)
        let task = Task { try await throttle.acquire(1_000_000) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        // And holds up nobody behind it.
        throttle.setRate(1_000_000)
        try await throttle.acquire(1)
    }

    @Test func aPipeGivesNoMoreThanItsShare() async throws {
        let start = ContinuousClock.now
        let pipe = BytePipe(capacity: 4096, throttle: Throttle(rate: 200_000))
        let writer = Task {
            try await pipe.write([UInt8](repeating: 7, count: 60_000))
            pipe.finish()
        }
        var count = 0
        while let bytes = try await pipe.read() { count += bytes.count }
        try await writer.value
        #expect(count == 60_000)
        #expect(ContinuousClock.now - start >= .milliseconds(300))
    }
}
