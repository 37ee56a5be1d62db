import Support
import Testing

@testable import MilvusClient

/// Repetition, pacing and errors of calls.
@Suite struct CallTests {
    struct Repetition: Sendable {
        var reply: FakeMilvus.Reply
        var tries: Int
        var code: BackupError.Code
    }

    @Test(arguments: [
        Repetition(reply: .status(14, "going away"), tries: 6, code: .unavailable),
        Repetition(reply: .status(8, "too many"), tries: 6, code: .throttled),
        Repetition(
            reply: .failure(BackupError(.unavailable, "cannot connect", isRetryable: true)), tries: 6,
            code: .unavailable),
        Repetition(reply: .failure(BackupError(.unavailable, "TLS: no trust")), tries: 1, code: .unavailable),
        Repetition(reply: .status(12, "unknown method"), tries: 1, code: .unsupported),
        Repetition(reply: .status(7, "permission deny"), tries: 1, code: .permissionDenied),
        Repetition(reply: .status(2, "panic", trailersOnly: false), tries: 1, code: .remoteFailure),
        Repetition(reply: .milvusError(code: 65535, reason: "broken"), tries: 1, code: .remoteFailure),
    ])
    func callsAreRepeatedWhenTheServerDidNotTakeThem(repetition: Repetition) async {
        let fake = FakeMilvus { _, _ in repetition.reply }
        let (client, time) = fake.client()
        let error = await #expect(throws: BackupError.self) { try await client.listDatabases() }
        #expect(error?.code == repetition.code)
        #expect(fake.calls.count == repetition.tries)
        // 60 ms growing threefold: between half and all of 60 + 180 + 540 + 1620 + 4860 ms.
        if repetition.tries == 6 { #expect((3.63...7.26).contains(time.total.seconds)) }
    }

    @Test func aCallThatGoesWellAtLastIsNoError() async throws {
        let fake = FakeMilvus { _, index in
            if index < 5 { return .status(14, "not yet") }
            var response = Milvus.ListDatabasesResponse()
            response.names = ["default"]
            return .answer(response)
        }
        #expect(try await fake.client().client.listDatabases() == ["default"])
    }

    @Test(arguments: [
        FakeMilvus.Reply.status(14, "going away"), .failure(BackupError(.unavailable, "reset", isRetryable: true)),
    ])
    func importsAreNeverStartedTwice(reply: FakeMilvus.Reply) async {
        let fake = FakeMilvus { _, _ in reply }
        let (client, _) = fake.client()
        await #expect(throws: BackupError.self) {
            try await client.startImport(Milvus.ImportRequest(), database: "default")
        }
        #expect(fake.calls.count == 1)
    }

    struct Refusal: Sendable {
        var code: Int32
        var errorCode: Int32 = 1
        var reason: String
        var expected: BackupError.Code
    }

