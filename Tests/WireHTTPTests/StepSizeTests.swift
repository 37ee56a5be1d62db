import Testing

@testable import WireHTTP

@Suite struct StepSizeTests {
    private let began = ContinuousClock.now

    /// The step after some time in which the wire has carried so many bytes a second.
    private func step(of total: Int64, after time: Duration, rate: Int64) -> Int64 {
        let elapsed = time / .seconds(1)
        let left = total - Int64(Double(rate) * elapsed)
        return StepSize(left: total, now: began).next(left: left, now: began + time)
    }

    @Test(arguments: [
        (Int64(500_000), Int64(32 << 10)), (10_000, 16 << 10), (10_000_000, 512 << 10), (100_000_000, 8 << 20),
    ])
    func itFollowsTheWire(rate: Int64, expected: Int64) {
        #expect(step(of: 1 << 30, after: .milliseconds(200), rate: rate) == expected)
    }

    @Test func itBeginsInTheMiddle() {
        #expect(step(of: 1 << 30, after: .milliseconds(1), rate: 1) == 128 << 10)
    }

    @Test(arguments: [Duration.zero, .seconds(1)]) func itIsNeverMoreThanIsToCome(time: Duration) {
        let size = StepSize(left: 1 << 20, now: began)
        #expect(size.next(left: 700, now: began + time) == 700)
        #expect(size.next(left: 1, now: began + time) == 1)
    }
}
