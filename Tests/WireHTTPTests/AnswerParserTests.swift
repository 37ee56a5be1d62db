import HTTP
import HTTPTesting
import Testing

@testable import WireHTTP

@Suite struct AnswerParserTests {
    /// The head in `text`, given in pieces of `step` bytes, and what is left behind it.
    private func parse(_ text: String, step: Int = .max) throws -> (head: AnswerHead, rest: String)? {
        var parser = AnswerParser()
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count {
            let piece = Array(bytes[start...].prefix(step))
            if let (head, consumed) = try piece.withUnsafeBytes({ try parser.receive($0) }) {
                return (head, String(decoding: bytes[(start + consumed)...], as: UTF8.self))
            }
            start += piece.count
        }
        return nil
    }

    private static let usual = """
        HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "abc"\r\nx-empty:\r\nX-Blanks: \t a b \t\r\n\r\nhello
        """

    @Test(arguments: [1, 2, 3, 7, 64, 1000])
    func aHeadInPiecesIsTheSameHead(step: Int) throws {
        let (head, rest) = try #require(try parse(Self.usual, step: step))
        #expect(head.status == 200 && head.contentLength == 5 && head.keepsConnection && !head.isChunked)
        #expect(head.headers["etag"] == "\"abc\"" && head.headers["X-BLANKS"] == "a b" && head.headers["x-empty"] == "")
        #expect(head.headers["missing"] == nil && head.headers.fields.count == 4)
        #expect(rest == "hello")
    }

    @Test(arguments: [1, 5, 1000])
    func interimAnswersAreSkipped(step: Int) throws {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + Self.usual
        let (head, rest) = try #require(try parse(text, step: step))
        #expect(head.status == 200 && rest == "hello")
    }

    @Test func connectionsThatAreNotKept() throws {
        #expect(try parse("HTTP/1.0 200 OK\r\n\r\n")?.head.keepsConnection == false)
        #expect(try parse("HTTP/1.1 200\r\nConnection: Close\r\n\r\n")?.head.keepsConnection == false)
        #expect(try parse("HTTP/1.1 200 \r\nconnection: keep-alive\r\n\r\n")?.head.keepsConnection == true)
    }

    @Test func framings() throws {
        func framing(_ fields: String, status: Int = 200, method: String = "GET") throws -> BodyFraming? {
            try parse("HTTP/1.1 \(status) X\r\n\(fields)\r\n")?.head.framing(of: method)
        }
        #expect(try framing("content-length: 7\r\ncontent-length: 7\r\n") == .length(7))
        #expect(try framing("Transfer-Encoding: Chunked\r\n") == .chunked)
        #expect(try framing("") == .untilClose)
        #expect(try framing("content-length: 7\r\n", method: "HEAD") == .length(0))
        #expect(try framing("", status: 204) == .length(0))
    }

    @Test(arguments: [
        "ICY 200 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.2 200 OK\r\n\r\n", "HTTP/1.1 20x OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1  200 OK\r\n\r\n", "\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 200 OK\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nname : v\r\n\r\n", "HTTP/1.1 200 OK\r\n: v\r\n\r\n", "HTTP/1.1 200 OK\r\na: \u{0}\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n", "HTTP/1.1 200 OK\r\na: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 1 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 1\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ])
    func whatIsNotQuiteHTTPIsRefused(text: String) {
        for step in [1, 1000] {
            #expect(throws: MalformedAnswer.self) { try parse(text, step: step) }
        }
    }

    @Test(arguments: [10, 10_000])
    func headsWithoutEndAreRefused(step: Int) {
        let field = "x-filling: \(String(repeating: "a", count: 90))\r\n"
        let text = "HTTP/1.1 200 OK\r\n" + String(repeating: field, count: 700) + "\r\n"
        #expect(throws: MalformedAnswer.self) { try parse(text, step: step) }
        let interim = String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 3000)
        #expect(throws: MalformedAnswer.self) { try parse(interim, step: step) }
    }

    /// Whatever comes: an answer, a wish for more or an error, the same whether in pieces or at once.
    @Test func damagedHeadsDoNoHarm() throws {
        var random = SystemRandomNumberGenerator()
        let original = Array(("HTTP/1.1 100 Continue\r\n\r\n" + Self.usual).utf8)
        for _ in 0..<3000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
                case 1: bytes.remove(at: index)
                default: bytes.insert(UInt8.random(in: 0...255, using: &random), at: index)
                }
            }
            let whole = outcome(bytes, step: bytes.count)
            let pieces = outcome(bytes, step: Int.random(in: 1...20, using: &random))
            #expect(whole == pieces, "\(bytes)")
        }
    }

    private func outcome(_ bytes: [UInt8], step: Int) -> String {
        var parser = AnswerParser()
        var start = 0
        do {
            while start < bytes.count {
                let piece = Array(bytes[start...].prefix(step))
                if let (head, consumed) = try piece.withUnsafeBytes({ try parser.receive($0) }) {
                    return "\(head.status) \(head.headers.fields) \(start + consumed)"
                }
                start += piece.count
            }
            return "more"
        } catch {
            return "malformed"
        }
    }
}

@Suite struct BodyCollectorTests {
    private func collect(
        _ framing: BodyFraming, _ text: String, step: Int, limit: Int = 1000
    ) throws -> (body: String, left: Int, isComplete: Bool, isCutOff: Bool) {
        var collector = BodyCollector(framing, limit: limit)
        let bytes = Array(text.utf8)
        var start = 0
        while start < bytes.count, !collector.isComplete {
            let piece = Array(bytes[start...].prefix(step))
            start += try piece.withUnsafeBytes { try collector.receive($0) }
        }
        let body = String(decoding: collector.body, as: UTF8.self)
        return (body, bytes.count - start, collector.isComplete, collector.isCutOff)
    }

    @Test(arguments: [1, 2, 3, 100])
    func bodiesEndWhereTheyShould(step: Int) throws {
        #expect(try collect(.length(5), "hello!", step: step) == ("hello", 1, true, false))
        #expect(try collect(.length(0), "x", step: step) == ("", 1, true, false))
        #expect(try collect(.length(9), "hello", step: step) == ("hello", 0, false, false))
        let chunks = "3\r\nhel\r\n02;name=value\r\nlo\r\n0\r\nTrailer: x\r\n\r\nHTTP"
        #expect(try collect(.chunked, chunks, step: step) == ("hello", 4, true, false))
        #expect(try collect(.chunked, "0\r\n\r\n", step: step) == ("", 0, true, false))
        #expect(try collect(.chunked, chunks, step: step, limit: 4).body == "hell")
        #expect(try collect(.chunked, chunks, step: step, limit: 4).isCutOff)
        var collector = BodyCollector(.untilClose, limit: 10)
        _ = try Array("abc".utf8).withUnsafeBytes { try collector.receive($0) }
        #expect(!collector.isComplete && collector.end() && collector.body == Array("abc".utf8))
    }

    @Test(arguments: [
        "x\r\n", "\r\n", "-1\r\n", "3\nabc", "3\r\nabcd\r\n", "3\r\nabc\n", "fffffffffffffffff\r\n", "+3\r\nabc\r\n",
        "0x3\r\nabc\r\n",
    ])
    func chunksThatAreNoneAreRefused(text: String) {
        for step in [1, 100] { #expect(throws: MalformedAnswer.self) { try collect(.chunked, text, step: step) } }
    }
}
