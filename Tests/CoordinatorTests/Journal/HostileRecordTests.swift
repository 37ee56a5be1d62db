import BackupFormat
import Compression
import Support
import Testing

@testable import Coordinator

/// Journals and records that somebody else has put into a store.
@Suite struct HostileRecordTests {
    private func source(_ bytes: [UInt8]) -> () -> [UInt8]? {
        var rest: [UInt8]? = bytes
        return {
            defer { rest = nil }
            return rest
        }
    }

    /// A kilobyte can stand for any number of records.
    @Test func aPieceThatRepeatsItselfCostsNothing() throws {
        let record = ManifestRecord(key: "binlogs/insert_log/1/2/3/3/100/1", size: 1)
        let frame = try Manifest.frame(Array(repeating: record, count: 20_000))
        var piece = try Manifest.frame(ManifestHeader(name: "n", id: "i"))
        for _ in 0..<5 { piece += frame }
        let finished = try FinishedObjects(piece: source(piece))
        #expect(finished.count == 1 && finished.contains(record.key[...], size: 1))
        // 100,000 records with some 60 bytes each.
        #expect(piece.count < 10_000 && finished.frames.count < 50_000)
    }

    /// Nothing of a damaged piece is believed.
    @Test func halfAPieceIsNone() throws {
        let records = (0..<10_000).map { ManifestRecord(key: "\($0)", size: Int64($0 % 7)) }
        let piece = try Manifest.frame(ManifestHeader(name: "n", id: "i")) + Manifest.frame(records)
        #expect(try FinishedObjects(piece: source(piece)).count == 10_000)
        #expect(throws: BackupError.self) { try FinishedObjects(piece: source(Array(piece.dropLast(8)))) }
    }

    @Test(arguments: [Int64.min, -1, 0, Int64.max]) func aRecordOfAnyTimeCanBeShown(start: Int64) throws {
        let text = "{\"id\":\"i\",\"name\":\"n\",\"start_time\":\(start)}"
        let record = try JobRecord(parsing: Array(text.utf8), name: "claim.json")
        #expect(record.explanation.contains("never finished"))
        #expect(record.start >= 0)
    }
}
