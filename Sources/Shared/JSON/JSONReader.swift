import Support

/// Reads one JSON document value by value, out of pieces, without ever holding the whole of it.
///
/// The caller asks for what should come next, and gets it or an error. Every error is `corrupted` and says which
/// document, what was expected, where in the tree and at which byte: `full_meta.json: number expected at
/// collection_backups[3].size, string found (byte 1234)`.
///
/// Strings follow Go's decoder: lone surrogates and bytes that are not UTF-8 become U+FFFD.
package struct JSONReader: ~Copyable {
    /// What the next value is.
    package enum Kind: String, Sendable {
        case object, array, string, number, bool, null
    }

    /// A container that is open.
    struct Frame {
        let isArray: Bool
        var isFirst = true
        /// Index of the current element of an array.
        var index = -1
        /// Where the current key of an object begins in `keys`.
        let keyStart: Int
    }

    let name: String
    private let maximumDepth: Int
    private let source: () throws -> [UInt8]?
    var piece: [UInt8] = []
    /// Place of the next byte in `piece`.
    var position = 0
    /// Bytes of the pieces before this one.
    private var bytesBefore: Int64 = 0
    private var isAtEnd = false
    var frames: [Frame] = []
    /// The current keys of all open objects, one after the other.
    var keys: [UInt8] = []
    /// The string that is being read.
    var text: [UInt8] = []
    /// The last different strings that ``readRepeatedString()`` has given.
    var repeatedStrings: [String] = []

    /// - Parameters:
    ///   - name: what the document is called in errors.
    ///   - maximumDepth: containers within each other at most.
    ///   - source: gives the next piece; nil or an empty one at the end. It may block.
    package init(name: String, maximumDepth: Int = 128, source: @escaping () throws -> [UInt8]?) {
        self.name = name
        self.maximumDepth = maximumDepth
        self.source = source
    }

    /// Reads a document that is in memory.
    package init(name: String, bytes: [UInt8], maximumDepth: Int = 128) {
        self.init(name: name, maximumDepth: maximumDepth) { nil }
        piece = bytes
    }

    // MARK: Bytes

    /// Bytes taken so far.
    package var offset: Int64 { bytesBefore + Int64(position) }

    /// The next byte, which is not taken; nil at the end.
    @inline(__always)
    mutating func peek() throws -> UInt8? {
        if position < piece.count { return piece[position] }
        return try refill() ? piece[position] : nil
    }

    private mutating func refill() throws -> Bool {
        guard !isAtEnd else { return false }
        guard let next = try source(), !next.isEmpty else {
            isAtEnd = true
            return false
        }
        bytesBefore += Int64(piece.count)
        piece = next
        position = 0
        return true
    }

    /// The next byte that is no white space, which is not taken; nil at the end.
    @inline(__always)
    mutating func peekPastSpace() throws -> UInt8? {
        while let byte = try peek() {
            guard byte <= 0x20, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 else { return byte }
            position += 1
        }
        return nil
    }

    // MARK: Structure

    /// The kind of the value that comes next, which is not taken.
    package mutating func nextKind() throws -> Kind {
        let byte = try peekPastSpace()
        guard let kind = kind(of: byte) else { throw unexpected("a value", byte) }
        return kind
    }

    func kind(of byte: UInt8?) -> Kind? {
        guard let byte else { return nil }
        return switch byte {
        case UInt8(ascii: "{"): .object
        case UInt8(ascii: "["): .array
        case UInt8(ascii: "\""): .string
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): .number
        case UInt8(ascii: "t"), UInt8(ascii: "f"): .bool
        case UInt8(ascii: "n"): .null
        default: nil
        }
    }

    package mutating func beginObject() throws { try begin(UInt8(ascii: "{"), .object) }
    package mutating func beginArray() throws { try begin(UInt8(ascii: "["), .array) }

    private mutating func begin(_ bracket: UInt8, _ kind: Kind) throws {
        let byte = try peekPastSpace()
        guard byte == bracket else { throw unexpected(kind.rawValue, byte) }
        guard frames.count < maximumDepth else { throw failure("more than \(maximumDepth) levels of nesting") }
        position += 1
        frames.append(Frame(isArray: kind == .array, keyStart: keys.count))
    }

    /// Goes to the next member of the object: true when there is one, whose value is to be read now; false at its end.
    package mutating func nextKey() throws -> Bool {
        guard try advance(to: UInt8(ascii: "}"), "',' or '}'") else { return false }
        let byte = try peekPastSpace()
        guard byte == UInt8(ascii: "\"") else { throw unexpected("a key", byte) }
        // The key goes straight to the path; `text` is free meanwhile.
        let keyStart = frames[frames.count - 1].keyStart
        try readText()
        repairText()
        keys.removeLast(keys.count - keyStart)
        keys.append(contentsOf: text)
        let colon = try peekPastSpace()
        guard colon == UInt8(ascii: ":") else { throw unexpected("':'", colon) }
        position += 1
        return true
    }

    /// Goes to the next element of the array: true when there is one, which is to be read now; false at its end.
    package mutating func nextElement() throws -> Bool {
        guard try advance(to: UInt8(ascii: "]"), "',' or ']'") else { return false }
        frames[frames.count - 1].index += 1
        return true
    }

    /// Past the comma, or past the end of the container.
    private mutating func advance(to bracket: UInt8, _ expectation: String) throws -> Bool {
        precondition(!frames.isEmpty, "no container is open")
        let byte = try peekPastSpace()
        if byte == bracket {
            position += 1
            keys.removeLast(keys.count - frames.removeLast().keyStart)
            return false
        }
        if frames[frames.count - 1].isFirst {
            frames[frames.count - 1].isFirst = false
            return true
        }
        guard byte == UInt8(ascii: ",") else { throw unexpected(expectation, byte) }
        position += 1
        // Unlike some readers, Go's takes no comma before the bracket.
        let next = try peekPastSpace()
        guard next != bracket else { throw unexpected(bracket == UInt8(ascii: "}") ? "a key" : "a value", next) }
        return true
    }

    /// The key that ``nextKey()`` has found.
    package var currentKey: String { String(decoding: keys[(frames.last?.keyStart ?? 0)...], as: UTF8.self) }

    /// Checks that nothing but white space follows the document.
    package mutating func finish() throws {
        if let byte = try peekPastSpace() { throw unexpected("the end", byte) }
    }
}
