import Testing

@testable import Coordinator

@Suite struct ImportPatienceTests {
    private let start = ContinuousClock.now

    @Test func itAsksMoreAndMoreSeldom() {
        var patience = ImportPatience(start: start)
        let pauses = (0..<20).map { step -> Duration in
            guard case .ask(let pause) = patience.next(state: 0, progress: step, now: start + .seconds(step)) else {
                Issue.record("it did not ask")
                return .zero
            }
            return pause
        }
        #expect(pauses[0] == .milliseconds(50) && pauses[1] == .milliseconds(75))
        #expect(pauses == pauses.sorted() && pauses.last == .seconds(2))
    }

    @Test func itWarnsEveryTenMinutesWithoutProgress() {
        var patience = ImportPatience(start: start)
        func isWarning(_ seconds: Int, progress: Int = 5) -> Bool {
            guard case .warn = patience.next(state: 0, progress: progress, now: start + .seconds(seconds)) else {
                return false
            }
            return true
        }
        #expect(!isWarning(0) && !isWarning(599) && isWarning(600))
        #expect(!isWarning(601) && !isWarning(1199) && isWarning(1200))
        // Progress begins the time anew.
        #expect(!isWarning(1300, progress: 6) && !isWarning(1800, progress: 6) && isWarning(1900, progress: 6))
    }

    @Test func aDayWithoutProgressIsEnough() {
        let day = 24 * 3600
        var patience = ImportPatience(start: start)
        _ = patience.next(state: 0, progress: 0, now: start)
        #expect(patience.next(state: 0, progress: 0, now: start + .seconds(day - 1)) != .giveUp)
        #expect(patience.next(state: 5, progress: 0, now: start + .seconds(day)) != .giveUp)
        #expect(patience.next(state: 5, progress: 0, now: start + .seconds(2 * day)) == .giveUp)
    }
}
