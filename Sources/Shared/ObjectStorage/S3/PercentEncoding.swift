/// Percent-encoding as S3 signatures define it (RFC 3986): unreserved characters stay, every other UTF-8 byte becomes `%XX`.
extension [UInt8] {
    /// Adds `text` encoded as a part of a query: `/` is encoded, too.
    mutating func appendEncoded(_ text: String) { appendEncoded(text, keepingSlash: false) }

    /// Adds `key` encoded as a path: `/` stays. Nothing else is touched, `//` and `..` neither.
    mutating func appendEncoded(path key: String) { appendEncoded(key, keepingSlash: true) }

    private mutating func appendEncoded(_ text: String, keepingSlash: Bool) {
        for byte in text.utf8 {
            if isUnreserved(byte) || (keepingSlash && byte == UInt8(ascii: "/")) {
                append(byte)
            } else {
                append(UInt8(ascii: "%"))
                append(hexadecimalDigit(byte >> 4, uppercase: true))
                append(hexadecimalDigit(byte & 15, uppercase: true))
            }
        }
    }
}

extension String {
    /// The text as a path of a URL: `/` stays.
    var percentEncodedPath: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count + 16)
        bytes.appendEncoded(path: self)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The text that was encoded as a part of a form or query: `+` is a blank.
    ///
    /// nil when a `%` is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    var formDecoded: String? {
        guard utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else { return self }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count)
        var iterator = utf8.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            case UInt8(ascii: "%"):
                guard
                    let first = iterator.next(), let high = hexadecimalValue(first),
                    let second = iterator.next(), let low = hexadecimalValue(second)
                else { return nil }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        true
    default: false
    }
}
