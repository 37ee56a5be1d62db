import Support
import Synchronization
import Testing

/// Counts who is inside, and the most there have been at once.
private final class Occupancy: Sendable {
    private let state = Mutex((now: 0, most: 0))
    var now: Int { state.withLock { $0.now } }
    var most: Int { state.withLock { $0.most } }

    func enter() {
        state.withLock {
            $0.now += 1
            $0.most = max($0.most, $0.now)
        }
    }

    func leave() { state.withLock { $0.now -= 1 } }
}

@Suite struct ConcurrencyTests {
    @Test func aSemaphoreLetsNoMoreInThanItHasPermits() async throws {
        let semaphore = AsyncSemaphore(permits: 3)
        let inside = Occupancy()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 {
                group.addTask {
                    try await semaphore.withPermit {
                        inside.enter()
                        await Task.yield()
                        inside.leave()
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(inside.most <= 3)
        #expect(inside.now == 0)
    }

    @Test func aCanceledWaiterTakesNoPermit() async throws {
        let semaphore = AsyncSemaphore(permits: 1)
        try await semaphore.acquire()
        let waiting = Task { try await semaphore.acquire() }
        waiting.cancel()
        await #expect(throws: CancellationError.self) { try await waiting.value }
        semaphore.release()
        try await semaphore.acquire()
    }

    @Test func whoWantsManyPermitsIsNotOvertaken() async throws {
        let semaphore = AsyncSemaphore(permits: 4)
        let inside = Occupancy()
        try await semaphore.acquire(3)
        let many = Task {
            try await semaphore.acquire(4)
            inside.enter()
        }
        while semaphore.waitingCount < 1 { await Task.yield() }
        let few = Task { try await semaphore.acquire() }
        while semaphore.waitingCount < 2 { await Task.yield() }
        #expect(inside.now == 0)
        semaphore.release(3)
        try await many.value
        #expect(semaphore.waitingCount == 1)
        semaphore.release(4)
        try await few.value
    }

    @Test func whoGivesUpLetsTheNextOnesIn() async throws {
        let semaphore = AsyncSemaphore(permits: 2)
        try await semaphore.acquire()
        let many = Task { try await semaphore.acquire(2) }
        while semaphore.waitingCount < 1 { await Task.yield() }
        let few = Task { try await semaphore.acquire() }
        while semaphore.waitingCount < 2 { await Task.yield() }
        many.cancel()
        await #expect(throws: CancellationError.self) { try await many.value }
        try await few.value
    }

    @Test func resultsKeepTheOrderOfTheElements() async throws {
        let results = try await mapInParallel(Array(0..<100), limit: 7) { number in
            if number.isMultiple(of: 3) { await Task.yield() }
            return number * 2
        }
        #expect(results == (0..<100).map { $0 * 2 })
    }

    @Test func theFirstErrorIsThrown() async {
        await #expect(throws: BackupError.self) {
            try await forEachInParallel(0..<10, limit: 2) { number in
                if number == 5 { throw BackupError(.notFound, "five") }
            }
        }
    }

    @Test(.timeLimit(.minutes(1)), arguments: [2, 10]) func theFirstErrorCancelsTheOthers(_ limit: Int) async {
        @Sendable func failOrSleep(_ number: Int) async throws {
            if number == 1 { throw BackupError(.notFound, "one") }
            try await Task.sleep(for: .seconds(3600))
        }
        let first = await #expect(throws: BackupError.self) {
            try await forEachInParallel(0..<10, limit: limit) { try await failOrSleep($0) }
        }
        let second = await #expect(throws: BackupError.self) {
            _ = try await mapInParallel(Array(0..<10), limit: limit) { try await failOrSleep($0) }
        }
        #expect(first?.message == "one" && second?.message == "one")
    }
}
