import Testing

@testable import HTTPServer

/// The decisions, without a socket.
@Suite struct DecisionTests {
    @Test(
        arguments: [
            ("/", "/", ""), ("/a/b", "/a/b", ""), ("/a?", "/a", ""), ("/a?b=c&d=e", "/a", "b=c,d=e"),
            ("/%2e%2E/%3F?%3d==%26", "/../?", "===&"), ("/a+b?c+d=e+f", "/a+b", "c d=e f"), ("*", "*", ""),
            ("/?&&a&&", "/", "a="), ("HTTP://h/x?y", "/x", "y="), ("https://h?y", "/", "y="), ("//a//", "//a//", ""),
            ("/a%00b", "/a\u{0}b", ""), ("/a?b?c", "/a", "b?c="),
        ])
    func targets(text: String, path: String, query: String) {
        let target = RequestTarget(parsing: Array(text.utf8))
        #expect(target?.path == path)
        let found = target?.query.map { "\($0.name)=\($0.value)" }.joined(separator: ",")
        #expect(found == query)
    }

    @Test(arguments: ["", "a", "/%", "/%1", "/%zz", "/?%", "/?a=%f", "/%ff", "ftp://h/", "host:443", "**"])
    func noTargets(text: String) { #expect(RequestTarget(parsing: Array(text.utf8)) == nil) }

    @Test func rawBytesOutsideOfUTF8AreNoTarget() {
        #expect(RequestTarget(parsing: [0x2f, 0xff]) == nil)
        #expect(RequestTarget(parsing: [0x2f, 0xc3, 0xa4])?.path == "/ä")
    }

    private func status(_ fields: [(String, String)], headerSize: Int = 100) -> Int? {
        var headers = HTTPServerHeaders()
        for (name, value) in fields { headers.append(name, value) }
        return RequestRules.refusal(
            headers: headers, headerSize: headerSize, maximumHeaderSize: 1000, maximumBodySize: 50)?.status
    }

    @Test func rulesForTheHead() {
        #expect(status([]) == nil)
        #expect(status([], headerSize: 1000) == nil)
        #expect(status([], headerSize: 1001) == 431)
        #expect(status([("content-length", "50")]) == nil)
        #expect(status([("content-length", "51")]) == 413)
        #expect(status([("content-length", "99999999999999999999999")]) == 413)
        #expect(status([("content-length", "-1")]) == 400)
        #expect(status([("content-length", "+1")]) == 400)
        #expect(status([("content-length", "")]) == 400)
        #expect(status([("content-length", "1"), ("Content-Length", "1")]) == 400)
        #expect(status([("transfer-encoding", "Chunked")]) == nil)
        #expect(status([("transfer-encoding", "gzip, chunked")]) == 501)
        #expect(status([("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]) == 501)
        #expect(status([("transfer-encoding", "chunked"), ("content-length", "1")]) == 400)
    }

    @Test func theClockCountsWhatMoves() {
        let start = ContinuousClock.now
        var clock = ConnectionClock(idleTime: .seconds(10), now: start)
        #expect(clock.complaint(at: start + .seconds(10)) == nil)
        #expect(clock.complaint(at: start + .seconds(11)) == "no request")
        clock.phase = .receiving(since: start, bytes: 0)
        #expect(clock.complaint(at: start + .seconds(11)) == "sends too slowly")
        clock.received(5 * ConnectionClock.minimumRate)
        #expect(clock.complaint(at: start + .seconds(15)) == nil)
        #expect(clock.complaint(at: start + .seconds(16)) == "sends too slowly")
        clock.phase = .handling
        clock.received(1)
        #expect(clock.complaint(at: start + .seconds(1_000_000)) == nil)
        clock.phase = .sending(since: start, size: 5 * ConnectionClock.minimumRate)
        #expect(clock.complaint(at: start + .seconds(15)) == nil)
        #expect(clock.complaint(at: start + .seconds(16)) == "reads too slowly")
    }

    @Test func headersAreFoundInAnyCase() {
        let headers: HTTPServerHeaders = ["Content-Type": "a", "X": "1", "x": "2"]
        #expect(headers["CONTENT-type"] == "a")
        #expect(headers["content_type"] == nil)
        #expect(headers["x"] == "1")
        #expect(headers.values("X") == ["1", "2"])
    }
}
