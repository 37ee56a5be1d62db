import Support
import Testing

@testable import JSON

@Suite struct JSONMutationTests {
    @Test func whatIsWrittenIsReadAgain() throws {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<2_000 {
            let value = JSONValue.random(using: &generator)
            for layout in [JSONWriter.Layout.compact, .indented] {
                let bytes = try value.bytes(layout: layout)
                #expect(try parse(bytes, pieceSize: Int.random(in: 1...50, using: &generator)) == value)
            }
        }
    }

    @Test func everyPrefixIsAnErrorOfItsOwn() throws {
        let text = #"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude42é",true,false,null,{}],"b":{"c":[[]]},"d":"\\"}"#
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            for pieceSize in [1, .max] {
                let text = message { _ = try parse(Array(bytes[..<count]), pieceSize: pieceSize) }
                #expect(text?.contains(count == 0 ? "is empty" : "ends too early") == true)
            }
        }
    }

    /// Damaged documents never crash the reader, and reading and passing over agree on which of them are documents.
    @Test func damageNeverCrashes() async throws {
        var generator = SeededGenerator(seed: 2)
        var accepted = 0
        for round in 0..<20_000 {
            // Others wait for this thread.
            if round % 100 == 0 { await Task.yield() }
            var bytes = try JSONValue.random(using: &generator).bytes()
            for _ in 0..<Int.random(in: 1...3, using: &generator) { damage(&bytes, using: &generator) }
            let pieceSize = Int.random(in: 1...20, using: &generator)
            let isRead = isAccepted(bytes, pieceSize) { _ = try $0.readValue() }
            let isSkipped = isAccepted(bytes, pieceSize) { try $0.skipValue() }
            // Only a reader that needs the value minds a number that is too large.
            #expect(!isRead || isSkipped)
            accepted += isRead ? 1 : 0
        }
        #expect(accepted > 1_000 && accepted < 19_000)
    }

    private func isAccepted(
        _ bytes: [UInt8], _ pieceSize: Int, _ body: (inout JSONReader) throws -> Void
    ) -> Bool {
        var reader = reader(bytes, pieceSize: pieceSize)
        do {
            try body(&reader)
            try reader.finish()
            return true
        } catch {
            let failure = BackupError(wrapping: error)
            #expect(failure.code == .corrupted)
            #expect(failure.message.hasPrefix("test.json: "))
            return false
        }
    }

    private func damage(_ bytes: inout [UInt8], using generator: inout SeededGenerator) {
        let letters = Array("{}[]\",:\\u0eE+-.tn1 \u{0}\u{FF}".utf8)
        let byte = letters[Int.random(in: 0..<letters.count, using: &generator)]
        let place = Int.random(in: 0...bytes.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0 where place < bytes.count: bytes[place] = byte
        case 1 where place < bytes.count: bytes.remove(at: place)
        case 2: bytes.removeSubrange(place...)
        default: bytes.insert(byte, at: place)
        }
    }
}
