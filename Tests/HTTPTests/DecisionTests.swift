import HTTPTesting
import Support
import Testing

@testable import HTTP

/// The parts that decide without doing.
@Suite struct DecisionTests {
    // MARK: Origin

    @Test(arguments: [
        ("http://h", "http://h", ""), ("http://h/", "http://h", "/"), ("https://h:443/a?b#c", "https://h", "/a?b#c"),
        ("http://h:443/a", "http://h:443", "/a"), ("https://user:secret@h:9000?x=/@", "https://h:9000", "?x=/@"),
        ("http://[::1]:9000/a:b", "http://[::1]:9000", "/a:b"), ("http://[::1]/", "http://[::1]", "/"),
    ])
    func urlsAreSplit(url: String, origin: String, rest: String) throws {
        let parts = try Origin.split(url)
        #expect(parts.origin.description == origin)
        #expect(parts.rest == rest)
    }

    // MARK: ResponseHead

    private func head(_ lines: [String]) -> (head: ResponseHead, events: [ResponseHead.Event]) {
        var head = ResponseHead()
        let events = lines.map { line in Array((line + "\r\n").utf8).withUnsafeBytes { head.receive($0) } }
        return (head, events)
    }

    @Test func interimHeadsAreNotTheAnswer() {
        let (head, events) = head([
            "HTTP/1.1 100 Continue", "Warning: x", "", "HTTP/1.1 201 Created", "ETag:  \"a: b\" ", "", "x-trailer: 1",
            "",
        ])
        #expect(events == [.none, .none, .none, .none, .none, .complete, .none, .none])
        #expect(head.status == 201)
        #expect(head.hasInterim)
        #expect(head.headers.fields.map { "\($0.name)=\($0.value)" } == ["ETag=\"a: b\""])
        #expect(head.trailers["X-Trailer"] == "1")
    }

    @Test func aSecondHeadVoidsTheFirst() {
        let (head, events) = head(["HTTP/1.1 417 No", "A: 1", "", "HTTP/2 200", "B: 2", ""])
        #expect(events[3] == .restarted)
        #expect(head.status == 200)
        #expect(head.headers["A"] == nil)
        #expect(head.headers["B"] == "2")
    }

    @Test(arguments: ["HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 x y", ":", "no colon", " folded", ""])
    func strangeLinesDoNoHarm(line: String) {
        let (head, _) = head(["HTTP/1.1 200 OK", line, ""])
        #expect(head.isComplete)
        #expect(head.headers.fields.isEmpty)
    }

    // MARK: StallClock

    @Test func onlyATransferThatStandsStillStalls() {
        let start = ContinuousClock.now
        var clock = StallClock(limit: .seconds(60), now: start)
        func isStalled(_ second: Int, moved: Int64, waits: Bool = false, held: Int = 0) -> Bool {
            clock.isStalled(at: start + .seconds(second), moved: moved, waitsForUs: waits, unacknowledged: { held })
        }
        #expect(!isStalled(59, moved: 0))
        #expect(isStalled(60, moved: 0))
        #expect(!isStalled(61, moved: 1))
        #expect(!isStalled(120, moved: 1))
        #expect(isStalled(121, moved: 1))
        // Waiting for our own side does not count, however long.
        #expect(!isStalled(500, moved: 1, waits: true))
        #expect(!isStalled(559, moved: 1))
        #expect(isStalled(560, moved: 1))
    }

    @Test func aSocketThatDrainsIsNotStalled() {
        let start = ContinuousClock.now
        var clock = StallClock(limit: .seconds(60), now: start)
        var held = 1000
        for second in stride(from: 0, to: 600, by: 10) {
            let isStalled = clock.isStalled(at: start + .seconds(second), moved: 0, waitsForUs: false) { held }
            #expect(!isStalled)
            held -= 1
        }
        for (second, expected) in [(700, false), (759, false), (760, true)] {
            let isStalled = clock.isStalled(at: start + .seconds(second), moved: 0, waitsForUs: false) { held }
            #expect(isStalled == expected)
        }
    }

