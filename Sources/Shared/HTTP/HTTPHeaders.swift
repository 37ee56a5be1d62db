/// Header fields of an answer, looked up without regard to case. The first of several fields of one name counts.
///
/// Kept as the lines that came: of a dozen fields one or two are ever looked at, and only these become strings.
package struct HTTPHeaders: Sendable, ExpressibleByDictionaryLiteral {
    /// Lines of `name: value`, each with a line feed at its end.
    private var lines: [UInt8] = []

    package init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { append(name, value) }
    }

    /// - Parameter lines: `name: value`, each with a line feed, or carriage return and line feed, at its end.
    package init(lines: [UInt8]) { self.lines = lines }

    package subscript(_ name: String) -> String? {
        var name = name
        return name.withUTF8 { name in
            lines.withUnsafeBufferPointer { lines in
                HTTPHeaders.find(name, in: lines).map { HTTPHeaders.text(lines[$0]) }
            }
        }
    }

    /// All of them, in the order they came.
    package var fields: [(name: String, value: String)] {
        lines.withUnsafeBufferPointer { lines in
            lines.split(separator: UInt8(ascii: "\n")).compactMap { line in
                guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
                return (HTTPHeaders.text(line[..<colon]), HTTPHeaders.text(line[(colon + 1)...]))
            }
        }
    }

    package mutating func append(_ name: String, _ value: String) {
        lines.append(contentsOf: name.utf8)
        lines.append(UInt8(ascii: ":"))
        lines.append(contentsOf: value.utf8)
        lines.append(UInt8(ascii: "\n"))
    }

    /// Where the value of the first field of that name is.
    private static func find(
        _ name: UnsafeBufferPointer<UInt8>, in lines: UnsafeBufferPointer<UInt8>
    ) -> Range<Int>? {
        var start = 0
        while start < lines.count {
            var end = start
            while end < lines.count, lines[end] != UInt8(ascii: "\n") { end += 1 }
            let colon = start + name.count
            if colon < end, lines[colon] == UInt8(ascii: ":"),
                name.indices.allSatisfy({ lowercased(lines[start + $0]) == lowercased(name[$0]) })
            {
                return colon + 1..<end
            }
            start = end + 1
        }
        return nil
    }

    private static func text(_ bytes: Slice<UnsafeBufferPointer<UInt8>>) -> String {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0d }
        var bytes = bytes.drop(while: isBlank)
        while let last = bytes.last, isBlank(last) { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// Whether two field names are the same: ASCII letters of either case are.
package func equalsIgnoringCase(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count
        && zip(left.utf8, right.utf8).allSatisfy { $0 == $1 || lowercased($0) == lowercased($1) }
}

private func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
