import JSON
import Testing

@Suite struct JSONIndenterTests {
    private let document = #"{"a":[],"b":{},"c":[1,-2.5e3,{"d":"x,:{}[]\"\\","e":null}],"f":{"g":true},"ü":"\n"}"#
    private let laidOut = #"""
        {
            "a": [],
            "b": {},
            "c": [
                1,
                -2.5e3,
                {
                    "d": "x,:{}[]\"\\",
                    "e": null
                }
            ],
            "f": {
                "g": true
            },
            "ü": "\n"
        }
        """#

    @Test func whereTheDocumentIsCutDoesNotMatter() {
        let bytes = Array(document.utf8)
        for cut in 0...bytes.count {
            var indenter = JSONIndenter()
            let text = indenter.indent(Array(bytes[..<cut])) + indenter.indent(Array(bytes[cut...]))
            #expect(String(decoding: text, as: UTF8.self) == laidOut)
        }
    }

    @Test func whatIsLaidOutAlreadyStaysAsItIs() {
        var indenter = JSONIndenter()
        #expect(String(decoding: indenter.indent(Array(laidOut.utf8)), as: UTF8.self) == laidOut)
    }

    @Test func itIsTheLayoutOfTheWriter() throws {
        func write(_ layout: JSONWriter.Layout) throws -> [UInt8] {
            try JSONWriter.bytes(layout: layout) { writer in
                try writer.object { writer in
                    try writer.member("list") { try $0.array([1, 2]) { try $0.integer(Int64($1)) } }
                    try writer.member("none") { try $0.array([Int]()) { try $0.integer(Int64($1)) } }
                    try writer.member("object") { try $0.object { _ in } }
                    try writer.member("text", "a\"b")
                }
            }
        }
        var indenter = JSONIndenter()
        #expect(indenter.indent(try write(.compact)) == (try write(.indented)))
    }
}
