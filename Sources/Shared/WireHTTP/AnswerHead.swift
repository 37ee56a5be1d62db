import HTTP

/// An answer that is not what this module reads; libcurl may know better.
struct MalformedAnswer: Error, Equatable {
    var reason: String
}

/// Status and fields of an answer, and what follows from them for its body.
struct AnswerHead: Sendable {
    var status: Int
    var headers: HTTPHeaders
    var contentLength: Int64?
    var isChunked = false
    /// Whether another request may follow on the same connection.
    var keepsConnection: Bool

    var isSuccess: Bool { (200..<300).contains(status) }

    /// How the body of this answer to a request of `method` ends.
    func framing(of method: String) -> BodyFraming {
        if method == "HEAD" || status == 204 || status == 304 { return .length(0) }
        if isChunked { return .chunked }
        return contentLength.map { .length($0) } ?? .untilClose
    }
}

/// Reads the head of an answer out of pieces as they come.
///
/// Strict: HTTP/1.0 or 1.1, line ends of carriage return and line feed, no folded lines, one length at most. Interim answers
/// (1xx) are skipped, except 101, which nobody has asked for.
struct AnswerParser {
    /// Bytes of a head and of all interim ones before it, at most.
    static let maximumSize = 64 * 1024

    private var gathered: [UInt8] = []
    private var skipped = 0

    /// Whether any byte of an answer has come.
    var hasBegun: Bool { !gathered.isEmpty || skipped > 0 }

    /// Takes the next bytes.
    ///
    /// - Returns: the head and how many of `bytes` belong to it, nil when it is not complete yet: then all of them do.
    mutating func receive(
        _ bytes: UnsafeRawBufferPointer
    ) throws(MalformedAnswer) -> (head: AnswerHead, consumed: Int)? {
        var consumed = 0
        while consumed < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
            // Nearly always the whole head comes at once: then it is read where it lies.
            guard gathered.isEmpty, let end = headEnd(in: rest, from: 0) else {
                let before = gathered.count
                gathered.append(contentsOf: rest.prefix(AnswerParser.maximumSize + 1 - before))
                let end = gathered.withUnsafeBytes { headEnd(in: $0, from: max(0, before - 3)) }
                try checkSize(end ?? gathered.count)
                guard let end else { return nil }
                let parsed = gathered.withUnsafeBytes { all in
                    Result { () throws(MalformedAnswer) in
                        try parseHead(UnsafeRawBufferPointer(rebasing: all[..<end]))
                    }
                }
                let head = try parsed.get()
                gathered.removeAll(keepingCapacity: true)
                consumed += end - before
                skipped += end
                if let head { return (head, consumed) }
                continue
            }
            try checkSize(end)
            consumed += end
            skipped += end
            if let head = try parseHead(UnsafeRawBufferPointer(rebasing: rest[..<end])) { return (head, consumed) }
        }
        return nil
    }

    private func checkSize(_ size: Int) throws(MalformedAnswer) {
        guard skipped + size <= AnswerParser.maximumSize else { throw MalformedAnswer(reason: "the head is too large") }
    }

    /// Where the empty line at the end of the head ends.
    private func headEnd(in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard bytes.count >= 4 else { return nil }
        var index = start
        while index <= bytes.count - 4 {
            // The last of four bytes says how far the end cannot be.
            switch bytes[index + 3] {
            case lineFeed:
                if bytes[index + 2] == carriageReturn, bytes[index + 1] == lineFeed, bytes[index] == carriageReturn {
                    return index + 4
                }
                index += 2
            case carriageReturn: index += 1
            default: index += 4
            }
        }
        return nil
    }
}

private let lineFeed = UInt8(ascii: "\n")
private let carriageReturn = UInt8(ascii: "\r")

