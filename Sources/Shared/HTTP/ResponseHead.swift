/// The head of an answer, put together from its lines as they come, and the trailers behind the body.
struct ResponseHead {
    private(set) var status = 0
    private(set) var headers = HTTPHeaders()
    private(set) var trailers = HTTPHeaders()
    /// The final head is there; interim (1xx) ones do not count.
    private(set) var isComplete = false
    /// An interim answer has come: the server has understood `Expect: 100-continue`.
    private(set) var hasInterim = false
    private var size = 0

    /// Bytes of all head lines, at most.
    static let maximumSize = 256 * 1024

    enum Event: Equatable {
        case none
        /// A new head has begun where a complete one was there: the request was sent again, what came before is void.
        case restarted
        /// The final head has ended.
        case complete
        /// More than ``maximumSize`` bytes.
        case tooLarge
    }

    var isSuccess: Bool { (200..<300).contains(status) }

    /// The announced length of the body, if there is one.
    var contentLength: Int64? { headers["Content-Length"].flatMap { Int64($0) } }

    /// Takes one line with its line end.
    mutating func receive(_ line: UnsafeRawBufferPointer) -> Event {
        size += line.count
        guard size <= ResponseHead.maximumSize else { return .tooLarge }
        var text = line[...]
        while let last = text.last, last == UInt8(ascii: "\n") || last == UInt8(ascii: "\r") { text.removeLast() }
        if text.isEmpty { return end() }
        if text.starts(with: "HTTP/".utf8) { return begin(text) }
        append(text)
        return .none
    }

    private mutating func begin(_ line: Slice<UnsafeRawBufferPointer>) -> Event {
        let restarted = isComplete
        headers = HTTPHeaders()
        trailers = HTTPHeaders()
        isComplete = false
        let digits = line.split(separator: UInt8(ascii: " "), maxSplits: 2, omittingEmptySubsequences: true).dropFirst()
            .first
        status = digits.flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0
        return restarted ? .restarted : .none
    }

    private mutating func end() -> Event {
        // An empty line also ends the trailers.
        guard !isComplete else { return .none }
        guard !(100..<200).contains(status) else {
            hasInterim = true
            return .none
        }
        isComplete = true
        return .complete
    }

    private mutating func append(_ line: Slice<UnsafeRawBufferPointer>) {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex else { return }
        let name = String(decoding: line[..<colon], as: UTF8.self)
        let value = String(decoding: trimmed(line[(colon + 1)...]), as: UTF8.self)
        if isComplete { trailers.append(name, value) } else { headers.append(name, value) }
    }

    private func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var bytes = bytes
        while let first = bytes.first, isBlank(first) { bytes.removeFirst() }
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return bytes
    }
}
