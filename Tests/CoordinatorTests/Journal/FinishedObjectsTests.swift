import BackupFormat
import ObjectStorageTesting
import ShardProtocol
import ShardScheduling
import Support
import Testing

@testable import Coordinator

@Suite struct FinishedObjectsTests {
    private static let paths = BackupPaths(root: "backup", name: "nightly")
    private static let etag = String(repeating: "a", count: 32)

    private static func key(_ number: Int) -> Substring { "binlogs/insert_log/1/2/3/3/100/\(number)"[...] }

    /// What an earlier run has left: objects 1 to 3.
    private static func earlier() async throws -> FinishedObjects {
        let store = MemoryObjectStore()
        let records = (1...3).map { ManifestRecord(key: String(key($0)), size: Int64($0), etag: etag) }
        let piece = try Manifest.frame(ManifestHeader(name: "nightly", id: "i")) + Manifest.frame(records)
        store.set("\(paths.journalPrefix)1", piece)
        return try await FinishedObjects.read(from: store, paths: paths, logger: .silent)
    }

    private static func copied(_ number: Int, etag: String) -> FinishedShard {
        let prefix = paths.directory + key(number).dropLast(1)
        let shard = Shard(
            id: 1, source: .milvus, destination: .backup, sourcePrefix: "files/", destinationPrefix: prefix,
            mode: .auto, tasks: [CopyTask(source: "\(number)", size: Int64(number))])
        return FinishedShard(
            shard: shard, agent: AgentID("a"), epoch: 1,
            results: [TaskResult(index: 0, etag: etag, copiedByStore: false)],
            bytesCopied: Int64(number))
    }

    @Test func whatAnEarlierRunHasCopiedIsKnown() async throws {
        let finished = try await Self.earlier()
        #expect(finished.count == 3 && !finished.isEmpty)
        #expect(finished.contains(Self.key(2), size: 2))
        #expect(!finished.contains(Self.key(2), size: 3))
        #expect(!finished.contains(Self.key(4), size: 4))
        #expect(finished.contradicts(Self.key(2), size: 2, etag: String(repeating: "b", count: 32)))
        #expect(!finished.contradicts(Self.key(2), size: 2, etag: Self.etag))
    }

    @Test func whatIsForgottenIsCopiedAgainAndKnownAgain() async throws {
        var finished = try await Self.earlier()
        finished.forget(Self.key(2), size: 2)
        #expect(!finished.contains(Self.key(2), size: 2) && finished.count == 2)
        #expect(!finished.contradicts(Self.key(2), size: 2, etag: String(repeating: "b", count: 32)))
        let later = String(repeating: "c", count: 32)
        finished.add(Self.copied(2, etag: later), in: Self.paths)
        #expect(finished.contains(Self.key(2), size: 2))
        #expect(finished.contradicts(Self.key(2), size: 2, etag: Self.etag))
        #expect(!finished.contradicts(Self.key(2), size: 2, etag: later))
        finished.forget(Self.key(2), size: 2)
        #expect(!finished.contains(Self.key(2), size: 2))
    }

    @Test func whenAllIsForgottenThereIsNothing() async throws {
        var finished = try await Self.earlier()
        for number in 1...3 { finished.forget(Self.key(number), size: Int64(number)) }
        #expect(finished.isEmpty)
        finished.add(Self.copied(4, etag: Self.etag), in: Self.paths)
        #expect(!finished.isEmpty && finished.contains(Self.key(4), size: 4))
    }
}
