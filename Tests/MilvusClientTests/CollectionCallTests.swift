import Support
import Testing

@testable import MilvusClient

/// Answers that are not what they look like.
@Suite struct CollectionCallTests {
    @Test(arguments: [
        ("collection not loaded[collection=1]", Int32(101), Int64(0), 0), ("", 0, 100, 100), ("", 0, 37, 37),
    ])
    func anUnloadedCollectionIsNoError(reason: String, code: Int32, progress: Int64, expected: Int) async throws {
        let fake = FakeMilvus { _, _ in
            var response = Milvus.GetLoadingProgressResponse()
            response.status.code = code
            response.status.reason = reason
            response.progress = progress
            return .answer(response)
        }
        let client = fake.client().client
        #expect(try await client.loadingProgress(of: "c", partitions: ["p"], database: "d") == expected)
        let request = try Milvus.GetLoadingProgressRequest(serialized: fake.calls[0].message)
        #expect(request.partitions == ["p"])
    }

    @Test(arguments: [
        (Int32(25), Int32(0), "there is no index on this collection"), (25, 700, "index not found[collection=c1]"),
        (1, 0, "index not found: c1"), (1, 0, "index doesn't exist, collectionID 5"),
    ])
    func noIndexIsNoError(errorCode: Int32, code: Int32, reason: String) async throws {
        let fake = FakeMilvus { _, _ in .milvusError(code: code, reason: reason, errorCode: errorCode) }
        #expect(try await fake.client().client.describeIndexes(of: "c", database: "d").isEmpty)
    }

    @Test func segmentsAreAskedForAgainWhileTheyAreCompacted() async throws {
        let fake = FakeMilvus { _, index in
            if index < 49 { return .milvusError(code: 600, reason: "segment not found[segment=7]") }
            var segment = Milvus.PersistentSegment()
            segment.id = 7
            var response = Milvus.GetPersistentSegmentInfoResponse()
            response.segments = [segment]
            return .answer(response)
        }
        let (client, time) = fake.client()
        #expect(try await client.persistentSegments(of: "c", database: "d").map(\.id) == [7])
        #expect(time.total < .seconds(20))
    }

    @Test func segmentsOfNoCollectionAreAskedForOnce() async {
        let fake = FakeMilvus { _, _ in .milvusError(code: 100, reason: "collection not found") }
        await #expect(throws: BackupError.self) {
            try await fake.client().client.persistentSegments(of: "c", database: "d")
        }
        #expect(fake.calls.count == 1)
    }

    @Test func partitionsNeedAsManyIDsAsNames() async {
        let fake = FakeMilvus { _, _ in
            var response = Milvus.ShowPartitionsResponse()
            response.names = ["a", "b"]
            response.ids = [1]
            return .answer(response)
        }
        let error = await #expect(throws: BackupError.self) {
            try await fake.client().client.showPartitions(of: "c", database: "d")
        }
        #expect(error?.code == .protocolViolation)
    }

    @Test func anImportThatIsAcceptedNamesATask() async {
        let fake = FakeMilvus { _, _ in .answer(Milvus.ImportResponse()) }
        let error = await #expect(throws: BackupError.self) {
            try await fake.client().client.startImport(Milvus.ImportRequest(), database: "d")
        }
        #expect(error?.code == .protocolViolation)
    }

    @Test(arguments: [
        (Milvus.ImportState.pending, false, false), (.started, false, false), (.persisted, false, false),
        (.flushed, false, false), (.completed, true, false), (.failed, true, true), (.failedAndCleaned, true, true),
        (Milvus.ImportState(rawValue: 99), false, false),
    ])
    func importStates(state: Milvus.ImportState, isFinal: Bool, isFailure: Bool) {
        #expect(state.isFinal == isFinal)
        #expect(state.isFailure == isFailure)
    }

    @Test func droppingWhatIsNotThereIsDone() async throws {
        let fake = FakeMilvus { _, _ in
            var status = Milvus.Status()
            status.code = 100
            return .answer(status)
        }
        try await fake.client().client.dropCollection("c", database: "d")
    }
}
