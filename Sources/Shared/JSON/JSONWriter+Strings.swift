extension JSONWriter {
    mutating func appendQuoted(_ text: String) {
        var text = text
        text.withUTF8 { appendQuoted(validUTF8: $0) }
    }

    mutating func appendQuoted(_ bytes: [UInt8]) {
        // ASCII needs no check; anything else goes through the repair that reading has as well.
        if bytes.allSatisfy({ $0 < 0x80 }) {
            bytes.withUnsafeBufferPointer { appendQuoted(validUTF8: $0) }
        } else {
            appendQuoted(String(repairing: bytes))
        }
    }

    private mutating func appendQuoted(validUTF8 bytes: UnsafeBufferPointer<UInt8>) {
        buffer.append(UInt8(ascii: "\""))
        var plainStart = 0
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if !needsAttention(byte) {
                index += 1
                continue
            }
            if byte >= 0x80 {
                // Of what is not ASCII only U+2028 and U+2029, the bytes E2 80 A8 and E2 80 A9, are escaped.
                let isLineEnd =
                    index + 2 < bytes.count && bytes[index + 1] == 0x80 && (bytes[index + 2] & 0xFE) == 0xA8
                if isLineEnd {
                    buffer.append(contentsOf: bytes[plainStart..<index])
                    buffer.append(contentsOf: (bytes[index + 2] == 0xA8 ? #"\u2028"# : #"\u2029"#).utf8)
                    index += 3
                    plainStart = index
                } else {
                    index += 1
                }
                continue
            }
            buffer.append(contentsOf: bytes[plainStart..<index])
            appendEscape(of: byte)
            index += 1
            plainStart = index
        }
        buffer.append(contentsOf: bytes[plainStart...])
        buffer.append(UInt8(ascii: "\""))
    }

    private mutating func appendEscape(of byte: UInt8) {
        buffer.append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): buffer.append(byte)
        case 0x08: buffer.append(UInt8(ascii: "b"))
        case 0x0C: buffer.append(UInt8(ascii: "f"))
        case 0x0A: buffer.append(UInt8(ascii: "n"))
        case 0x0D: buffer.append(UInt8(ascii: "r"))
        case 0x09: buffer.append(UInt8(ascii: "t"))
        default:
            buffer.append(contentsOf: "u00".utf8)
            buffer.append(hexadecimalDigit(byte >> 4))
            buffer.append(hexadecimalDigit(byte & 0xF))
        }
    }
}

/// Whether a byte of a string is more than itself: an escape, or perhaps the beginning of U+2028 or U+2029.
@inline(__always)
private func needsAttention(_ byte: UInt8) -> Bool {
    switch byte {
    case 0..<0x20, UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "&"),
        0xE2:
        true
    default: false
    }
}

private func hexadecimalDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
}
