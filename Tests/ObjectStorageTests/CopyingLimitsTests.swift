import HTTP
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import ObjectStorage

/// What copies are bound by: limits, what the stores can take, and time.
@Suite(.timeLimit(.minutes(2))) struct CopyingLimitsTests {
    @Test func bandwidthIsKeptToAndAChangeIsHeeded() async throws {
        let bench = CopyingBench { $0.pipeCapacity = 4096 }
        bench.from.set("k", CopyingBench.bytes(990))
        bench.copier.limiter.set(bandwidth: 4000, requestsPerSecond: nil)
        let start = ContinuousClock.now
        _ = try await bench.copy(size: 990)
        #expect(ContinuousClock.now - start >= .milliseconds(200))
        #expect(bench.to.bytes("k") == CopyingBench.bytes(990))
        bench.copier.limiter.set(bandwidth: 1, requestsPerSecond: nil)
        async let copying = bench.copy(size: 990)
        try await Task.sleep(for: .milliseconds(50))
        bench.copier.limiter.set(bandwidth: nil, requestsPerSecond: nil)
        _ = try await copying
    }

    @Test func copiesOfTheStoreAreBoundByRequestsAlone() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", CopyingBench.bytes(50))
        bench.copier.limiter.set(bandwidth: 1, requestsPerSecond: 20)
        let start = ContinuousClock.now
        for _ in 0..<6 { #expect(try await bench.copy(size: 50).copiedByStore) }
        #expect(ContinuousClock.now - start >= .milliseconds(250))
    }

    /// Waiting for one's turn is not counted as a stall.
    @Test func whatIsHeldBackDoesNotStall() async throws {
        let bench = CopyingBench {
            $0.stallTimeout = .milliseconds(80)
            $0.pipeCapacity = 4096
        }
        bench.from.set("k", CopyingBench.bytes(990))
        bench.copier.limiter.set(bandwidth: 1, requestsPerSecond: nil)
        async let copying = bench.copy(size: 990)
        try await Task.sleep(for: .milliseconds(600))
        bench.copier.limiter.set(bandwidth: nil, requestsPerSecond: nil)
        _ = try await copying
        #expect(bench.from.counts.count(.get) >= 1)
        #expect(!bench.log.lines.contains { $0.contains("no progress") })
    }

    @Test func aStoreThatIsOverloadedGetsFewerRequestsAndSaysSoInTheLog() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        let before = bench.copier.gates[bench.to.identity].limit
        let isFirst = First()
        bench.to.faults.before = { call in
            guard call.operation == .put, isFirst.take() else { return }
            throw BackupError(.throttled, "slow down", isRetryable: true)
        }
        _ = try await bench.copy(size: 50)
        #expect(bench.to.bytes("k") == CopyingBench.bytes(50))
        #expect(bench.copier.gates[bench.to.identity].limit < before)
        // The other side is not to blame.
        #expect(bench.copier.gates[bench.from.identity].limit == before)
        #expect(bench.log.lines.contains { $0.contains("fewer requests at a time") && $0.contains("slow down") })
    }

    @Test func anOverloadedStoreIsLeftWithAsManyAsIsConfigured() async throws {
        let bench = CopyingBench {
            $0.minimumRequests = 5
            $0.retry = RetryPolicy(attempts: 40, initialDelay: .zero, maximumDelay: .zero)
        }
        bench.from.set("k", CopyingBench.bytes(50))
        let left = Mutex(30)
        bench.to.faults.before = { call in
            guard call.operation == .put,
                left.withLock({
                    $0 -= 1; return $0 > 0
                })
            else { return }
            throw BackupError(.throttled, "slow down", isRetryable: true)
        }
        _ = try await bench.copy(size: 50)
        #expect(bench.copier.gates[bench.to.identity].limit == 5)
    }

    @Test func nothingGoesToAStoreThatWantsToHearNothing() async throws {
        let bench = CopyingBench()
        bench.from.set("k", CopyingBench.bytes(50))
        let start = ContinuousClock.now
        let isFirst = First()
        bench.to.faults.before = { call in
            guard call.operation == .put, isFirst.take() else { return }
            throw BackupError(.throttled, "slow down", isRetryable: true, retryAfter: .milliseconds(400))
        }
        _ = try await bench.copy(size: 50)
        // Another object that knows nothing of it would have waited as well.
        #expect(ContinuousClock.now - start >= .milliseconds(400))
    }

    @Test func permitsMayBecomeFewerWhileTheyAreHeld() async throws {
        let semaphore = AsyncSemaphore(permits: 3)
        for _ in 0..<3 { try await semaphore.acquire() }
        semaphore.change(by: -2)
        let inside = Mutex(0)
        let waiting = Task {
            try await semaphore.withPermit { inside.withLock { $0 += 1 } }
        }
        semaphore.release()
        semaphore.release()
        try await Task.sleep(for: .milliseconds(20))
        #expect(inside.withLock { $0 } == 0, "two left, and two places are gone")
        semaphore.release()
        try await waiting.value
        semaphore.change(by: 2)
        for _ in 0..<3 { try await semaphore.acquire() }
    }

    @Test func aRelayThatDoesNotGoOnIsEndedAndTriedAgain() async throws {
        let relay = StuckRelay()
        let configuration = S3Configuration(
            host: "127.0.0.1", port: 1, bucket: "b",
            credentials: StaticCredentials(S3Credentials(accessKeyID: "a", secretAccessKey: Secret("s"))))
        let store = S3ObjectStore(configuration, http: relay)
        var options = CopyOptions()
        options.stallTimeout = .milliseconds(80)
        options.retry = RetryPolicy(attempts: 2, initialDelay: .zero, maximumDelay: .zero)
        let error = await #expect(throws: BackupError.self) {
            try await ObjectCopier(options: options).copy(
                CopySource(store: store, key: "k", size: 10, etag: "e"), to: CopyDestination(store: store, key: "l"),
                mode: .streaming)
        }
        #expect(error?.code == .timedOut && error?.message.contains("no progress") == true)
        #expect(relay.count == 2)
    }
}

/// True once.
private final class First: Sendable {
    private let isTaken = Atomic(false)
    func take() -> Bool { !isTaken.exchange(true, ordering: .relaxed) }
}

/// Takes relays, and does nothing.
private final class StuckRelay: HTTPRelay {
    private let relays = Atomic<Int>(0)

    var count: Int { relays.load(ordering: .relaxed) }

    func relay(_ relay: RelayRequest) async throws -> RelayOutcome {
        relays.add(1, ordering: .relaxed)
        try await Task.sleep(for: .seconds(3600))
        throw BackupError(.internalError, "an hour has passed")
    }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse { HTTPResponse(status: 500) }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        HTTPResponse(status: 500)
    }
}