    // MARK: Admission

    @Test func whoWaitsIsAdmittedInOrder() throws {
        var admission = Admission(limit: 2)
        func enter(_ id: TransferID, _ origin: Origin) -> Bool { admission.enter(id, origin) }
        func leave(_ origin: Origin) -> TransferID? { admission.leave(origin) }
        let (a, b) = (try Origin.split("http://a").origin, try Origin.split("http://b").origin)
        let ids = (0..<200).map { _ in TransferID() }
        #expect(enter(ids[0], a))
        #expect(enter(ids[1], a))
        for id in ids[2...] { #expect(!enter(id, a)) }
        #expect(enter(TransferID(), b))
        admission.withdraw(ids[3], a)
        admission.withdraw(ids[0], a)
        var admitted: [TransferID] = []
        while let next = leave(a) { admitted.append(next) }
        #expect(admitted == [ids[2]] + ids[4...])
        // One was running still when nobody waited any more.
        #expect(leave(a) == nil)
        #expect(enter(ids[0], a) && enter(ids[1], a) && !enter(ids[2], a))
    }

    // MARK: LoopLoads

    @Test func bothEndsOfAPipeShareALoop() {
        var loads = LoopLoads(count: 3)
        func place(_ pipe: BytePipe?) -> Placement { loads.place(pipe: pipe.map { ObjectIdentifier($0) }) }
        let (pipe, other) = (BytePipe(), BytePipe())
        let first = place(pipe)
        let second = place(other)
        #expect(place(pipe).loop == first.loop)
        #expect(second.loop != first.loop)
        #expect(![first.loop, second.loop].contains(place(nil).loop))
    }

    @Test func aLoopWithoutWorkIsChosen() {
        var loads = LoopLoads(count: 2)
        func place(_ pipe: BytePipe?) -> Placement { loads.place(pipe: pipe.map { ObjectIdentifier($0) }) }
        let pipe = BytePipe()
        let download = place(pipe)
        let upload = place(pipe)
        #expect(upload.loop == download.loop)
        #expect(place(nil).loop != download.loop)
        #expect(place(nil).loop != download.loop)
        loads.release(download)
        loads.release(upload)
        #expect(place(nil).loop == download.loop)
    }

    @Test func aPipeIsForgottenWithItsLastTransfer() {
        var loads = LoopLoads(count: 2)
        func place(_ pipe: BytePipe?) -> Placement { loads.place(pipe: pipe.map { ObjectIdentifier($0) }) }
        let pipe = BytePipe()
        let first = place(pipe)
        loads.release(first)
        for _ in 0..<3 { loads.release(place(nil)) }
        #expect(place(nil).loop == first.loop)
        #expect(place(pipe).loop != first.loop)
    }

    // MARK: ConnectionEnvironment

    @Test(arguments: [
        ([:], "", "", "localhost,127.0.0.0/8,::1"),
        (["HTTPS_PROXY": "http://p:1"], "", "http://p:1", "localhost,127.0.0.0/8,::1"),
        (
            ["http_proxy": "http://a", "HTTP_PROXY": "http://b", "NO_PROXY": ".example"], "http://a", "",
            ".example,localhost,127.0.0.0/8,::1"
        ),
        (["ALL_PROXY": "http://p:1", "https_proxy": ""], "http://p:1", "http://p:1", "localhost,127.0.0.0/8,::1"),
        (["ALL_PROXY": "http://p:1", "no_proxy": "*"], "http://p:1", "http://p:1", "*"),
    ])
    func proxiesComeFromTheEnvironment(variables: [String: String], plain: String, secure: String, except: String)
        throws
    {
        let environment = ConnectionEnvironment { variables[$0] }
        #expect(environment.proxy(for: try Origin.split("http://h").origin) == plain)
        #expect(environment.proxy(for: try Origin.split("https://h").origin) == secure)
        #expect(environment.noProxy == except)
    }
}
