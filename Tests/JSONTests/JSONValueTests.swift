import Support
import Testing

@testable import JSON

@Suite struct JSONValueTests {
    private let body: JSONValue = [
        "backup_name": "nightly", "async": true, "maxShardNum": 4, "big": .uint64(.max), "ratio": .double(0.5),
        "collection_names": ["a", .null], "collection_renames": ["a": "b", "c": .null],
        "filter": ["db": ["colls": ["*"]]],
        "nothing": .null, "ASYNC": .null,
    ]

    @Test func membersAreFoundByTypeAndAnyCase() throws {
        #expect(try body.string("backup_name") == "nightly")
        #expect(try body.bool("async") == true)
        #expect(try body.bool("Async") == true)
        #expect(try body.int64("maxShardNum") == 4)
        #expect(try body.uint64("maxShardNum") == 4)
        #expect(try body.uint64("big") == .max)
        #expect(try body.double("ratio") == 0.5)
        #expect(try body.double("maxShardNum") == 4)
        #expect(try body.strings("collection_names") == ["a", ""])
        #expect(try body.stringMap("collection_renames") == ["a": "b", "c": ""])
        #expect(try body.object("filter")?.object("db")?.strings("colls") == ["*"])
    }

    @Test func missingAndNullMembersAreNil() throws {
        for key in ["nothing", "missing", "backupName"] {
            #expect(try body.string(key) == nil)
            #expect(try body.bool(key) == nil)
            #expect(try body.int64(key) == nil)
            #expect(try body.array(key) == nil)
            #expect(try body.object(key) == nil)
            #expect(try body.stringMap(key) == nil)
        }
        #expect(try JSONValue.null.string("a") == nil)
    }

    @Test func theLastOfRepeatedMembersCounts() throws {
        let value = try JSONValue(parsing: #"{"a":1,"A":2,"a":null}"#, name: "body")
        #expect(try value.int64("a") == 2)
    }

    @Test func wrongTypesNameTheKey() {
        let cases: [(String, () throws -> Void)] = [
            ("async: string expected, bool found", { _ = try body.string("async") }),
            ("backup_name: bool expected, string found", { _ = try body.bool("backup_name") }),
            ("ratio: integer expected, number found", { _ = try body.int64("ratio") }),
            ("big: integer expected, number found", { _ = try body.int64("big") }),
            ("backup_name: number expected, string found", { _ = try body.double("backup_name") }),
            ("filter: array expected, object found", { _ = try body.array("filter") }),
            ("async: object expected, bool found", { _ = try body.object("async") }),
            ("filter.db: string expected, object found", { _ = try body.stringMap("filter") }),
            ("request body: object expected, array found", { _ = try JSONValue.array([]).members("request body") }),
        ]
        for (expected, access) in cases { #expect(message { try access() } == expected) }
        let list: JSONValue = ["names": ["a", 1]]
        #expect(message { _ = try list.strings("names") } == "names[1]: string expected, number found")
    }

    @Test func sizeAndDepthAreLimited() {
        let long = Array(repeating: UInt8(ascii: " "), count: 100)
        #expect(
            message { _ = try JSONValue(parsing: long, name: "request body", maximumBytes: 99) }
                == "request body: 100 B is more than the 99 B allowed")
        #expect(
            message { _ = try JSONValue(parsing: String(repeating: "[", count: 65), name: "body") }
                == "body: more than 64 levels of nesting at \(String(repeating: "[0]", count: 64)) (byte 64)")
    }
}
