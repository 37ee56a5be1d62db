import Compression
import Support
import Testing

@Suite struct ZstdTests {
    private func content(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 / 7) } }

    @Test(arguments: [0, 1, 255, 256, 100_000])
    func whatWasCompressedComesBack(count: Int) throws {
        let bytes = content(count)
        #expect(try Zstd.decompress(Zstd.compress(bytes), limit: count) == bytes)
    }

    @Test func moreThanTheLimitIsRefused() {
        #expect(throws: BackupError.self) { try Zstd.decompress(Zstd.compress(content(1000)), limit: 999) }
    }

    @Test func damageIsNoticed() {
        let frame = Zstd.compress(content(1000))
        #expect(throws: BackupError.self) { try Zstd.decompress(Array(frame.dropLast()), limit: 1000) }
        #expect(throws: BackupError.self) { try Zstd.decompress([1, 2, 3], limit: 1000) }
        #expect(throws: BackupError.self) { try Zstd.decompress([], limit: 1000) }
    }

    private func read(_ bytes: [UInt8], pieces: Int) throws -> [UInt8] {
        var rest = bytes[...]
        var reader = try ZstdReader {
            defer { rest = rest.dropFirst(pieces) }
            return rest.isEmpty ? nil : Array(rest.prefix(pieces))
        }
        var all: [UInt8] = []
        while let piece = try reader.read() { all += piece }
        return all
    }

    /// A header may ask for any amount of memory, before there is any content.
    @Test(arguments: [(24, true), (25, false), (27, false), (41, false)])
    func aFrameMayNotAskForMuchMemory(windowLog: UInt8, isRead: Bool) {
        // Magic number, no size, the window, and a last block of one byte as it is.
        let frame: [UInt8] = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (windowLog - 10) << 3, 0x09, 0x00, 0x00, 0x78]
        #expect((try? read(frame, pieces: 1000)) == (isRead ? [0x78] : nil))
    }

    @Test(arguments: [1, 7, 1000, 1_000_000])
    func framesBehindOneAnotherAreOneStream(pieces: Int) throws {
        let parts = [content(10), content(200_000), [], content(3)]
        let stream = parts.flatMap(Zstd.compress)
        #expect(try read(stream, pieces: pieces) == parts.flatMap { $0 })
    }

    @Test func aStreamThatEndsWithinAFrameIsDamaged() throws {
        let stream = Zstd.compress(content(10)) + Zstd.compress(content(5000)).dropLast(3)
        #expect(throws: BackupError.self) { try read(stream, pieces: 100) }
        #expect(try read([], pieces: 1) == [])
    }
}
