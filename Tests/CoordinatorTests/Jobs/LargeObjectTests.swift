import BackupFormat
import Checksums
import Configuration
import CopyWorker
import ObjectStorage
import ObjectStorageTesting
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support
import Synchronization
import Testing

@testable import Coordinator

/// Objects that agents copy together. Here everything from 500 bytes on is large, and parts have 100 bytes.
@Suite(.timeLimit(.minutes(1))) struct LargeObjectTests {
    private static let path = "1/10/101/100/7100"
    private let large = "files/insert_log/\(path)"
    private let copied = "backup/nightly/binlogs/insert_log/1/10/101/101/100/7100"
    private let job: JobBench

    init() {
        var limits = StoreLimits()
        limits.minimumPartSize = 5
        job = JobBench(limits: limits) {
            $0.transfer.largeObjectThreshold = 500
            $0.transfer.partSize = 100
        }
        job.put("insert_log/\(Self.path)", 2030)
    }

    private func backUp(_ agents: @escaping @Sendable () async throws -> Void) async throws -> JobOutcome<BackupInfo> {
        let working = Task { try await agents() }
        let outcome = try await job.backUp(workforce: JobBench.agents)
        try await working.value
        return outcome
    }

    private func parts(_ assignment: Assignment) -> [Int] { assignment.shard.tasks.compactMap { $0.part?.number } }

    private func records() throws -> [String: ManifestRecord] {
        let manifest = try #require(job.backups.keys.first { $0.hasSuffix("manifest.zst") })
        var records: [String: ManifestRecord] = [:]
        var bytes = job.backups.bytes(manifest)
        _ = try Manifest.read({
            defer { bytes = nil }
            return bytes
        }) { records["backup/nightly/" + $0.key] = $0 }
        return records
    }

    /// Whether the backup is there, whole, and nothing else.
    private func isRight() async throws {
        #expect(job.backups.bytes(copied) == job.source.bytes(large))
        #expect(job.backups.pendingUploads == 0)
        #expect(try await job.metadata.exists("nightly"))
        let record = try records()[copied]
        var sum = CRC32C()
        job.source.bytes(large)?.withUnsafeBytes { sum.update($0) }
        #expect(record?.size == 2030 && record?.etag == job.backups.etag(copied))
        #expect(record?.checksum == "crc32c:" + Checksum(crc32c: sum.value).value)
    }

    @Test func itsPartsAreShardsOfTheirOwn() async throws {
        let outcome = try await backUp {
            async let one: WorkerSummary = job.work(as: "one")
            async let other: WorkerSummary = job.work(as: "other")
            _ = try await (one, other)
        }
        try await isRight()
        #expect(
            job.backups.etag(copied)
                == MemoryObjectStore.multipartETag(of: job.source.bytes(large) ?? [], partSize: 100))
        #expect(job.backups.counts.count(.uploadPart, key: copied) == 21)
        #expect(job.backups.counts.count(.createMultipartUpload) == 1)
        let done = outcome.shares.reduce(0) { $0 + $1.done.bytes }
        #expect(done == outcome.result.size)
        // Each object counts once, however many parts it has.
        #expect(outcome.shares.reduce(0) { $0 + $1.done.objects } == 26)
    }

    @Test func withoutAgentsNothingIsCut() async throws {
        try await job.backUp()
        #expect(job.backups.counts.count(.createMultipartUpload) == 0)
        #expect(job.backups.bytes(copied) == job.source.bytes(large))
    }

    @Test(arguments: [true, false]) func theSourcesPartsAreKept(areTold: Bool) async throws {
        job.source.set(large, job.source.bytes(large) ?? [], partSize: 300)
        job.source.faults.tellsParts = areTold
        _ = try await backUp { try await job.work(as: "one") }
        try await isRight()
        #expect((job.backups.etag(copied) == job.source.etag(large)) == areTold)
    }

    /// An agent that says so and has uploaded nothing: the completion finds it out, and the object is copied again.
    @Test func aPartThatIsNotThereIsFoundOut() async throws {
        let (job, copied) = (job, copied)
        _ = try await backUp {
            let (liar, _) = try await job.joined(as: "liar", capacity: 100)
            var missing = 21
            while missing > 0 {
                try await liar.send(.pull(Pull(shards: 1)))
                guard case .assignment(let assignment) = try await liar.receive() else { return }
                // What is not of interest goes to others when it leaves.
                guard assignment.shard.tasks.contains(where: { $0.part != nil }) else { continue }
                let results = assignment.shard.tasks.indices.map {
                    TaskResult(index: $0, etag: String(repeating: "0", count: 32), copiedByStore: false)
                }
                missing -= results.count
                try await liar.send(
                    .completed(
                        ShardCompletion(lease: assignment.lease, results: results, bytes: assignment.shard.bytes)))
            }
            liar.close()
            try await job.work(as: "honest")
        }
        try await isRight()
        #expect(job.bench.hasLogged("copying it again"))
        #expect(job.backups.counts.count(.completeMultipartUpload, key: copied) == 2)
    }

    /// The report would complete the upload with a part of no name.
    @Test func aPartWithoutAnETagIsNone() async throws {
        let job = job
        let outcome = try await backUp {
            let (careless, _) = try await job.joined(as: "careless", capacity: 100)
            while true {
                try await careless.send(.pull(Pull(shards: 1)))
                guard case .assignment(let assignment) = try await careless.receive() else { return }
                guard assignment.shard.tasks[0].part != nil else { continue }
                let results = [TaskResult(index: 0, copiedByStore: false)]
                try await careless.send(
                    .completed(ShardCompletion(lease: assignment.lease, results: results, bytes: 1)))
                break
            }
            async let able: WorkerSummary = job.work(as: "able")
            try await eventually { job.bench.hasLogged("agent joined agent=able") }
            careless.close()
            _ = try await able
        }
        #expect(outcome.shares.first { $0.agent.description == "careless" }?.failures == 1)
        try await isRight()
    }

    @Test func aLostAgentsPartsAreCopiedByAnother() async throws {
        let job = job
        let hung = Mutex(false)
        job.backups.faults.before = { call in
            // The first upload of the second part never ends.
            guard call.operation == .uploadPart, call.partNumber == 2 else { return }
            if hung.withLock({ hung in
                defer { hung = true }; return !hung
            }) {
                try await Task.sleep(for: .seconds(3600))
            }
        }
        let outcome = try await backUp {
            let lost = Task { try await job.work(as: "lost") }
            try await eventually { hung.withLock { $0 } }
            lost.cancel()
            try await job.work(as: "heir")
            _ = try? await lost.value
        }
        try await isRight()
        #expect(outcome.shares.first { $0.agent.description == "lost" }?.losses ?? 0 >= 1)
        #expect(job.backups.counts.count(.createMultipartUpload) == 1)
    }

    @Test func acanceledBackupLeavesNoUpload() async throws {
        let job = job
        job.backups.faults.before = { call in
            if call.operation == .uploadPart, (call.partNumber ?? 0) > 5 { try await Task.sleep(for: .seconds(3600)) }
        }
        let agent = Task { try await job.work(as: "one") }
        let running = Task { try await job.backUp(workforce: JobBench.agents) }
        try await eventually { job.backups.counts.calls.contains { $0.partNumber ?? 0 > 5 } }
        #expect(job.backups.pendingUploads == 1)
        running.cancel()
        await #expect(throws: (any Error).self) { try await running.value }
        #expect(job.backups.pendingUploads == 0)
        _ = try await agent.value
        #expect(job.backups.pendingUploads == 0 && job.backups.bytes(copied) == nil)
    }

    /// What a killed coordinator has left is ended by the run that goes on, which copies the object from its beginning.
    @Test func whatAnEarlierRunHasLeftIsEnded() async throws {
        let job = job
        _ = try await job.backups.createMultipartUpload(copied)
        _ = try await job.backups.createMultipartUpload("backup/nightly/binlogs/gone")
        let working = Task { try await job.work(as: "one") }
        try await job.backUp(workforce: JobBench.agents) { $0.resumes = true }
        _ = try await working.value
        try await isRight()
    }

    @Test(arguments: [BackupError.Code.unsupported, .permissionDenied])
    func whereNoUploadCanBeBegunOneAgentCopiesTheWhole(code: BackupError.Code) async throws {
        job.backups.faults.multipartRefusal = BackupError(code, "no uploads in parts")
        _ = try await backUp { try await job.work(as: "one") }
        try await isRight()
        #expect(job.backups.counts.count(.uploadPart) == 0)
    }

    @Test func anObjectThatIsGoneIsLookedForAgain() async throws {
        let job = job
        let large = large
        let bytes = try #require(job.source.bytes(large))
        let reads = Mutex(0)
        job.source.faults.before = { call in
            guard call.operation == .get, call.key == large else { return }
            let count = reads.withLock { reads in
                reads += 1
                return reads
            }
            // It goes while its parts are read, and is back when the segments are listed again.
            if count == 5 { throw BackupError(.notFound, "it is gone") }
        }
        _ = try await backUp { try await job.work(as: "one") }
        try await isRight()
        #expect(job.backups.bytes(copied) == bytes)
        #expect(job.bench.hasLogged("listed again"))
    }

    @Test func aRestoreStagesItTheSameWay() async throws {
        let job = job
        _ = try await backUp { try await job.work(as: "one") }
        job.forgetCalls()
        let before = job.source.keys
        let uploads = job.source.counts.count(.createMultipartUpload)
        let working = Task {
            try await eventually { job.bench.log.lines.count { $0.contains("listening for agents") } == 2 }
            return try await job.work(as: "two")
        }
        let outcome = try await job.restore(workforce: JobBench.agents) {
            $0.mapper = try NameMapper(suffix: "_bak")
        }
        _ = try await working.value
        #expect(outcome.result.count == 2)
        #expect(job.source.counts.count(.createMultipartUpload) == uploads + 1)
        #expect(job.source.counts.calls.count { $0.operation == .uploadPart } == 21)
        #expect(job.source.pendingUploads == 0 && job.source.keys == before)
    }
}
