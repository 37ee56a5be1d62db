import BackupFormat
import Configuration
import JSON
import MilvusClient
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator

/// `--use_v2_restore`: many segments in one job of Milvus' REST interface, which is scripted here as its documentation and
/// the original's use of it have it.
@Suite(.timeLimit(.minutes(1))) struct ImportJobTests {
    private let paths = BackupPaths(root: "", name: "t")
    private let target = CollectionName(database: "shop", collection: "copy")

    private func segment(_ id: Int64, _ channel: String = "", version: Int64 = 0) -> SegmentBackup {
        var segment = SegmentBackup.sample(id)
        segment.virtualChannel = channel
        segment.storageVersion = version
        return segment
    }

    private func segments(_ batches: [[ImportBatch]]) -> [[[Int64]]] {
        batches.map { stage in stage.map { batch in batch.units.flatMap { $0.segments.map(\.segmentID) } } }
    }

    // MARK: Which directories make a job

    @Test func segmentsOfOneChannelAndVersionGoTogether() throws {
        let plan = try ImportPlan(
            .sample(segments: [
                10: [
                    segment(1, "a"), segment(2, "b"), segment(3, "a"), segment(4, "a", version: 2), segment(5, "b"),
                    segment(6, "a"), segment(7, "a"),
                ],
                11: [.sample(8, partition: 11), .sample(9, partition: 11)],
            ]))
        #expect(
            segments(plan.batches(maximumSegments: 3, maximumDeletions: 1))
                == [[[1, 3, 6], [7], [2, 5], [4], [8, 9]]])
        #expect(segments(plan.batches(maximumSegments: 1, maximumDeletions: 1))[0].count == 9)
        #expect(segments(plan.singles) == [[[1], [2], [3], [4], [5], [6], [7], [8], [9]]])
    }

    @Test func deletionsHaveALimitOfTheirOwn() throws {
        let plan = try ImportPlan(
            .sample(
                segments: [10: [.sample(1), .sample(2, isL0: true), .sample(3, isL0: true)]],
                l0: [.sample(4, partition: -1, isL0: true), .sample(5, partition: -1, isL0: true)]))
        #expect(segments(plan.batches(maximumSegments: 9, maximumDeletions: 1)) == [[[1]], [[2], [3]], [[4], [5]]])
        #expect(segments(plan.batches(maximumSegments: 9, maximumDeletions: 9)) == [[[1]], [[2, 3]], [[4, 5]]])
    }

    @Test func aGroupIsNotParted() throws {
        let plan = try ImportPlan(
            .sample(segments: [10: [.sample(1, group: 1), .sample(2, group: 1), .sample(3, group: 2)]]))
        #expect(segments(plan.batches(maximumSegments: 1, maximumDeletions: 1)) == [[[1, 2], [3]]])
    }

    @Test func aJobNamesItsDirectories() throws {
        let plan = try ImportPlan(
            .sample(
                segments: [10: [segment(1, version: 2), .sample(2, deltas: 0)]],
                l0: [.sample(4, partition: -1, isL0: true)]))
        let jobs = plan.batches(maximumSegments: 9, maximumDeletions: 9).flatMap { $0 }
            .map { $0.request(target: target, in: paths) }
        #expect(
            jobs == [
                ImportJobRequest(
                    database: "shop", collection: "copy", partition: "p10",
                    files: [["t/binlogs/insert_log/1/10/1/", "t/binlogs/delta_log/1/10/1/"]],
                    options: ["backup": "true", "skip_disk_quota_check": "true", "storage_version": "2"]),
                ImportJobRequest(
                    database: "shop", collection: "copy", partition: "p10", files: [["t/binlogs/insert_log/1/10/2/"]],
                    options: ["backup": "true", "skip_disk_quota_check": "true"]),
                ImportJobRequest(
                    database: "shop", collection: "copy", partition: "", files: [["t/binlogs/delta_log/1/-1/4/"]],
                    options: ["l0_import": "true", "skip_disk_quota_check": "true"]),
            ])
    }

    // MARK: Whole restores

    private static let created = #"{"code":0,"message":"","data":{"jobId":"448"}}"#

    /// A job with two collections of a backup, whose Milvus answers descriptions of import jobs in turn, the last of them
    /// for ever.
    private func bench(
        _ version: String = "v2.4.15", create: String = ImportJobTests.created, descriptions: [String],
        _ adjust: (inout Configuration) -> Void = { _ in }
    ) async throws -> JobBench {
        let job = JobBench(adjust)
        try await job.backUp()
        job.forgetCalls()
        let asked = Counter()
        job.milvus.state.withLock { state in
            state.version = version
            state.rest = { path, _ in
                if path == "jobs/import/create" { return create }
                return descriptions[min(asked.next(), descriptions.count - 1)]
            }
        }
        return job
    }

    private func state(_ state: String, _ progress: Int, reason: String = "") -> String {
        #"{"code":0,"data":{"jobId":"448","state":"\#(state)","progress":\#(progress),"reason":"\#(reason)"}}"#
    }

    private func restore(_ job: JobBench) async throws {
        try await job.restore {
            $0.usesImportJobs = true
            $0.mapper = try NameMapper(suffix: "_bak")
        }
    }

    @Test func aPartitionIsOneJob() async throws {
        let job = try await bench(descriptions: [state("Pending", 0), state("Importing", 40), state("Completed", 100)])
        let before = job.source.keys
        try await restore(job)
        #expect(job.milvus.calls(of: "Import").isEmpty)
        let bodies = try job.milvus.posts(to: "jobs/import/create").map { text in
            try JSONValue(parsing: Array(text.utf8), name: "body")
        }
        #expect(try Set(bodies.map { try $0.string("collectionName") }) == ["items_bak", "orders_bak"])
        for body in bodies {
            #expect(try body.string("partitionName") == "_default")
            let files = try #require(try body.array("files"))
            #expect(files.count == 3)
        }
        #expect(job.source.keys == before)
    }

    @Test func jobsAreNotLargerThanTheConfigurationAllows() async throws {
        let job = try await bench(descriptions: [state("Completed", 100)]) {
            $0.restore.maximumSegmentsPerImportJob = 2
        }
        try await restore(job)
        #expect(job.milvus.posts(to: "jobs/import/create").count == 4)
    }

    @Test func aFailureHasMilvusReason() async throws {
        let job = try await bench(descriptions: [state("Importing", 3), state("Failed", 3, reason: "no such field")])
        let error = await #expect(throws: BackupError.self) { try await restore(job) }
        #expect(error?.code == .remoteFailure && error?.message.contains("no such field") == true)
        #expect(error?.hint?.contains("448") == true)
    }

    /// The original takes such an answer for a state that is none, and asks for ever.
    @Test(arguments: [
        #"{"code":1100,"message":"there is no such job"}"#, #"{"code":0,"data":{}}"#, #"{"code":0}"#,
    ])
    func anAnswerThatIsNoStateEndsTheWait(_ answer: String) async throws {
        let job = try await bench(descriptions: [answer])
        await #expect(throws: BackupError.self) { try await restore(job) }
        #expect(job.milvus.posts(to: "jobs/import/describe").count <= 2)
    }

    @Test func aJobThatIsRefusedIsAFailure() async throws {
        let job = try await bench(create: #"{"code":2100,"message":"importing is off"}"#, descriptions: [""])
        let error = await #expect(throws: BackupError.self) { try await restore(job) }
        #expect(error?.message.contains("importing is off") == true)
    }

    @Test func olderServersImportDirectoryByDirectory() async throws {
        let job = try await bench("v2.3.5", descriptions: [""])
        try await restore(job)
        #expect(job.milvus.calls(of: "Import").count == 6)
        #expect(job.milvus.posts(to: "jobs/import/create").isEmpty)
        #expect(job.bench.hasLogged("use_v2_restore needs Milvus 2.4 or later"))
    }
}

private final class Counter: Sendable {
    private let value = Mutex(0)

    func next() -> Int {
        value.withLock { value in
            defer { value += 1 }
            return value
        }
    }
}
