import Support

/// Writes one JSON document piece by piece, in the form of Go's `encoding/json`.
///
/// Members appear in the order of the calls. Strings are escaped as Go does it: `<`, `>`, `&`, U+2028 and U+2029 and
/// control characters become escapes, everything else stays UTF-8. Integers are exact. The caller keeps the structure
/// right: a key before every value in an object, none in an array, and one value at the top.
package struct JSONWriter: ~Copyable {
    /// How the document is laid out.
    package enum Layout: Sendable {
        /// Without any white space, as Go's `json.Marshal`.
        case compact
        /// Four blanks for each level, as Go's `json.MarshalIndent(value, "", "    ")`.
        case indented
    }

    private let layout: Layout
    private let pieceSize: Int
    private let sink: ([UInt8]) throws -> Void
    var buffer: [UInt8] = []
    private var depth = 0
    /// Whether the container that is open has no value yet. A container that has ended is a value of its parent, so one
    /// flag serves all levels.
    private var isFirst = true
    private var isAfterKey = false

    /// - Parameters:
    ///   - pieceSize: bytes collected before they are handed to `sink`.
    ///   - sink: takes the document in order; called again by ``finish()``.
    package init(layout: Layout = .compact, pieceSize: Int = 64 * 1024, sink: @escaping ([UInt8]) throws -> Void) {
        self.layout = layout
        self.pieceSize = pieceSize
        self.sink = sink
    }

    /// The bytes of a small document.
    package static func bytes(
        layout: Layout = .compact, _ body: (inout JSONWriter) throws -> Void
    ) throws -> [UInt8] {
        var all: [UInt8] = []
        var writer = JSONWriter(layout: layout) { all += $0 }
        try body(&writer)
        try writer.finish()
        return all
    }

    /// Hands the rest to the sink. Nothing may be written afterwards.
    package mutating func finish() throws {
        assert(depth == 0 && !isAfterKey, "the document is not complete")
        if !buffer.isEmpty { try flush() }
    }

    private mutating func flush() throws {
        let piece = buffer
        buffer = []
        buffer.reserveCapacity(pieceSize + 1024)
        try sink(piece)
    }

    // MARK: Structure

    package mutating func beginObject() throws { try begin(UInt8(ascii: "{")) }
    package mutating func endObject() throws { try end(UInt8(ascii: "}")) }
    package mutating func beginArray() throws { try begin(UInt8(ascii: "[")) }
    package mutating func endArray() throws { try end(UInt8(ascii: "]")) }

    /// An object whose members `body` writes.
    package mutating func object(_ body: (inout JSONWriter) throws -> Void) throws {
        try beginObject()
        try body(&self)
        try endObject()
    }

    /// An array with what `body` writes for each element.
    package mutating func array<Elements: Sequence>(
        _ elements: Elements, _ body: (inout JSONWriter, Elements.Element) throws -> Void
    ) throws {
        try beginArray()
        for element in elements { try body(&self, element) }
        try endArray()
    }

    package mutating func key(_ key: String) throws {
        try separate()
        appendQuoted(key)
        buffer.append(UInt8(ascii: ":"))
        if layout == .indented { buffer.append(UInt8(ascii: " ")) }
        isAfterKey = true
    }

    private mutating func begin(_ bracket: UInt8) throws {
        try separate()
        buffer.append(bracket)
        depth += 1
        isFirst = true
    }

    private mutating func end(_ bracket: UInt8) throws {
        assert(depth > 0 && !isAfterKey)
        depth -= 1
        if !isFirst { breakLine() }
        buffer.append(bracket)
        isFirst = false
    }

    /// What stands between the value before and the one that comes.
    mutating func separate() throws {
        if buffer.count >= pieceSize { try flush() }
        if isAfterKey {
            isAfterKey = false
        } else if depth > 0 {
            if !isFirst { buffer.append(UInt8(ascii: ",")) }
            breakLine()
        }
        isFirst = false
    }

    private mutating func breakLine() {
        guard layout == .indented else { return }
        buffer.append(UInt8(ascii: "\n"))
        for _ in 0..<depth * 4 { buffer.append(UInt8(ascii: " ")) }
    }

    // MARK: Values

    package mutating func null() throws {
        try separate()
        buffer.append(contentsOf: "null".utf8)
    }

    package mutating func bool(_ value: Bool) throws {
        try separate()
        buffer.append(contentsOf: (value ? "true" : "false").utf8)
    }

    package mutating func integer(_ value: Int64) throws {
        try separate()
        buffer.appendDecimal(value)
    }

    package mutating func integer(_ value: UInt64) throws {
        try separate()
        buffer.appendDecimal(magnitude: value)
    }

    /// - Throws: `invalidArgument` for infinities and NaN, which JSON does not have.
    package mutating func double(_ value: Double) throws {
        guard value.isFinite else { throw BackupError(.invalidArgument, "JSON has no number for \(value)") }
        try separate()
        buffer.append(contentsOf: goText(of: value).utf8)
    }

    package mutating func string(_ value: String) throws {
        try separate()
        appendQuoted(value)
    }

    /// A string made of bytes, without a `String` in between. Whatever is not UTF-8 becomes U+FFFD.
    package mutating func string(utf8 bytes: [UInt8]) throws {
        try separate()
        appendQuoted(bytes)
    }
}

extension [UInt8] {
    /// Adds `value` in decimal.
    package mutating func appendDecimal(_ value: Int64) {
        if value < 0 { append(UInt8(ascii: "-")) }
        appendDecimal(magnitude: value.magnitude)
    }

    /// Adds `magnitude` in decimal.
    package mutating func appendDecimal(magnitude: UInt64) {
        // 2^64 has 20 digits; they come out last one first.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var start = digits.count
            var rest = magnitude
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest != 0
            append(contentsOf: UnsafeBufferPointer(rebasing: digits[start...]))
        }
    }
}

/// `value` as Go writes it: the shortest digits that give it back, with an exponent only below 1e-6 and from 1e21 on.
func goText(of value: Double) -> String {
    if value == 0 { return value.sign == .minus ? "-0" : "0" }
    // Swift's text has the same digits; only the place of the point differs.
    let mantissaAndExponent = value.magnitude.description.split(separator: "e")
    let parts = mantissaAndExponent[0].split(separator: ".")
    let fraction = parts.count > 1 && parts[1] != "0" ? parts[1] : ""
    var digits = String(parts[0] + fraction)
    // The value is 0.DIGITS * 10^point.
    var point = parts[0].utf8.count + (mantissaAndExponent.count > 1 ? Int(mantissaAndExponent[1]) ?? 0 : 0)
    while digits.first == "0" {
        digits.removeFirst()
        point -= 1
    }
    while digits.last == "0" { digits.removeLast() }
    let sign = value < 0 ? "-" : ""
    if value.magnitude < 1e-6 || value.magnitude >= 1e21 {
        let exponent = point - 1
        let rest = digits.dropFirst()
        return "\(sign)\(digits.prefix(1))\(rest.isEmpty ? "" : ".")\(rest)e\(exponent < 0 ? "-" : "+")\(abs(exponent))"
    }
    if point <= 0 { return "\(sign)0.\(String(repeating: "0", count: -point))\(digits)" }
    let whole = digits.prefix(point)
    let padding = String(repeating: "0", count: max(0, point - digits.utf8.count))
    let rest = digits.dropFirst(point)
    return "\(sign)\(whole)\(padding)\(rest.isEmpty ? "" : ".")\(rest)"
}
