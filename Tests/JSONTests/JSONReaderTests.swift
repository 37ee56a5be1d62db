import Support
import Testing

@testable import JSON

@Suite struct JSONReaderTests {
    private static let documents: [(String, JSONValue)] = [
        ("null", JSONValue.null), ("true", true), (" false ", false), ("\t\r\n 0 \n", 0), ("-0", 0),
        ("9223372036854775807", .int64(.max)), ("-9223372036854775808", .int64(.min)),
        ("9223372036854775808", .uint64(1 << 63)), ("18446744073709551615", .uint64(.max)),
        ("9007199254740993", 9_007_199_254_740_993), ("1.0", .double(1)), ("1e3", .double(1000)),
        ("-12.5E-1", .double(-1.25)), ("0.5", .double(0.5)), (#""""#, ""), (#""a\/b""#, "a/b"),
        (#""\"\\\b\f\n\r\t""#, "\"\\\u{8}\u{c}\n\r\t"), (#""\u0041\u00e9\u20AC\ud83d\ude42""#, "Aé€🙂"),
        ("\"Aé€🙂\"", "Aé€🙂"), ("[]", []), ("[ ]", []), ("{}", [:]), ("{ }", [:]),
        ("[1,[2,[]],{}]", [1, [2, []], [:]]),
        (#"{"a":{"b":[null,"c"]},"d":1}"#, ["a": ["b": [.null, "c"]], "d": 1]),
        (#" { "a" : 1 , "a" : [ 2 , 3 ] } "#, ["a": 1, "a": [2, 3]]),
    ]

    @Test(arguments: documents)
    func documentsAreReadWhateverTheirPieces(text: String, expected: JSONValue) throws {
        for pieceSize in [1, 2, 3, 7, .max] {
            #expect(try parse(text, pieceSize: pieceSize) == expected)
        }
    }

    private static let damagedTexts: [([UInt8], String)] = [
        // Lone surrogates.
        (Array(#""\ud83d""#.utf8), "\u{FFFD}"), (Array(#""\ude42x""#.utf8), "\u{FFFD}x"),
        (Array(#""\ud83dx""#.utf8), "\u{FFFD}x"), (Array(#""\ud83d\n""#.utf8), "\u{FFFD}\n"),
        (Array(#""\ud83d\u0041""#.utf8), "\u{FFFD}A"), (Array(#""\ud83d\ud83d\ude42""#.utf8), "\u{FFFD}🙂"),
        // Bytes that are no UTF-8: one U+FFFD for each of them.
        ([0x22, 0xFF, 0x22], "\u{FFFD}"), ([0x22, 0x80, 0x61, 0x22], "\u{FFFD}a"),
        ([0x22, 0xC0, 0x80, 0x22], "\u{FFFD}\u{FFFD}"), ([0x22, 0xE2, 0x82, 0x22], "\u{FFFD}\u{FFFD}"),
        ([0x22, 0xED, 0xA0, 0x80, 0x22], "\u{FFFD}\u{FFFD}\u{FFFD}"),
        ([0x22, 0xF0, 0x9F, 0x99, 0x61, 0x22], "\u{FFFD}\u{FFFD}\u{FFFD}a"),
        ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
        ([0x22, 0xC3, 0xA9, 0xF0, 0x9F, 0x99, 0x82, 0xC3, 0x22], "é🙂\u{FFFD}"),
    ]

    @Test(arguments: damagedTexts)
    func whatIsNoTextIsReplacedAsInGo(bytes: [UInt8], expected: String) throws {
        for pieceSize in [1, .max] {
            #expect(try parse(bytes, pieceSize: pieceSize) == .string(expected))
        }
    }

    private static let brokenDocuments: [(String, String)] = [
        ("", "test.json: the document is empty"),
        ("   ", "test.json: the document ends too early (byte 3)"),
        ("nul", "test.json: the document ends too early (byte 3)"),
        ("nulL", "test.json: 'null' expected, 'L' found (byte 3)"),
        ("[1,]", "test.json: a value expected at [0], ']' found (byte 3)"),
        ("[,1]", "test.json: a value expected at [0], ',' found (byte 1)"),
        ("[1 2]", "test.json: ',' or ']' expected at [0], number found (byte 3)"),
        ("[1}", "test.json: ',' or ']' expected at [0], '}' found (byte 2)"),
        (#"{"a":1,}"#, "test.json: a key expected at a, '}' found (byte 7)"),
        (#"{"a" 1}"#, "test.json: ':' expected at a, number found (byte 5)"),
        ("{a:1}", "test.json: a key expected, 'a' found (byte 1)"),
        (#"{"a":}"#, "test.json: a value expected at a, '}' found (byte 5)"),
        (#"{"a":{"b":[0,{"c":tru}]}}"#, "test.json: 'true' expected at a.b[1].c, '}' found (byte 21)"),
        ("1 2", "test.json: the end expected, number found (byte 2)"),
        ("{}x", "test.json: the end expected, 'x' found (byte 2)"),
        ("01", "test.json: the number begins with a zero (byte 2)"),
        ("-", "test.json: the document ends too early (byte 1)"),
        ("-x", "test.json: a digit expected, 'x' found (byte 1)"),
        ("1.", "test.json: the document ends too early (byte 2)"),
        ("1.x", "test.json: a digit expected, 'x' found (byte 2)"),
        ("1e+}", "test.json: a digit expected, '}' found (byte 3)"),
        ("+1", "test.json: a value expected, '+' found (byte 0)"),
        (".5", "test.json: a value expected, '.' found (byte 0)"),
        ("NaN", "test.json: a value expected, 'N' found (byte 0)"),
        ("18446744073709551616", "test.json: the number does not fit into 64 bits (byte 20)"),
        ("1e999", "test.json: the number is too large (byte 5)"),
        ("\"a\nb\"", "test.json: a control character stands in a string (byte 2)"),
        (#""\x""#, "test.json: an escape expected, 'x' found (byte 2)"),
        (#""\u12g4""#, "test.json: a hexadecimal digit expected, 'g' found (byte 5)"),
        ("\"abc", "test.json: the document ends too early (byte 4)"),
        ("\u{FEFF}{}", "test.json: a value expected, byte 0xef found (byte 0)"),
    ]

    @Test(arguments: brokenDocuments)
    func brokenDocumentsAreNamed(text: String, expected: String) {
        for pieceSize in [1, 3, .max] {
            #expect(message { _ = try parse(text, pieceSize: pieceSize) } == expected)
        }
    }

    @Test func everyErrorIsOneOfCorruption() {
        let failure = #expect(throws: BackupError.self) { _ = try parse("[1,") }
        #expect(failure?.code == .corrupted)
        #expect(failure?.hint?.contains("cut off") == true)
        #expect(failure?.isRetryable == false)
    }

    private static let integers: [(String, Int64)] = [
        ("1", 1), ("-1", -1), ("9223372036854775807", .max), ("-9223372036854775808", .min), ("0", 0), ("-0", 0),
        ("452984832000000001", 452_984_832_000_000_001),
    ]

    @Test(arguments: integers)
    func integersAreExact(text: String, expected: Int64) throws {
        for pieceSize in [1, .max] {
            var reader = reader(Array(text.utf8), pieceSize: pieceSize)
            #expect(try reader.readInt64() == expected)
        }
    }

    private static let notIntegers: [(String, String)] = [
        ("1.0", "integer expected, a fraction or exponent found"),
        ("1e3", "integer expected, a fraction or exponent found"),
        ("1E3", "integer expected, a fraction or exponent found"), ("\"1\"", "number expected, string found"),
        ("true", "number expected, bool found"), ("null", "number expected, null found"),
        ("{}", "number expected, object found"),
        ("[]", "number expected, array found"),
        ("9223372036854775808", "the number does not fit into a 64-bit integer"),
        ("-9223372036854775809", "the number does not fit into a 64-bit integer"),
        ("99999999999999999999999", "the number does not fit into an unsigned 64-bit integer"),
        ("007", "the number begins with a zero"),
    ]

    @Test(arguments: notIntegers)
    func whatIsNoIntegerIsRefused(text: String, expected: String) {
        var reader = reader(Array(text.utf8))
        #expect(message { _ = try reader.readInt64() }?.contains(expected) == true)
    }

    @Test func integersOfOtherWidthsKeepTheirRange() throws {
        var largest = reader(Array("18446744073709551615".utf8))
        #expect(try largest.readUInt64() == .max)
        var above = reader(Array("18446744073709551616".utf8))
        #expect(message { _ = try above.readUInt64() }?.contains("unsigned 64-bit") == true)
        var negative = reader(Array("-1".utf8))
        #expect(message { _ = try negative.readUInt64() }?.contains("unsigned 64-bit") == true)
        var small = reader(Array("-2147483648".utf8))
        #expect(try small.readInt32() == .min)
        var wide = reader(Array("2147483648".utf8))
        #expect(message { _ = try wide.readInt32() }?.contains("32-bit integer") == true)
    }

    @Test func nestingIsLimited() throws {
        let deep = String(repeating: "[", count: 100_000)
        #expect(message { _ = try parse(deep) }?.contains("more than 128 levels of nesting") == true)
        var skipping = reader(Array(deep.utf8))
        #expect(message { try skipping.skipValue() }?.contains("more than 128 levels of nesting") == true)
        let allowed = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        #expect(throws: Never.self) { _ = try parse(allowed) }
    }

    @Test func numbersAndStringsOfSillyLengthAreRefused() {
        #expect(
            message { _ = try parse("0." + String(repeating: "1", count: 2000)) }?.contains("1024 characters") == true)
        var piece = [UInt8](repeating: UInt8(ascii: "a"), count: 1 << 20)
        piece[0] = UInt8(ascii: "\"")
        var isFirst = true
        var endless = JSONReader(name: "test.json") {
            defer { isFirst = false }
            return isFirst ? piece : Array(piece[1...])
        }
        #expect(message { _ = try endless.readString() }?.contains("a string of more than 64.0 MiB") == true)
    }

    @Test func theSourcesErrorComesThrough() {
        var reader = JSONReader(name: "test.json") { throw BackupError(.unavailable, "connection reset") }
        #expect(message { try reader.skipValue() } == "connection reset")
    }

    @Test func keysInErrorsCannotBreakTheLine() {
        let text = message { _ = try parse(#"{"a\nb\u001b[31m":x}"#) }
        #expect(text == #"test.json: a value expected at "a\nb\u{1B}[31m", 'x' found (byte 18)"#)
    }

    @Test func repeatedStringsAreRead() throws {
        let texts = (0..<100).map { "channel \($0 % 20) é" }
        var reader = reader(try JSONWriter.bytes { try $0.array(texts) { try $0.string($1) } }, pieceSize: 7)
        var read: [String] = []
        try reader.forEachElement { read.append(try $0.readRepeatedString()) }
        #expect(read == texts)
    }

    @Test func stringBytesComeWithoutAString() throws {
        var reader = reader(Array(#""a\u0062c""#.utf8), pieceSize: 1)
        #expect(try reader.readString { Array($0) } == Array("abc".utf8))
    }
}

@Suite struct JSONMemberTests {
    enum Key: String, CaseIterable { case name, size, fieldID, list }

    struct Sample: Equatable {
        var name = ""
        var size: Int64 = 0
        var fieldID: Int64 = 0
        var list: [String] = []
    }

    private func read(_ text: String) throws -> Sample {
        var sample = Sample()
        var reader = reader(Array(text.utf8), pieceSize: 5)
        let keys = JSONKeys(Key.self)
        try reader.forEachMember(keys) { reader, key in
            switch key {
            case .name: sample.name = try reader.readString()
            case .size: sample.size = try reader.readInt64()
            case .fieldID: sample.fieldID = try reader.readInt64()
            case .list: sample.list = try reader.readStrings()
            }
        }
        try reader.finish()
        return sample
    }

    private static let objects: [(String, Sample)] = [
        ("{}", Sample()), ("null", Sample()),
        (#"{"size":3,"name":"a"}"#, Sample(name: "a", size: 3)),
        // Unknown members of every kind, among them some whose keys are nearly known.
        (
            #"{"x":{"size":9,"y":[1,{"z":null}]},"siz":1,"sizes":2,"name":"a","q":[[],"]"],"w":1.5e3,"v":true}"#,
            Sample(name: "a")
        ),
        (#"{"NAME":"a","Size":3,"fieldid":4}"#, Sample(name: "a", size: 3, fieldID: 4)),
        (#"{"size":3,"name":null,"size":null,"list":null}"#, Sample(size: 3)),
        (#"{"size":3,"size":5,"name":"a","NAME":"b"}"#, Sample(name: "b", size: 5)),
        (#"{"list":["a",null,"b"]}"#, Sample(list: ["a", "", "b"])),
        (#"{"n\u0061me":"escaped key"}"#, Sample(name: "escaped key")),
    ]

    @Test(arguments: objects)
    func membersAreFoundAsInGo(text: String, expected: Sample) throws {
        #expect(try read(text) == expected)
    }

    private static let wrongTypes: [(String, String)] = [
        (#"{"size":"3"}"#, "test.json: number expected at size, string found (byte 8)"),
        (#"{"name":3}"#, "test.json: string expected at name, number found (byte 8)"),
        (#"{"list":"a"}"#, "test.json: array expected at list, string found (byte 8)"),
        (#"{"list":["a",1]}"#, "test.json: string expected at list[1], number found (byte 13)"),
        ("[]", "test.json: object expected, array found (byte 0)"),
        (#"{"unknown":tru3}"#, "test.json: 'true' expected at unknown, number found (byte 14)"),
    ]

    @Test(arguments: wrongTypes)
    func wrongTypesAreNamed(text: String, expected: String) {
        #expect(message { _ = try read(text) } == expected)
    }

    @Test func mapsAreRead() throws {
        var reader = reader(Array(#"{"b":"2","a":"1","b":"3","c":null}"#.utf8))
        #expect(try reader.readStringMap() == ["a": "1", "b": "3", "c": ""])
        var wrong = JSONTests.reader(Array(#"{"b":2}"#.utf8))
        #expect(message { _ = try wrong.readStringMap() } == "test.json: string expected at b, number found (byte 5)")
    }
}
