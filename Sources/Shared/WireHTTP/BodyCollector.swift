/// How a body ends.
enum BodyFraming: Equatable, Sendable {
    case length(Int64)
    case chunked
    /// When the connection does.
    case untilClose
}

/// Puts the body of an answer together from pieces as they come.
struct BodyCollector {
    private enum State {
        case data(left: Int64)
        case untilClose
        case chunkSize(line: [UInt8])
        case chunkData(left: Int64)
        /// The line end behind the data of a chunk; how many of its bytes have come.
        case chunkEnd(seen: Int)
        case trailer(lineLength: Int, total: Int)
        case complete
    }

    private(set) var body: [UInt8] = []
    /// More came than wanted; what was too much is not in ``body``.
    private(set) var isCutOff = false
    private let limit: Int
    private var state: State

    /// - Parameter limit: bytes to be kept.
    init(_ framing: BodyFraming, limit: Int) {
        self.limit = limit
        switch framing {
        case .length(0): state = .complete
        case .length(let length):
            state = .data(left: length)
            // A server's word is believed for a small amount only.
            body.reserveCapacity(Int(min(length, Int64(limit), 1 << 20)))
        case .chunked: state = .chunkSize(line: [])
        case .untilClose: state = .untilClose
        }
    }

    var isComplete: Bool { if case .complete = state { true } else { false } }

    /// Takes the next bytes and says how many belong to the body.
    mutating func receive(_ bytes: UnsafeRawBufferPointer) throws(MalformedAnswer) -> Int {
        var index = 0
        while index < bytes.count, !isComplete {
            switch state {
            case .data(let left):
                let count = keep(bytes, index, left)
                index += count
                state = left == Int64(count) ? .complete : .data(left: left - Int64(count))
            case .untilClose: index += keep(bytes, index, .max)
            case .chunkData(let left):
                let count = keep(bytes, index, left)
                index += count
                state = left == Int64(count) ? .chunkEnd(seen: 0) : .chunkData(left: left - Int64(count))
            default:
                try takeControl(bytes[index])
                index += 1
            }
        }
        return index
    }

    /// The connection has ended: whether that is also the end of the body.
    mutating func end() -> Bool {
        if case .untilClose = state { state = .complete }
        return isComplete
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ most: Int64) -> Int {
        let count = Int(min(most, Int64(bytes.count - start)))
        let room = limit - body.count
        if count > room { isCutOff = true }
        body.append(contentsOf: bytes[start..<(start + min(count, room))])
        return count
    }

    /// A byte that frames chunks.
    private mutating func takeControl(_ byte: UInt8) throws(MalformedAnswer) {
        switch state {
        case .chunkSize(var line):
            guard byte != 0x0a else {
                let size = try chunkSize(line)
                return state = size == 0 ? .trailer(lineLength: 0, total: 0) : .chunkData(left: size)
            }
            line.append(byte)
            guard line.count <= 256 else { throw MalformedAnswer(reason: "the size of a chunk is too long") }
            state = .chunkSize(line: line)
        case .chunkEnd(let seen):
            guard byte == (seen == 0 ? 0x0d : 0x0a) else { throw MalformedAnswer(reason: "a chunk does not end") }
            state = seen == 0 ? .chunkEnd(seen: 1) : .chunkSize(line: [])
        case .trailer(let length, let total):
            guard total < AnswerParser.maximumSize else { throw MalformedAnswer(reason: "the trailers are too large") }
            if byte == 0x0a {
                state = length == 0 ? .complete : .trailer(lineLength: 0, total: total + 1)
            } else {
                state = .trailer(lineLength: byte == 0x0d ? length : length + 1, total: total + 1)
            }
        case .data, .untilClose, .chunkData, .complete: break
        }
    }

    /// `1a[;extension]` and a carriage return.
    private func chunkSize(_ line: [UInt8]) throws(MalformedAnswer) -> Int64 {
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 0x0d && $0 != 0x20 && $0 != 0x09 }
        guard line.last == 0x0d, !digits.isEmpty, digits.count <= 15,
            digits.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || (($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x66) }),
            let size = Int64(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw MalformedAnswer(reason: "the size of a chunk cannot be read") }
        return size
    }
}
