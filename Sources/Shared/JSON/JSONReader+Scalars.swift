import Support

extension JSONReader {
    // MARK: Integers

    /// An integer. A fraction or an exponent is an error even where the value is whole, as in `1.0` or `1e3`.
    package mutating func readInt64() throws -> Int64 {
        let (magnitude, isNegative) = try readInteger()
        if isNegative {
            guard magnitude <= Int64.min.magnitude else { throw outOfRange("a 64-bit integer") }
            return Int64(truncatingIfNeeded: 0 &- magnitude)
        }
        guard let value = Int64(exactly: magnitude) else { throw outOfRange("a 64-bit integer") }
        return value
    }

    /// An integer that is not negative.
    package mutating func readUInt64() throws -> UInt64 {
        let (magnitude, isNegative) = try readInteger()
        guard !isNegative || magnitude == 0 else { throw outOfRange("an unsigned 64-bit integer") }
        return magnitude
    }

    package mutating func readInt32() throws -> Int32 {
        guard let value = Int32(exactly: try readInt64()) else { throw outOfRange("a 32-bit integer") }
        return value
    }

    private func outOfRange(_ type: String) -> BackupError { failure("the number does not fit into \(type)") }

    private mutating func readInteger() throws -> (magnitude: UInt64, isNegative: Bool) {
        let first = try peekPastSpace()
        guard kind(of: first) == .number else { throw unexpected("number", first) }
        let isNegative = first == UInt8(ascii: "-")
        if isNegative { position += 1 }
        var magnitude: UInt64 = 0
        var count = 0
        var overflows = false
        while let byte = try peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            guard count == 0 || magnitude != 0 else { throw failure("the number begins with a zero") }
            let (product, first) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.addingReportingOverflow(UInt64(byte - UInt8(ascii: "0")))
            overflows = overflows || first || second
            magnitude = sum
            count += 1
            position += 1
        }
        let next = try peek()
        guard count > 0 else { throw unexpected("a digit", next) }
        if let next, isPartOfFractionOrExponent(next) {
            throw failure("integer expected, a fraction or exponent found")
        }
        guard !overflows else { throw outOfRange(isNegative ? "a 64-bit integer" : "an unsigned 64-bit integer") }
        return (magnitude, isNegative)
    }

    private func isPartOfFractionOrExponent(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ".") || byte | 0x20 == UInt8(ascii: "e")
    }

    // MARK: Numbers of any form

    /// A number as it stands in the document, checked against the grammar.
    package mutating func readNumberText() throws -> String {
        let first = try peekPastSpace()
        guard kind(of: first) == .number else { throw unexpected("number", first) }
        text.removeAll(keepingCapacity: true)
        if first == UInt8(ascii: "-") { try takeToText() }
        let startsWithZero = try peek() == UInt8(ascii: "0")
        let digits = try takeDigitsToText()
        if startsWithZero && digits > 1 { throw failure("the number begins with a zero") }
        if try peek() == UInt8(ascii: ".") {
            try takeToText()
            try takeDigitsToText()
        }
        if let byte = try peek(), byte | 0x20 == UInt8(ascii: "e") {
            try takeToText()
            if let sign = try peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { try takeToText() }
            try takeDigitsToText()
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// At least one digit.
    @discardableResult
    private mutating func takeDigitsToText() throws -> Int {
        var count = 0
        while let byte = try peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") {
            try takeToText()
            count += 1
        }
        guard count > 0 else { throw unexpected("a digit", try peek()) }
        return count
    }

    private mutating func takeToText() throws {
        guard let byte = try peek() else { return }
        // A number of a document of ours has a dozen digits; this keeps one of a megabyte out of memory.
        guard text.count < 1024 else { throw failure("a number of more than 1024 characters") }
        text.append(byte)
        position += 1
    }

    /// A number of any form.
    package mutating func readDouble() throws -> Double {
        let text = try readNumberText()
        guard let value = Double(text), value.isFinite else { throw outOfRange("a 64-bit floating point number") }
        return value
    }

    // MARK: Words

    package mutating func readBool() throws -> Bool {
        let byte = try peekPastSpace()
        switch byte {
        case UInt8(ascii: "t"):
            try takeWord("true")
            return true
        case UInt8(ascii: "f"):
            try takeWord("false")
            return false
        default: throw unexpected("bool", byte)
        }
    }

    /// Takes a `null` when that is the next value.
    package mutating func takeNull() throws -> Bool {
        guard try peekPastSpace() == UInt8(ascii: "n") else { return false }
        try takeWord("null")
        return true
    }

    private mutating func takeWord(_ word: StaticString) throws {
        for index in 0..<word.utf8CodeUnitCount {
            let byte = try peek()
            guard byte == word.utf8Start[index] else { throw unexpected("'\(word)'", byte) }
            position += 1
        }
    }

    // MARK: Anything

    /// Passes over a value of any kind, checking its form.
    package mutating func skipValue() throws {
        let base = frames.count
        repeat {
            switch try nextKind() {
            case .object: try beginObject()
            case .array: try beginArray()
            case .string: try readText()
            case .number: _ = try readNumberText()
            case .bool: _ = try readBool()
            case .null: _ = try takeNull()
            }
            // To the next value, out of every container that ends here.
            while let last = frames.last, frames.count > base {
                if last.isArray ? try nextElement() : try nextKey() { break }
            }
        } while frames.count > base
    }
}
