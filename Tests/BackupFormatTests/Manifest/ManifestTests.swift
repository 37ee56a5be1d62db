import Support
import Testing

@testable import BackupFormat

@Suite struct ManifestTests {
    private let header = ManifestHeader(name: "nightly", id: "id-1")
    private let records = (0..<5000).map {
        ManifestRecord(
            key: "binlogs/insert_log/1/2/3/3/\($0)/\(Int64.max - Int64($0))", size: Int64($0) << 33,
            etag: "e\($0)", checksum: $0 % 2 == 0 ? "" : "md5:\($0)")
    }

    private func read(_ bytes: [UInt8]) throws -> (ManifestHeader, [ManifestRecord]) {
        var rest = bytes[...]
        var read: [ManifestRecord] = []
        let header = try Manifest.read(
            {
                defer { rest = rest.dropFirst(1000) }
                return rest.isEmpty ? nil : Array(rest.prefix(1000))
            },
            { read.append($0) })
        return (header, read)
    }

    @Test func piecesMakeAManifest() throws {
        let odd = ManifestRecord(key: "a\tb \"c\"\u{1F600}", size: 0)
        let bytes =
            try Manifest.frame(header) + Manifest.frame(records.prefix(3)) + Manifest.frame([])
            + Manifest.frame(records.dropFirst(3)) + Manifest.frame([odd])
        let (found, read) = try read(bytes)
        #expect(found == header)
        #expect(read == records + [odd])
    }

    /// A line in any form of JSON is read, whoever wrote it.
    @Test(arguments: [
        #"{"key":"a/b","size":7,"etag":"e","checksum":"md5:1"}"#,
        #"{ "size": 7, "checksum": "md5:1", "key": "a\/b", "more": [1], "etag": "e" }"#,
    ])
    func linesOfOthers(_ line: String) throws {
        let record = try ManifestRecord(line: Array(line.utf8))
        #expect(record == ManifestRecord(key: "a/b", size: 7, etag: "e", checksum: "md5:1"))
    }

    @Test(arguments: [
        #"{"key":"a","size":-7}"#, #"{"key":"a","size":07}"#, #"{"key":"a","size":9223372036854775808}"#,
        #"{"key":"a"}"#, #"{"key":"a","size":7"#, #"{"key":"a","size":7}}"#, #"{"key":"a","size":7,"etag":1}"#, "",
    ])
    func linesThatAreNone(_ line: String) {
        #expect(throws: BackupError.self) { try ManifestRecord(line: Array(line.utf8)) }
    }

    @Test func damageIsNoticed() throws {
        let bytes = try Manifest.frame(header) + Manifest.frame(records)
        #expect(throws: BackupError.self) { try read(Array(bytes.dropLast(10))) }
        #expect(throws: BackupError.self) { try read([]) }
        #expect(throws: BackupError.self) { try read(try Manifest.frame(records)) }
        var flipped = bytes
        flipped[bytes.count / 2] ^= 0xff
        #expect(throws: (any Error).self) {
            let (_, read) = try read(flipped)
            if read != records { throw BackupError(.corrupted, "changed") }
        }
    }
}
