import Support
import Testing

@testable import MilvusClient

@Suite struct FlushTests {
    private static func flushResponse(checkpoints: [String: UInt64] = [:]) -> Milvus.FlushResponse {
        var sealed = Milvus.SegmentIDs()
        sealed.ids = [1, 2]
        var flushed = Milvus.SegmentIDs()
        flushed.ids = [3]
        var response = Milvus.FlushResponse()
        response.sealedSegments = ["c1": sealed]
        response.flushedSegments = ["c1": flushed]
        response.sealTimes = ["c1": 1_795_231_236]
        response.flushTimestamps = ["c1": 77]
        response.channelCheckpoints = checkpoints.mapValues { timestamp in
            var position = Milvus.MessagePosition()
            position.timestamp = timestamp
            return position.serialized() + [0x28, 2]
        }
        return response
    }

    private static func state(_ isFlushed: Bool) -> FakeMilvus.Reply {
        var response = Milvus.FlushStateResponse()
        response.isFlushed = isFlushed
        return .answer(response)
    }

    @Test func waitsUntilEverySegmentIsThere() async throws {
        let fake = FakeMilvus { call, index in
            call.method == "Flush"
                ? .answer(Self.flushResponse(checkpoints: ["v0": 5, "v1": 9])) : Self.state(index == 3)
        }
        let (client, time) = fake.client()
        let flushed = try await client.flushAndWait("c1", database: "db1")
        #expect(flushed.sealedSegmentIDs == [1, 2])
        #expect(flushed.flushedSegmentIDs == [3])
        #expect(flushed.flushTimestamp == 77)
        #expect(flushed.sealTime == 1_795_231_236)
        #expect(flushed.channelCheckpoints["v0"] == ChannelCheckpoint(position: bytes("2005 2802"), timestamp: 5))
        #expect(flushed.latestCheckpoint == 9)

        #expect(fake.calls.map(\.method) == ["Flush"] + Array(repeating: "GetFlushState", count: 4))
        #expect(fake.calls.allSatisfy { $0.header("dbname") == "db1" })
        let question = try Milvus.GetFlushStateRequest(serialized: fake.calls[1].message)
        #expect(question.segmentIDs == [1, 2] && question.flushTimestamp == 77 && question.collection == "c1")
        // A small flush is not kept waiting for a second.
        #expect(time.total < .milliseconds(300))
    }

    @Test func aServerWithoutCheckpointsIsFine() async throws {
        let fake = FakeMilvus { call, _ in call.method == "Flush" ? .answer(Self.flushResponse()) : Self.state(true) }
        let flushed = try await fake.client().client.flushAndWait("c1", database: "db1")
        #expect(flushed.channelCheckpoints.isEmpty && flushed.latestCheckpoint == 0)
    }

    @Test func withoutAnEntryThereIsNothingToWaitFor() async throws {
        let fake = FakeMilvus { _, _ in .answer(Milvus.FlushResponse()) }
        _ = try await fake.client().client.flushAndWait("c1", database: "db1")
        #expect(fake.calls.map(\.method) == ["Flush"])
    }

    @Test func troubleInBetweenIsSurvived() async throws {
        let fake = FakeMilvus { call, index in
            switch (call.method, index) {
            case ("Flush", 0): .status(14, "going away")
            case ("Flush", 1): .milvusError(code: 8, reason: "rate limit exceeded")
            case ("Flush", 2): .milvusError(code: 65535, reason: "context deadline exceeded")
            case ("Flush", _): .answer(Self.flushResponse())
            case (_, 0): .status(14, "going away")
            case (_, 1): .milvusError(code: 65535, reason: "no channel leader")
            default: Self.state(index == 3)
            }
        }
        #expect(try await fake.client().client.flushAndWait("c1", database: "d").sealedSegmentIDs == [1, 2])
        #expect(fake.calls(of: "Flush").count == 4)
        #expect(fake.calls(of: "GetFlushState").count == 4)
    }

