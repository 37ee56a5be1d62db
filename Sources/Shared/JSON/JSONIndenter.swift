/// Lays a JSON document out anew, four blanks for each level, while it passes by in pieces. It changes nothing but white
/// space, and holds nothing back: a document of any length needs no memory.
///
/// The document must be valid; whoever reads it first has found out.
package struct JSONIndenter: Sendable {
    private var depth = 0
    /// Whether a line break is due before the next value or key.
    private var breaksLine = false
    private var isInString = false
    private var isEscaped = false

    package init() {}

    /// The next piece of the document, laid out.
    package mutating func indent(_ piece: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(piece.count * 2)
        for byte in piece {
            if isInString {
                passString(byte, to: &output)
            } else {
                pass(byte, to: &output)
            }
        }
        return output
    }

    private mutating func passString(_ byte: UInt8, to output: inout [UInt8]) {
        output.append(byte)
        if isEscaped {
            isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
            isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
            isInString = false
        }
    }

    private mutating func pass(_ byte: UInt8, to output: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): return
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            // What has just begun is empty, and stays on its line.
            if !breaksLine { breakLine(&output) }
            breaksLine = false
            output.append(byte)
        case UInt8(ascii: ","):
            output.append(byte)
            breaksLine = true
        case UInt8(ascii: ":"): output += [byte, UInt8(ascii: " ")]
        default:
            if breaksLine { breakLine(&output) }
            breaksLine = false
            output.append(byte)
            if byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                depth += 1
                breaksLine = true
            }
            isInString = byte == UInt8(ascii: "\"")
        }
    }

    private func breakLine(_ output: inout [UInt8]) {
        output.append(UInt8(ascii: "\n"))
        for _ in 0..<max(0, depth) * 4 { output.append(UInt8(ascii: " ")) }
    }
}
