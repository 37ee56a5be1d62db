import BackupFormat
import Configuration
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator
@testable import MilvusClient

/// Backups of data that changes while they are made.
@Suite(.timeLimit(.minutes(1))) struct LiveDataTests {
    /// Replaces segment 102 by 105 when it is about to be read, as a compaction and garbage collection do.
    private func compacting() -> JobBench {
        let job = JobBench { $0.backup.shard.maximumObjects = 1 }
        let (store, milvus) = (job.source, job.milvus)
        store.faults.before = { call in
            guard call.operation == .get, call.key.contains("/102/101/") else { return }
            let old = store.keys.filter { $0.contains("insert_log/1/10/102/") }
            guard !old.isEmpty else { return }
            for key in old { store.set(key.replacing("/102/", with: "/105/"), store.bytes(key) ?? []) }
            try await store.delete(old)
            milvus.state.withLock { state in
                let index = state.databases["default"]?["items"]?.segments.firstIndex { $0.id == 102 }
                if let index { state.databases["default"]?["items"]?.segments[index].id = 105 }
            }
        }
        return job
    }

    @Test func aCompactionMeanwhileIsFollowed() async throws {
        let job = compacting()
        let backup = try await job.backUp().result
        #expect(backup.collections[0].partitions[0].segments.map(\.segmentID) == [101, 105, 103])
        #expect(job.bench.hasLogged("are listed again") && job.bench.hasLogged("as of="))
        // Only what changed was copied again, and nothing else is left of it.
        #expect(!job.backups.keys.contains { $0.contains("/102/") })
        for key in job.source.keys where key.contains("/101/101/") {
            #expect(job.source.counts.count(.get, key: key) == 1)
        }
        let manifest = try await job.manifestKeys()
        #expect(!manifest.contains { $0.contains("/102/") } && manifest.contains { $0.contains("/105/") })
    }

    @Test func anObjectThatIsGoneForGoodEndsTheBackup() async throws {
        let job = JobBench()
        let store = job.source
        store.faults.before = { call in
            guard call.operation == .get, call.key.hasSuffix("/101/100/7100") else { return }
            throw BackupError(.notFound, "\(call.key) does not exist")
        }
        let error = await #expect(throws: BackupError.self) { try await job.backUp() }
        #expect(error?.code == .notFound && error?.message.contains("7100") == true)
        #expect(try await !job.metadata.exists("nightly"))
    }

    /// A worker that has lost its shard writes damaged bytes over a copy, as often as said, just before the copies are listed.
    private func overwriting(times: Int) -> (job: JobBench, key: String) {
        let job = JobBench()
        let backups = job.backups
        let left = Mutex(times)
        let key = "backup/nightly/binlogs/insert_log/1/10/101/101/100/7100"
        backups.faults.before = { call in
            guard call.operation == .list, call.key.contains("insert_log"), var bytes = backups.bytes(key),
                left.withLock({ left in
                    left -= 1
                    return left >= 0
                })
            else { return }
            bytes[0] &+= 1
            backups.set(key, bytes)
        }
        return (job, key)
    }

    @Test func whatIsOverwrittenBehindItsCopyIsCopiedAgain() async throws {
        let (job, key) = overwriting(times: 1)
        try await job.backUp()
        let source = try #require(job.source.keys.first { $0.hasSuffix("/101/100/7100") })
        #expect(job.backups.bytes(key) == job.source.bytes(source))
        #expect(job.bench.hasLogged("have other bytes than their copies had"))
        // Only that one.
        #expect(job.source.counts.count(.get, key: source) == 2)
        #expect(job.source.counts.count(.get, key: source.replacing("/101/100/7100", with: "/102/100/7100")) <= 1)
    }

    @Test func whatIsOverwrittenAgainAndAgainEndsTheBackup() async throws {
        let (job, key) = overwriting(times: 100)
        let error = await #expect(throws: BackupError.self) { try await job.backUp() }
        #expect(error?.message.hasPrefix("\(key) is written by somebody else") == true)
        #expect(try await !job.metadata.exists("nightly"))
    }

    /// The collection is dropped when its first object is read.
    private func dropping() -> JobBench {
        let job = JobBench()
        let (store, milvus) = (job.source, job.milvus)
        store.faults.before = { call in
            guard call.operation == .get, call.key.hasPrefix("files/insert_log/1/") else { return }
            milvus.state.withLock { $0.databases["default"]?["items"] = nil }
            try await store.delete([call.key])
        }
        return job
    }

    @Test func aCollectionThatIsDroppedEndsTheBackup() async throws {
        let error = await #expect(throws: BackupError.self) { try await dropping().backUp() }
        #expect(error?.message == "collection default.items was dropped while it was backed up")
        #expect(error?.hint?.contains("--skip-missing") == true)
    }

    @Test func aCollectionThatIsDroppedIsLeftOutWhenThatIsWanted() async throws {
        let job = dropping()
        let backup = try await job.backUp { $0.skipsMissing = true }.result
        #expect(backup.collections.map(\.collectionName) == ["orders"])
        #expect(job.bench.hasLogged("left out"))
        #expect(!job.backups.keys.contains { $0.contains("/insert_log/1/") })
        #expect(try await !job.manifestKeys().contains { $0.contains("insert_log/1/") })
    }

    @Test func aPauseThatIsRequiredMustBeHad() async throws {
        let job = JobBench { $0.backup.requireGCPause = true }
        let error = await #expect(throws: BackupError.self) { try await job.backUp() }
        #expect(error?.message.contains("backup.requireGCPause asks for it") == true)
        #expect(!job.backups.keys.contains { $0.contains("/binlogs/") })
    }
}

extension JobBench {
    fileprivate func manifestKeys() async throws -> [String] {
        try await backups.getStreamed("backup/nightly/manifest.zst") { source in
            var keys: [String] = []
            _ = try Manifest.read(source) { keys.append($0.key) }
            return keys
        }
    }
}
