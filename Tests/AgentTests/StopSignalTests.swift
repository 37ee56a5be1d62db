import Support
import Synchronization
import Testing

@testable import Agent

@Suite struct StopSignalTests {
    @Test func onlyTheFirstRequestIsTheFirst() {
        let stop = StopSignal()
        #expect(!stop.isRequested)
        #expect(stop.request())
        #expect(stop.isRequested)
        #expect(!stop.request())
    }

    @Test func theHandlerIsCalledOnceWhileItsBodyRuns() async {
        let stop = StopSignal()
        let calls = Mutex(0)
        await stop.whileHandling(with: { calls.withLock { $0 += 1 } }) {
            #expect(calls.withLock { $0 } == 0)
            _ = stop.request()
            _ = stop.request()
        }
        #expect(calls.withLock { $0 } == 1)
    }

    @Test func aRequestBeforeTheBodyIsNotMissed() async {
        let stop = StopSignal()
        _ = stop.request()
        let calls = Mutex(0)
        await stop.whileHandling(with: { calls.withLock { $0 += 1 } }) {}
        #expect(calls.withLock { $0 } == 1)
    }

    @Test func aRequestAfterTheBodyCallsNobody() async {
        let stop = StopSignal()
        let calls = Mutex(0)
        await stop.whileHandling(with: { calls.withLock { $0 += 1 } }) {}
        _ = stop.request()
        #expect(calls.withLock { $0 } == 0)
    }
}

@Suite struct BackoffTests {
    @Test func pausesGrowUpToFiveSeconds() {
        var backoff = Backoff()
        let pauses = (0..<10).map { _ in backoff.next(jitter: 1) }
        #expect(pauses[0] == .milliseconds(100) && pauses[1] == .milliseconds(200) && pauses[2] == .milliseconds(400))
        #expect(pauses[9] == .seconds(5))
        #expect(pauses == pauses.sorted())
    }

    @Test func jitterTakesAtMostHalf() {
        var early = Backoff()
        #expect(early.next(jitter: 0) == .milliseconds(50))
        #expect(early.next(jitter: 0.5) == .milliseconds(150))
    }

    @Test func anIdleAgentTellsOfFewFailures() {
        var backoff = Backoff()
        let told = (0..<250).filter { _ in
            defer { _ = backoff.next(jitter: 0) }
            return backoff.isWorthTelling("refused")
        }
        #expect(told == [0, 100, 200])
        let isAnother = backoff.isWorthTelling("another reason")
        #expect(isAnother)
    }
}
