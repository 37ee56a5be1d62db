import JSON
import Support

/// A reader over `bytes` that arrive in pieces of `pieceSize`.
func reader(_ bytes: [UInt8], pieceSize: Int = .max, maximumDepth: Int = 128) -> JSONReader {
    var rest = bytes[...]
    return JSONReader(name: "test.json", maximumDepth: maximumDepth) {
        let piece = rest.prefix(pieceSize)
        rest = rest.dropFirst(pieceSize)
        return piece.isEmpty ? nil : Array(piece)
    }
}

/// The value of a whole document, in pieces of `pieceSize`.
func parse(_ bytes: [UInt8], pieceSize: Int = .max) throws -> JSONValue {
    var reader = reader(bytes, pieceSize: pieceSize)
    let value = try reader.readValue()
    try reader.finish()
    return value
}

func parse(_ text: String, pieceSize: Int = .max) throws -> JSONValue {
    try parse(Array(text.utf8), pieceSize: pieceSize)
}

/// The message of the error that `body` throws.
func message(_ body: () throws -> Void) -> String? {
    do {
        try body()
        return nil
    } catch {
        return BackupError(wrapping: error).message
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

extension JSONValue {
    /// A value of any kind and form.
    static func random(depth: Int = 0, using generator: inout SeededGenerator) -> JSONValue {
        switch Int.random(in: 0..<(depth < 4 ? 9 : 7), using: &generator) {
        case 0: return .null
        case 1: return .bool(.random(using: &generator))
        case 2: return .int64(.random(in: .min ... .max, using: &generator))
        case 3: return .uint64(.random(in: (1 << 63)...UInt64.max, using: &generator))
        case 4: return .double(Double(Int32.random(in: -9999...9999, using: &generator)) / 1024 + 0.0001)
        case 5, 6: return .string(randomText(using: &generator))
        case 7:
            let count = Int.random(in: 0..<5, using: &generator)
            return .array((0..<count).map { _ in random(depth: depth + 1, using: &generator) })
        default:
            let count = Int.random(in: 0..<5, using: &generator)
            return .object(
                (0..<count).map { _ in
                    Member(randomText(using: &generator), random(depth: depth + 1, using: &generator))
                })
        }
    }

    private static func randomText(using generator: inout SeededGenerator) -> String {
        let letters: [Character] = ["a", "Z", "0", "\"", "\\", "/", "\n", "\u{1}", "é", "€", "\u{2028}", "漢", "🙂", "<"]
        let count = Int.random(in: 0..<12, using: &generator)
        return String((0..<count).compactMap { _ in letters.randomElement(using: &generator) })
    }
}
