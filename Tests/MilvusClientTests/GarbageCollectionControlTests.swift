import HTTP
import Support
import Testing

@testable import MilvusClient

@Suite(.timeLimit(.minutes(1))) struct GarbageCollectionControlTests {
    /// A management interface that gives out the tickets t0, t1, ...
    private func management(
        _ reply: @escaping @Sendable (_ call: FakeMilvus.Call, _ index: Int) -> FakeMilvus.Reply = { call, index in
            call.method == "pause" ? .json(#"{"msg":"OK","ticket":"t\#(index)"}"#) : .json(#"{"msg":"OK"}"#)
        }
    ) -> FakeMilvus { FakeMilvus(reply) }

    private func control(
        _ mode: GarbageCollectionControl.Mode, _ fake: FakeMilvus, _ time: ManualClock,
        _ sink: MemorySink = MemorySink()
    ) -> GarbageCollectionControl {
        GarbageCollectionControl(
            mode: mode, management: MilvusManagement(endpoint: "http://m:9091/", http: fake),
            logger: Logger(label: "gc", level: .warn, sinks: [sink]), clock: time.clock)
    }

    private let base = "http://m:9091/management/datacoord/garbage_collection"

    @Test func clusterIsPausedRenewedAndResumed() async {
        let fake = management()
        let time = ManualClock()
        let control = control(.cluster, fake, time)
        #expect(await control.start().warning == nil)
        // Collections need nothing in this mode.
        #expect(await control.pause(collection: 5).warning == nil)
        await time.advance(minutes: 29)
        #expect(fake.calls.count == 1)
        await time.advance(minutes: 62)
        #expect(await control.resume(collection: 5).warning == nil)
        #expect(fake.calls.count == 4)
        #expect(await control.finish().warning == nil)
        let pause = "\(base)/pause?pause_seconds=3600&collection_id=0"
        #expect(fake.calls.map(\.url) == [pause, pause, pause, pause, "\(base)/resume"])
        #expect(fake.calls.allSatisfy { $0.request.method == "GET" && $0.request.version == .http1 })
    }

    @Test func collectionsHoldTicketsThatAreRenewedAndAllGivenBack() async {
        let fake = management()
        let time = ManualClock()
        let control = control(.perCollection, fake, time)
        #expect(await control.start().warning == nil)
        #expect(fake.calls.isEmpty)
        _ = await control.pause(collection: 5)
        await time.advance(minutes: 20)
        _ = await control.pause(collection: 6)
        await time.advance(minutes: 31)
        // At 50 minutes that of collection 5 was renewed: t2 beside t0.
        #expect(fake.calls.map(\.url) == [5, 6, 5].map { "\(base)/pause?pause_seconds=3600&collection_id=\($0)" })
        #expect(await control.resume(collection: 5).warning == nil)
        #expect(fake.calls.suffix(2).map(\.url) == ["\(base)/resume?ticket=t0", "\(base)/resume?ticket=t2"])
        #expect(await control.finish().warning == nil)
        #expect(fake.calls.last?.url == "\(base)/resume?ticket=t1")
        #expect(fake.calls.count == 6)
    }

    @Test func oldMilvusDoesNotOfferIt() async {
        let fake = management { _, _ in
            .http(HTTPResponse(status: 404, body: Array("404 page not found".utf8)))
        }
        let control = control(.cluster, fake, ManualClock())
        let answer = await control.start()
        guard case .notOffered = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(
            answer.warning
                == "GC pause is not offered by this Milvus (HTTP 404 from \(base)/pause); "
                + "keep dataCoord.gc.dropTolerance of Milvus longer than the backup takes")
        // Nothing is paused, so nothing is resumed.
        #expect(await control.finish().warning == nil)
        #expect(fake.calls.count == 1)
    }

    @Test(arguments: [
        FakeMilvus.Reply.http(HTTPResponse(status: 500, body: Array("no leader\n".utf8))),
        .failure(BackupError(.unavailable, "cannot connect to http://m:9091: Connection refused")),
    ])
    func failuresAreWarnings(reply: FakeMilvus.Reply) async {
        let control = control(.cluster, management { _, _ in reply }, ManualClock())
        let answer = await control.start()
        guard case .failed = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(answer.warning?.hasPrefix("pausing garbage collection") == true)
        #expect(await control.finish().warning == nil)
    }

    @Test func aFailedRenewalIsToldAndTriedAgain() async {
        let sink = MemorySink()
        let fake = management { call, index in
            call.method == "pause" && (1...2).contains(index) ? .json("{}", status: 503) : .json(#"{"msg":"OK"}"#)
        }
        let time = ManualClock()
        let control = control(.cluster, fake, time, sink)
        _ = await control.start()
        await time.advance(minutes: 33)
        #expect(sink.lines.count == 2)
        #expect(fake.calls(of: "pause").count == 4)
        await time.advance(minutes: 27)
        #expect(fake.calls(of: "pause").count == 4)
        _ = await control.finish()
        #expect(fake.calls(of: "resume").count == 1)
    }

    @Test func cancellationDoesNotKeepFromResuming() async {
        let fake = management()
        let control = control(.cluster, fake, ManualClock())
        _ = await control.start()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await control.finish()
        }
        task.cancel()
        #expect(await task.value.warning == nil)
        #expect(fake.calls(of: "resume").count == 1)
    }

    @Test func nothingStaysPausedAfterTheEnd() async {
        let fake = management()
        let control = control(.perCollection, fake, ManualClock())
        _ = await control.finish()
        _ = await control.pause(collection: 7)
        #expect(fake.calls.map(\.method) == ["pause", "resume"])
        _ = await control.finish()
        #expect(fake.calls.count == 2)
    }

    @Test(arguments: [("ok", ""), ("{}", ""), (#"{"ticket":null}"#, ""), (#"{"ticket":"a&b=ü"}"#, "a&b=ü")])
    func ticketsAreReadFromWhatComes(body: String, expected: String) async throws {
        let fake = management { _, _ in .json(body) }
        let management = MilvusManagement(endpoint: "m:9091", http: fake)
        let ticket = try await management.pauseGarbageCollection(collection: 1, for: .seconds(3600))
        #expect(ticket == expected)
        try await management.resumeGarbageCollection(ticket: "a&b=ü")
        #expect(fake.calls.last?.url == "\(base)/resume?ticket=a%26b%3D%C3%BC")
    }
}
