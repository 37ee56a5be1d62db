import Support

/// Bytes of one string at most: far above what any document of ours has, and far below what would exhaust memory.
private let maximumTextLength = 64 << 20

extension JSONReader {
    /// A string.
    package mutating func readString() throws -> String {
        try readText()
        return String(repairing: text)
    }

    /// A string that the document is likely to repeat: the same text gives the same storage, as long as few are in use.
    package mutating func readRepeatedString() throws -> String {
        try readText()
        if let known = repeatedStrings.first(where: { $0.utf8.elementsEqual(text) }) { return known }
        let string = String(repairing: text)
        if repeatedStrings.count == 16 { repeatedStrings.removeFirst() }
        repeatedStrings.append(string)
        return string
    }

    /// Gives the bytes of a string to `body` without making a `String`. They are valid only inside, and may be no
    /// UTF-8.
    package mutating func readString<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) throws -> Result {
        try readText()
        return try text.withUnsafeBufferPointer(body)
    }

    /// Puts a string into `text`, escapes resolved and all else as it is in the document.
    mutating func readText() throws {
        let byte = try peekPastSpace()
        guard byte == UInt8(ascii: "\"") else { throw unexpected("string", byte) }
        position += 1
        text.removeAll(keepingCapacity: true)
        while true {
            appendPlainBytes()
            guard text.count <= maximumTextLength else {
                throw failure("a string of more than \(formattedBytes(Int64(maximumTextLength)))")
            }
            guard let byte = try peek() else { throw unexpected("", nil) }
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return
            case UInt8(ascii: "\\"):
                position += 1
                try readEscape()
            case 0..<0x20: throw failure("a control character stands in a string")
            default: continue  // a new piece has begun
            }
        }
    }

    /// Makes valid UTF-8 of `text`.
    mutating func repairText() {
        if !text.allSatisfy({ $0 < 0x80 }) { text = Array(String(repairing: text).utf8) }
    }

    /// Takes everything up to a quote, an escape, a control character or the end of the piece.
    @inline(__always)
    private mutating func appendPlainBytes() {
        let start = position
        position = piece.withUnsafeBufferPointer { bytes in
            var index = start
            while index < bytes.count, bytes[index] >= 0x20, bytes[index] != UInt8(ascii: "\""),
                bytes[index] != UInt8(ascii: "\\")
            {
                index += 1
            }
            return index
        }
        text.append(contentsOf: piece[start..<position])
    }

    private mutating func readEscape() throws {
        guard let byte = try peek() else { throw unexpected("", nil) }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            return try readUnicodeEscapes()
        default: throw unexpected("an escape", byte)
        }
        position += 1
    }

    /// What follows `\u`, and the `\u` escapes that directly come after it: two of them may be a surrogate pair.
    private mutating func readUnicodeEscapes() throws {
        var unit = try readFourDigits()
        while true {
            guard (0xD800...0xDBFF).contains(unit) else {
                return appendScalar(unit)
            }
            guard try peek() == UInt8(ascii: "\\") else { return appendScalar(unit) }
            position += 1
            guard try peek() == UInt8(ascii: "u") else {
                appendScalar(unit)
                return try readEscape()
            }
            position += 1
            let low = try readFourDigits()
            if (0xDC00...0xDFFF).contains(low) {
                return appendScalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
            }
            appendScalar(unit)
            unit = low
        }
    }

    private mutating func readFourDigits() throws -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            let byte = try peek()
            switch byte {
            case let byte? where UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte:
                value = value << 4 + UInt32(byte - UInt8(ascii: "0"))
            case let byte? where UInt8(ascii: "a")...UInt8(ascii: "f") ~= byte | 0x20:
                value = value << 4 + UInt32((byte | 0x20) - UInt8(ascii: "a") + 10)
            default: throw unexpected("a hexadecimal digit", byte)
            }
            position += 1
        }
        return value
    }

    /// A surrogate on its own becomes U+FFFD.
    private mutating func appendScalar(_ value: UInt32) {
        text.append(contentsOf: String(Unicode.Scalar(value) ?? "\u{FFFD}").utf8)
    }
}