    @Test(arguments: [
        // As 2.3.5 words them.
        Refusal(
            code: 100, reason: "can't find collection collection not found[database=db1][collection=c1]",
            expected: .notFound),
        Refusal(code: 800, reason: "database not found[database=db1]", expected: .notFound),
        Refusal(code: 65535, reason: "database already exist: db1", expected: .alreadyExists),
        Refusal(code: 1000, reason: "key not found[key=by-dev/meta/importtask/1]", expected: .notFound),
        Refusal(code: 65535, reason: "index cannot be dropped, collection is loaded", expected: .remoteFailure),
        // As 2.2 does, with the old code alone.
        Refusal(code: 0, errorCode: 4, reason: "can't find collection: c1", expected: .notFound),
        Refusal(code: 0, errorCode: 49, reason: "rate limit", expected: .throttled),
        Refusal(code: 8, reason: "request is rejected by grpc RateLimiter middleware", expected: .throttled),
        Refusal(code: 65535, reason: "rate limit exceeded[rate=0.1]", expected: .throttled),
        Refusal(code: 1401, reason: "privilege not permitted", expected: .permissionDenied),
        Refusal(code: 2, reason: "service unavailable", expected: .unavailable),
        // A code alone is an error as well.
        Refusal(code: 5, errorCode: 0, reason: "", expected: .remoteFailure),
    ])
    func refusalsAreSorted(refusal: Refusal) async {
        let fake = FakeMilvus { _, _ in
            .milvusError(code: refusal.code, reason: refusal.reason, errorCode: refusal.errorCode)
        }
        let error = await #expect(throws: BackupError.self) {
            try await fake.client().client.describeCollection("c1", database: "db1")
        }
        #expect(error?.code == refusal.expected)
        #expect(error?.message.contains(refusal.reason) == true)
        #expect(error?.message.contains("DescribeCollection of db1.c1") == true)
    }

    @Test func errorTextsAreOneBoundedLine() async {
        let reason = "attempt #9: \u{1b}[31mcollection not found\n/go/src/stack.go:51 trace\n" + "x"
        let long = String(repeating: "x", count: 10_000)
        for (reason, check) in [(reason, 200), (long, 600)] {
            let fake = FakeMilvus { _, _ in .milvusError(code: 65535, reason: reason) }
            let error = await #expect(throws: BackupError.self) { try await fake.client().client.listDatabases() }
            let text = error?.description ?? ""
            #expect(text.count < check)
            #expect(!text.contains("\n") && !text.contains("stack.go") && !text.contains("\u{1b}"))
        }
    }

    // MARK: Pacing

    @Test(arguments: [(0, 1), (3, 4), (9, 10), (10, 10), (30, 10)])
    func dataDefinitionIsRepeatedWhileItsRateIsRefused(refusals: Int, expectedCalls: Int) async throws {
        let fake = FakeMilvus { _, index in
            var status = Milvus.Status()
            if index < refusals {
                status.code = 8
                status.reason = "rate limit exceeded"
            }
            return .answer(status)
        }
        let (client, time) = fake.client()
        let outcome = await Result { try await client.createPartition("p", of: "c", database: "d") }
        #expect(fake.calls.count == expectedCalls)
        if refusals < 10 {
            #expect(throws: Never.self) { try outcome.get() }
        } else {
            #expect(throws: BackupError.self) { try outcome.get() }
        }
        #expect(time.total < .seconds(60))
        if refusals > 0 { #expect(time.total >= .milliseconds(100)) }
    }

    @Test func collectionsGetTwentyTries() async {
        let fake = FakeMilvus { _, _ in
            var status = Milvus.Status()
            status.errorCode = 49
            return .answer(status)
        }
        let error = await #expect(throws: BackupError.self) {
            try await fake.client().client.createCollection(Milvus.CreateCollectionRequest(), database: "d")
        }
        #expect(error?.code == .throttled)
        #expect(fake.calls.count == 20)
    }

    @Test func otherRefusalsOfDataDefinitionAreFinal() async {
        let fake = FakeMilvus { _, _ in
            var status = Milvus.Status()
            status.code = 65535
            status.reason = "database already exist: d"
            return .answer(status)
        }
        let error = await #expect(throws: BackupError.self) { try await fake.client().client.createDatabase("d") }
        #expect(error?.code == .alreadyExists)
        #expect(fake.calls.count == 1)
    }

    @Test func dataDefinitionStartsSlowlyAndGetsFaster() async throws {
        let fake = FakeMilvus { _, _ in .answer(Milvus.Status()) }
        let (client, time) = fake.client()
        for index in 0..<100 { try await client.createPartition("p\(index)", of: "c", database: "d") }
        // Five a second to begin with and one more with each: sum of 1/6 ... 1/104.
        #expect((2.5...3.5).contains(time.total.seconds))
        // Another kind of call has a pace of its own.
        let before = time.total
        try await client.createDatabase("d")
        #expect(time.total == before)
    }

    @Test func waitingEndsWithTheTask() async {
        let fake = FakeMilvus { _, _ in .status(14, "going away") }
        let client = MilvusClient(
            connection: MilvusConnection(address: "m", port: 1), http: fake, logger: .silent,
            clock: MonotonicClock(
                now: { .now }, sleep: { _ in try await Task.sleep(for: .seconds(3600)) }))
        let task = Task { try await client.listDatabases() }
        while fake.calls.isEmpty { await Task.yield() }
        task.cancel()
        let error = await #expect(throws: (any Error).self) { try await task.value }
        #expect(error.map { BackupError(wrapping: $0).code } == .canceled)
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