/// Reads a head with its empty line; nil for an interim answer.
private func parseHead(_ bytes: UnsafeRawBufferPointer) throws(MalformedAnswer) -> AnswerHead? {
    var lineEnd = try endOfLine(bytes, from: 0)
    let (status, minorVersion) = try parseStatusLine(bytes, lineEnd)
    let fieldsStart = lineEnd + 2
    var fields = FieldFacts()
    var lineStart = fieldsStart
    while true {
        lineEnd = try endOfLine(bytes, from: lineStart)
        if lineEnd == lineStart { break }
        try fields.take(bytes, lineStart, lineEnd)
        lineStart = lineEnd + 2
    }
    guard lineStart + 2 == bytes.count else { throw MalformedAnswer(reason: "the head has an empty line within") }
    if (100..<200).contains(status) {
        guard status != 101 else { throw MalformedAnswer(reason: "another protocol is offered") }
        return nil
    }
    guard !(fields.isChunked && fields.contentLength != nil) else {
        throw MalformedAnswer(reason: "the body has two kinds of length")
    }
    guard !(fields.isChunked && minorVersion == 0) else { throw MalformedAnswer(reason: "chunks in HTTP/1.0") }
    return AnswerHead(
        status: status, headers: HTTPHeaders(lines: Array(bytes[fieldsStart..<lineStart])),
        contentLength: fields.contentLength, isChunked: fields.isChunked,
        keepsConnection: minorVersion == 1 && !fields.closes)
}

private func endOfLine(_ bytes: UnsafeRawBufferPointer, from start: Int) throws(MalformedAnswer) -> Int {
    var index = start
    while index + 1 < bytes.count {
        let byte = bytes[index]
        if byte == carriageReturn {
            guard bytes[index + 1] == lineFeed else { break }
            return index
        }
        // Blanks and what is printed; other control characters mean nothing good.
        guard byte >= 0x20 && byte != 0x7f || byte == 0x09 else { break }
        index += 1
    }
    throw MalformedAnswer(reason: "a line of the head has a control character")
}

private func parseStatusLine(
    _ bytes: UnsafeRawBufferPointer, _ end: Int
) throws(MalformedAnswer) -> (status: Int, minorVersion: Int) {
    // HTTP/1.1 200[ OK]
    guard end >= 12, bytes[..<7].elementsEqual("HTTP/1.".utf8), bytes[7] == 0x30 || bytes[7] == 0x31,
        bytes[8] == 0x20, end == 12 || bytes[12] == 0x20, let status = number(bytes, 9, 12), status >= 100
    else { throw MalformedAnswer(reason: "it does not begin like HTTP/1") }
    return (Int(status), Int(bytes[7] - 0x30))
}

/// A number of nothing but decimal digits; nil for anything else.
private func number(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> Int64? {
    guard start < end, end - start <= 18 else { return nil }
    var value: Int64 = 0
    for index in start..<end {
        guard (0x30...0x39).contains(bytes[index]) else { return nil }
        value = value * 10 + Int64(bytes[index] - 0x30)
    }
    return value
}

/// What the fields say about the connection and the body.
private struct FieldFacts {
    var contentLength: Int64?
    var isChunked = false
    var closes = false

    mutating func take(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) throws(MalformedAnswer) {
        var colon = start
        while colon < end, isTokenByte(bytes[colon]) { colon += 1 }
        guard colon > start, colon < end, bytes[colon] == UInt8(ascii: ":") else {
            throw MalformedAnswer(reason: "a field has no name")
        }
        // Only three names matter here, and their lengths tell them apart.
        switch colon - start {
        case 14 where isName(bytes, start, "content-length"): try takeLength(bytes, colon + 1, end)
        case 17 where isName(bytes, start, "transfer-encoding"):
            guard !isChunked, value(bytes, colon + 1, end) == "chunked" else {
                throw MalformedAnswer(reason: "an unknown transfer encoding")
            }
            isChunked = true
        case 10 where isName(bytes, start, "connection"):
            if value(bytes, colon + 1, end).contains("close") { closes = true }
        default: break
        }
    }

    private mutating func takeLength(
        _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int
    ) throws(MalformedAnswer) {
        var (start, end) = (start, end)
        while start < end, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
        while end > start, bytes[end - 1] == 0x20 || bytes[end - 1] == 0x09 { end -= 1 }
        guard let length = number(bytes, start, end), contentLength == nil || contentLength == length else {
            throw MalformedAnswer(reason: "the length of the body cannot be read")
        }
        contentLength = length
    }

    private func isName(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ name: StaticString) -> Bool {
        (0..<name.utf8CodeUnitCount).allSatisfy { bytes[start + $0] | 0x20 == name.utf8Start[$0] }
            || (0..<name.utf8CodeUnitCount).allSatisfy { bytes[start + $0] == name.utf8Start[$0] }
    }

    private func value(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> String {
        let text = String(decoding: bytes[start..<end], as: UTF8.self).lowercased()
        return String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}

private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a: true
    case 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: true
    default: false
    }
}
