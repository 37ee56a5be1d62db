import MilvusClient
import Support
import Testing

@Suite struct ProtobufReaderTests {
    struct Damage: Sendable, CustomTestStringConvertible {
        var what: String
        var hexadecimal: String
        var testDescription: String { what }
    }

    /// All of them as a DescribeCollectionResponse, in which fields 2 and 13 are messages, 3 a number, 4 texts.
    @Test(arguments: [
        Damage(what: "tag cut off", hexadecimal: "80"),
        Damage(what: "number cut off", hexadecimal: "1880"),
        Damage(what: "number of eleven bytes", hexadecimal: "18 8080808080808080808001"),
        Damage(what: "number of 65 bits", hexadecimal: "18 ffffffffffffffffff02"),
        Damage(what: "no length", hexadecimal: "22"),
        Damage(what: "length beyond the end", hexadecimal: "22 05 61"),
        Damage(what: "length of 2^63", hexadecimal: "22 80808080808080808001"),
        Damage(what: "length of 2^64 - 1", hexadecimal: "22 ffffffffffffffffff01"),
        Damage(what: "length within a sub-message beyond its end", hexadecimal: "12 03 0a ff 01"),
        Damage(what: "field number 0", hexadecimal: "00 01"),
        Damage(what: "field number of 40 bits", hexadecimal: "80808080f001 01"),
        Damage(what: "wire type 6", hexadecimal: "1e 00"),
        Damage(what: "wire type 7 in an unknown field", hexadecimal: "ff 01 00"),
        Damage(what: "number where a text belongs", hexadecimal: "20 05"),
        Damage(what: "text where a number belongs", hexadecimal: "1a 01 61"),
        Damage(what: "number where a message belongs", hexadecimal: "10 05"),
        Damage(what: "text that is not UTF-8", hexadecimal: "22 02 c328"),
        Damage(what: "fixed32 cut off", hexadecimal: "fd 01 00 00 00"),
        Damage(what: "fixed64 cut off", hexadecimal: "f9 01 00 00 00 00 00 00 00"),
        Damage(what: "group without end", hexadecimal: "fb 01 08 01"),
        Damage(what: "group closed by another's end", hexadecimal: "fb 01 84 02"),
        Damage(what: "end of no group", hexadecimal: "fc 01"),
    ])
    func damageIsRefused(_ damage: Damage) {
        #expect {
            try Milvus.DescribeCollectionResponse(serialized: bytes(damage.hexadecimal))
        } throws: { error in
            (error as? BackupError)?.code == .corrupted
        }
    }

    @Test func everyTruncationIsRefusedOrShorter() throws {
        var schema = Milvus.CollectionSchema()
        schema.name = "c1"
        schema.fields = (0..<4).map { index in
            var field = Milvus.FieldSchema()
            field.fieldID = Int64(index) + 100
            field.name = "field \(index)"
            field.defaultValue = [1, 2, 3]
            return field
        }
        let whole = schema.serialized()
        for length in 0..<whole.count {
            // A cut between two fields is not noticeable, all others are.
            if let shorter = try? Milvus.CollectionSchema(serialized: whole[..<length]) {
                #expect(shorter.fields.count < 4)
                #expect(shorter.serialized() == Array(whole[..<length]))
            }
        }
        #expect(try Milvus.CollectionSchema(serialized: whole) == schema)
    }

    @Test func unknownFieldsOfEveryKindAreSkipped() throws {
        let known = "1a 02 6331"
        let unknown =
            "f8 01 05"  // number
            + "f9 01 0102030405060708"  // fixed64
            + "fa 01 03 616263"  // bytes
            + "fd 01 01020304"  // fixed32
            + "fb 01 08 05 f3 02 0a 01 61 f4 02 fc 01"  // a group with a number and a group with a text in it
        let message = try Milvus.DropCollectionRequest(serialized: bytes(unknown + known + unknown))
        #expect(message.collection == "c1")
        #expect(message.serialized() == bytes(known))
    }

    @Test func deeplyNestedGroupsCostNoStack() {
        let depth = 1_000_000
        let nested = [UInt8](repeating: 0x0b, count: depth) + [UInt8](repeating: 0x0c, count: depth)
        #expect(throws: Never.self) { try Milvus.DropCollectionRequest(serialized: nested) }
        #expect(throws: BackupError.self) { try Milvus.DropCollectionRequest(serialized: nested.dropLast()) }
    }

    @Test(arguments: [
        ("0a 05 01 02 ac02 03", [1, 2, 300, 3]),  // packed
        ("08 01 08 02 08 ac02", [1, 2, 300]),  // one by one
        ("08 01 0a 02 02 03 08 04 0a 00", [1, 2, 3, 4]),  // both
        ("0a 0a ffffffffffffffffff01", [-1]),
    ])
    func repeatedNumbersAreReadInBothForms(hexadecimal: String, expected: [Int64]) throws {
        #expect(try Milvus.SegmentIDs(serialized: bytes(hexadecimal)).ids == expected)
    }

    @Test func packedNumberCutOffIsRefused() {
        #expect(throws: BackupError.self) { try Milvus.SegmentIDs(serialized: bytes("0a 02 01 80")) }
    }

    @Test func mapEntriesMayLackKeyOrValue() throws {
        // {"a": 0} without its value, {"": 5} without its key, and {"b": 7} with the value first.
        let response = try Milvus.FlushResponse(serialized: bytes("2a 03 0a0161 2a 02 1005 2a 05 1007 0a0162"))
        #expect(response.sealTimes == ["a": 0, "": 5, "b": 7])
    }

    @Test func numbersKeepTheirSign() throws {
        for code in [Int32.min, -1, 0, 1, Int32.max] {
            var status = Milvus.Status()
            status.code = code
            #expect(try Milvus.Status(serialized: status.serialized()).code == code)
        }
        var status = Milvus.Status()
        status.code = -1
        #expect(status.serialized() == bytes("18 ffffffffffffffffff01"))
        // Five bytes instead of ten, as some writers have it.
        #expect(try Milvus.Status(serialized: bytes("18 ffffffff0f")).code == -1)
        for id in [Int64.min, -1, Int64.max] {
            var segments = Milvus.SegmentIDs()
            segments.ids = [id, 0]
            #expect(try Milvus.SegmentIDs(serialized: segments.serialized()).ids == [id, 0])
        }
    }

    @Test func textOfAnErrorIsRepairedAndNotRefused() throws {
        #expect(try Milvus.Status(serialized: bytes("12 02 c328")).reason == "\u{fffd}(")
    }

    @Test func enumNumbersWithoutNameAreKept() throws {
        let field = try Milvus.FieldSchema(serialized: bytes("28 e707"))
        #expect(field.dataType.rawValue == 999)
        #expect(field.serialized() == bytes("28 e707"))
    }
}
