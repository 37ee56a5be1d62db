import Support
import Testing

@testable import JSON

@Suite struct JSONWriterTests {
    private func written(
        _ layout: JSONWriter.Layout = .compact, _ body: (inout JSONWriter) throws -> Void
    ) throws -> String {
        String(decoding: try JSONWriter.bytes(layout: layout, body), as: UTF8.self)
    }

    private static let texts: [(String, String)] = [
        ("", #""""#),
        ("plain text", #""plain text""#),
        ("quote \" backslash \\", #""quote \" backslash \\""#),
        ("a/b", #""a/b""#),
        ("<a href='x'>&amp;</a>", #""\u003ca href='x'\u003e\u0026amp;\u003c/a\u003e""#),
        ("\u{8}\u{c}\n\r\t", #""\b\f\n\r\t""#),
        ("\u{0}\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
        ("line\u{2028}paragraph\u{2029}end", #""line\u2028paragraph\u2029end""#),
        // U+2020 and U+20AC begin with the same byte as U+2028.
        ("†€é漢🙂", "\"†€é漢🙂\""),
    ]

    @Test(arguments: texts)
    func stringsAreEscapedAsInGo(text: String, expected: String) throws {
        #expect(try written { try $0.string(text) } == expected)
    }

    @Test func bytesThatAreNoUTF8AreReplaced() throws {
        #expect(try written { try $0.string(utf8: Array("a<b".utf8)) } == #""a\u003cb""#)
        #expect(
            try written { try $0.string(utf8: [0x61, 0xFF, 0xE2, 0x82, 0x62]) } == "\"a\u{FFFD}\u{FFFD}\u{FFFD}b\"")
    }

    @Test func integersAreExact() throws {
        let text = try written { writer in
            try writer.beginArray()
            for value in [0, 7, -1, 9_007_199_254_740_993, .max, .min] as [Int64] { try writer.integer(value) }
            for value in [0, 9_223_372_036_854_775_808, .max] as [UInt64] { try writer.integer(value) }
            try writer.endArray()
        }
        #expect(
            text == """
                [0,7,-1,9007199254740993,9223372036854775807,-9223372036854775808,0,9223372036854775808,\
                18446744073709551615]
                """)
    }

    private static let doubles: [(Double, String)] = [
        (0.0, "0"), (-0.0, "-0"), (1, "1"), (-1.5, "-1.5"), (0.1, "0.1"), (100, "100"), (123.456, "123.456"),
        (1e15, "1000000000000000"), (1e16, "10000000000000000"), (1.5e20, "150000000000000000000"), (1e21, "1e+21"),
        (1.25e22, "1.25e+22"), (0.000001, "0.000001"), (0.00000125, "0.00000125"), (1e-7, "1e-7"), (-2.5e-9, "-2.5e-9"),
        (.leastNonzeroMagnitude, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    ]

    @Test(arguments: doubles)
    func doublesLookAsInGo(value: Double, expected: String) throws {
        #expect(try written { try $0.double(value) } == expected)
        #expect(Double(expected) == value)
    }

    @Test func infinityIsRefused() {
        #expect(throws: BackupError.self) { try written { try $0.double(.infinity) } }
        #expect(throws: BackupError.self) { try written { try $0.double(.nan) } }
    }

    @Test func emptyMembersAreLeftOut() throws {
        let text = try written { writer in
            try writer.object { writer in
                try writer.memberIfSet("a", "")
                try writer.memberIfSet("b", 0 as Int64)
                try writer.memberIfSet("c", 0 as UInt64)
                try writer.memberIfSet("d", false)
                try writer.memberIfSet("e", [] as [String])
                try writer.memberIfSet("f", [:])
                try writer.member("g", "")
                try writer.member("h", 0 as Int64)
                try writer.member("i", false)
                try writer.memberIfSet("j", "x")
                try writer.memberIfSet("k", -1 as Int32)
                try writer.memberIfSet("l", UInt64.max)
                try writer.memberIfSet("m", true)
                try writer.memberIfSet("n", ["", "y"])
            }
        }
        #expect(text == #"{"g":"","h":0,"i":false,"j":"x","k":-1,"l":18446744073709551615,"m":true,"n":["","y"]}"#)
    }

    @Test func mapKeysAreSortedByTheirBytes() throws {
        // By Unicode's rules é (C3 A9) would come before z, and a before B.
        let text = try written { try $0.object { try $0.memberIfSet("m", ["é": "1", "z": "2", "B": "3", "a": "4"]) } }
        #expect(text == #"{"m":{"B":"3","a":"4","z":"2","é":"1"}}"#)
    }

    @Test func theIndentedLayoutIsThatOfGo() throws {
        let value: JSONValue = ["a": 1, "b": [], "c": [:], "d": [true, ["e": "f"]]]
        #expect(
            String(decoding: try value.bytes(layout: .indented), as: UTF8.self) == """
                {
                    "a": 1,
                    "b": [],
                    "c": {},
                    "d": [
                        true,
                        {
                            "e": "f"
                        }
                    ]
                }
                """)
    }

    @Test func theDocumentLeavesInPieces() throws {
        var pieces: [[UInt8]] = []
        var writer = JSONWriter(pieceSize: 100) { pieces.append($0) }
        try writer.array(0..<1000) { try $0.integer(Int64($1)) }
        try writer.finish()
        #expect(pieces.count > 30)
        #expect(pieces.allSatisfy { !$0.isEmpty && $0.count < 150 })
        let expected = "[" + (0..<1000).map(String.init).joined(separator: ",") + "]"
        #expect(String(decoding: pieces.joined(), as: UTF8.self) == expected)
    }

    @Test func anErrorOfTheSinkEndsTheWriting() {
        var writer = JSONWriter(pieceSize: 10) { _ in throw BackupError(.unavailable, "the disk is full") }
        var written = 0
        let failure = #expect(throws: BackupError.self) {
            try writer.array(0..<1000) {
                try $0.integer(Int64($1))
                written += 1
            }
        }
        #expect(failure?.code == .unavailable)
        #expect(written < 20)
    }
}