    @Test func aCollectionDroppedMeanwhileEndsTheWait() async {
        let fake = FakeMilvus { call, _ in
            call.method == "Flush"
                ? .answer(Self.flushResponse()) : .milvusError(code: 100, reason: "collection not found")
        }
        let error = await #expect(throws: BackupError.self) {
            try await fake.client().client.flushAndWait("c1", database: "d")
        }
        #expect(error?.code == .notFound)
        #expect(fake.calls(of: "GetFlushState").count == 1)
    }

    @Test func aServerThatHasGoneEndsTheWait() async {
        let fake = FakeMilvus { call, _ in
            call.method == "Flush" ? .answer(Self.flushResponse()) : .status(14, "connection refused")
        }
        let (client, time) = fake.client()
        let error = await #expect(throws: BackupError.self) { try await client.flushAndWait("c1", database: "d") }
        #expect(error?.code == .unavailable)
        #expect((300.0...320).contains(time.total.seconds))
    }

    @Test func aLongFlushIsWarnedAboutAndWaitedFor() async throws {
        let sink = MemorySink()
        let fake = FakeMilvus { call, index in
            call.method == "Flush" ? .answer(Self.flushResponse()) : Self.state(index == 4000)
        }
        let (client, time) = fake.client(logger: Logger(label: "milvus", level: .warn, sinks: [sink]))
        _ = try await client.flushAndWait("c1", database: "db1")
        #expect(time.total > .seconds(3900))
        #expect(sink.lines.count == 2)
        #expect(sink.lines.first?.contains("Flush of db1.c1 is not done after 30 minutes") == true)
        #expect(sink.lines.last?.contains("after 60 minutes") == true)
    }

    @Test func damagedCheckpointsAreRefused() async {
        let fake = FakeMilvus { _, _ in
            var response = Self.flushResponse()
            response.channelCheckpoints = ["v0": [0xff]]
            return .answer(response)
        }
        let error = await #expect(throws: BackupError.self) {
            try await fake.client().client.flushAndWait("c1", database: "d")
        }
        #expect(error?.code == .corrupted)
    }

    // MARK: All at once

    private static func message(_ timestamp: String?) -> [UInt8] {
        var message = Milvus.ImmutableMessage()
        message.properties = timestamp.map { ["_tt": $0, "_t": "1"] } ?? [:]
        return message.serialized()
    }

    @Test func flushesTheWholeServer() async throws {
        let fake = FakeMilvus { call, index in
            guard call.method == "FlushAll" else { return Self.state(index == 2) }
            var response = Milvus.FlushAllResponse()
            // 3l9s7h3i84n1 and zz in base 36.
            response.messages = ["p0": Self.message("3lzzzzzzzzzz"), "p1": Self.message("zz")]
            response.cluster.controlChannel = "cc"
            response.cluster.physicalChannels = ["p0", "p1"]
            return .answer(response)
        }
        let flushed = try await fake.client().client.flushAllAndWait()
        #expect(flushed.timestamps == ["p0": UInt64("3lzzzzzzzzzz", radix: 36) ?? 0, "p1": 35 * 36 + 35])
        #expect(flushed.messages["p1"] == Self.message("zz"))
        #expect(flushed.controlChannel == "cc" && flushed.physicalChannels == ["p0", "p1"])
        let questions = try fake.calls(of: "GetFlushAllState").map {
            try Milvus.GetFlushAllStateRequest(serialized: $0.message).timestamps
        }
        #expect(questions == Array(repeating: flushed.timestamps, count: 3))
    }

    @Test(arguments: [nil, "", "zzzzzzzzzzzzzzzz", "-1", "a b"])
    func messagesWithoutTimestampAreRefused(timestamp: String?) async {
        let fake = FakeMilvus { _, _ in
            var response = Milvus.FlushAllResponse()
            response.messages = ["p0": Self.message(timestamp)]
            return .answer(response)
        }
        let error = await #expect(throws: BackupError.self) { try await fake.client().client.flushAllAndWait() }
        #expect(error?.code == .protocolViolation)
        #expect(error?.message.contains("p0") == true)
    }
}
