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
        for line in lines.split(separator: UInt8(ascii: "\n")) where HTTPHeaders.isField(line, named: name.utf8) {
            return HTTPHeaders.text(line.dropFirst(name.utf8.count + 1))
        }
        return nil
    }

    /// All of them, in the order they came.
    package var fields: [(name: String, value: String)] {
        lines.split(separator: UInt8(ascii: "\n")).compactMap { line in
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
            return (HTTPHeaders.text(line[..<colon]), HTTPHeaders.text(line[(colon + 1)...]))
        }
    }

    package mutating func append(_ name: String, _ value: String) {
        lines.append(contentsOf: name.utf8)
        lines.append(UInt8(ascii: ":"))
        lines.append(contentsOf: value.utf8)
        lines.append(UInt8(ascii: "\n"))
    }

    private static func isField(_ line: ArraySlice<UInt8>, named name: String.UTF8View) -> Bool {
        guard line.count > name.count, line[line.startIndex + name.count] == UInt8(ascii: ":") else { return false }
        return zip(line, name).allSatisfy { $0 == $1 || lowercased($0) == lowercased($1) }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
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
