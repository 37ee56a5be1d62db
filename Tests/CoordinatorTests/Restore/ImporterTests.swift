import BackupFormat
import Configuration
import MilvusClient
import Support
import Synchronization
import Testing

@testable import Coordinator

@Suite(.timeLimit(.minutes(1))) struct ImporterTests {
    private let target = CollectionName(database: "default", collection: "copy")
    private let paths = BackupPaths(root: "backup", name: "nightly")
    private let files = "backup/nightly/binlogs/insert_log/1/10/1001/,"

    private func task(_ id: Int64, _ state: Milvus.ImportState, files: String, reason: String? = nil)
        -> Milvus.ImportTask
    {
        var task = Milvus.ImportTask()
        task.id = id
        task.state = state
        task.infos = [Milvus.KeyValuePair("files", files)]
        if let reason { task.infos.append(Milvus.KeyValuePair("failed_reason", reason)) }
        return task
    }

    private func run(_ milvus: FakeMilvus, ignoring earlier: Set<Int64> = []) async throws {
        let unit = try #require(try ImportPlan(.sample(segments: [10: [.sample(1001)]])).rows.first)
        let importer = Importer(context: ServiceBench(milvus: milvus).context())
        try await importer.run(unit, into: target, from: paths, ignoring: earlier)
    }

    @Test func anImportIsWaitedFor() async throws {
        let milvus = FakeMilvus { state in
            state.trouble = { [running = task(9001, .started, files: "").serialized()] call, index in
                call.method == "GetImportState" && index < 2 ? .answer(running) : nil
            }
        }
        try await run(milvus)
        #expect(milvus.methods == ["Import", "GetImportState", "GetImportState", "GetImportState"])
    }

    @Test(arguments: [Milvus.ImportState.failed, .failedAndCleaned])
    func aFailureHasMilvusReason(_ state: Milvus.ImportState) async throws {
        let failed = task(9001, state, files: "", reason: "field vec is gone").serialized()
        let milvus = FakeMilvus {
            $0.trouble = { call, _ in call.method == "GetImportState" ? .answer(failed) : nil }
        }
        let error = await #expect(throws: BackupError.self) { try await run(milvus) }
        #expect(error?.code == .remoteFailure)
        #expect(error?.message.contains("field vec is gone") == true)
        #expect(error?.message.contains("default.copy") == true && error?.hint?.contains("9001") == true)
    }

    @Test func anImportWhoseAnswerWasLostIsNotBegunTwice() async throws {
        let milvus = FakeMilvus { state in
            state.tasks = [task(77, .completed, files: files)]
            state.trouble = { call, _ in call.method == "Import" ? .grpc(14, "connection reset") : nil }
        }
        try await run(milvus)
        #expect(milvus.calls(of: "Import").count == 1)
        #expect(try milvus.requests(Milvus.GetImportStateRequest.self).map(\.task) == [77])
    }

    @Test func anImportThatDidNotBeginIsAFailure() async throws {
        for tasks in [
            [], [task(77, .completed, files: "elsewhere/,")], [task(77, .failed, files: files)],
        ] {
            let milvus = FakeMilvus { state in
                state.tasks = tasks
                state.trouble = { call, _ in call.method == "Import" ? .grpc(14, "connection reset") : nil }
            }
            let error = await #expect(throws: BackupError.self) { try await run(milvus) }
            #expect(error?.code == .unavailable)
        }
    }

    /// Into a collection that was there before, the same directories may have been imported before.
    @Test func anEarlierImportIsNotTakenForThisOne() async throws {
        let milvus = FakeMilvus { state in
            state.tasks = [task(77, .completed, files: files)]
            state.trouble = { call, _ in call.method == "Import" ? .grpc(14, "connection reset") : nil }
        }
        let error = await #expect(throws: BackupError.self) { try await run(milvus, ignoring: [77]) }
        #expect(error?.code == .unavailable)
    }

    @Test func aWishToSlowDownIsFollowed() async throws {
        let milvus = FakeMilvus {
            $0.trouble = { call, index in
                call.method == "Import" && index < 2 ? .status(code: 8, "rate limit exceeded") : nil
            }
        }
        try await run(milvus)
        #expect(milvus.calls(of: "Import").count == 3)
    }

    @Test func onlySoManyImportsGoOnAtOnce() async throws {
        let running = Mutex((now: 0, peak: 0))
        let milvus = FakeMilvus {
            $0.trouble = { call, _ in
                running.withLock { count in
                    if call.method == "Import" { count.now += 1 }
                    count.peak = max(count.peak, count.now)
                    if call.method == "GetImportState" { count.now -= 1 }
                }
                return nil
            }
        }
        let bench = ServiceBench(milvus: milvus) { $0.restore.concurrentImportJobs = 3 }
        let importer = Importer(context: bench.context())
        let units = try ImportPlan(.sample(segments: [10: (1...30).map { .sample($0) }])).rows
        try await forEachInParallel(units, limit: 30) { unit in
            try await importer.run(unit, into: target, from: paths, ignoring: [])
        }
        #expect(milvus.calls(of: "Import").count == 30)
        #expect(running.withLock { $0.peak } <= 3)
    }
}
