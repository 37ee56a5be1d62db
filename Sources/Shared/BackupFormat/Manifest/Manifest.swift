import Compression
import JSON
import Support

/// The record of every object of a backup: lines of JSON in zstd frames, one behind the other. So pieces that were written
/// while the backup was made, put together, are the manifest.
package enum Manifest {
    /// A frame with the first line.
    package static func frame(_ header: ManifestHeader) throws -> [UInt8] {
        Zstd.compress(try line { try header.write(to: &$0) })
    }

    /// A frame with some records; empty for none.
    package static func frame(_ records: some Sequence<ManifestRecord>) throws -> [UInt8] {
        var lines: [UInt8] = []
        for record in records { lines += try line { try record.write(to: &$0) } }
        return lines.isEmpty ? [] : Zstd.compress(lines)
    }

    /// Reads a manifest piece by piece.
    ///
    /// - Parameters:
    ///   - source: gives the next piece of the file, nil or an empty one at its end; may block.
    ///   - body: gets every record, in the order of the file. A key may come again: the last one counts.
    /// - Throws: `corrupted` when it is damaged, `unsupported` when a later release wrote it.
    package static func read(
        _ source: @escaping () throws -> [UInt8]?, _ body: (ManifestRecord) throws -> Void
    ) throws -> ManifestHeader {
        let reader = try ManifestReader(source)
        while let record = try reader.next() { try body(record) }
        return reader.header
    }

    private static func line(_ body: (inout JSONWriter) throws -> Void) throws -> [UInt8] {
        try JSONWriter.bytes(body) + [UInt8(ascii: "\n")]
    }
}

/// Gives the records of a manifest one by one, as they are asked for.
package final class ManifestReader {
    package let header: ManifestHeader
    private var lines: LineReader

    /// - Parameter source: gives the next piece of the file, nil or an empty one at its end; may block.
    /// - Throws: `corrupted` when it is damaged, `unsupported` when a later release wrote it.
    package init(_ source: @escaping () throws -> [UInt8]?) throws {
        var lines = LineReader(try ZstdReader(source: source))
        guard let first = try lines.next() else { throw BackupError(.corrupted, "manifest: it is empty") }
        header = try ManifestHeader(line: first)
        self.lines = lines
    }

    /// Reads a manifest that is in memory, compressed as it is.
    package convenience init(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        try self.init {
            // In pieces: the reader keeps what it was given.
            let piece = Array(rest.prefix(64 << 10))
            rest = rest.dropFirst(piece.count)
            return piece.isEmpty ? nil : piece
        }
    }

    /// The next record, in the order of the file; nil at its end. A key may come again: the last one counts.
    package func next() throws -> ManifestRecord? {
        guard let line = try lines.next() else { return nil }
        return try ManifestRecord(line: line)
    }
}

/// Cuts a decompressed stream into its lines.
private struct LineReader: ~Copyable {
    /// A key has 1024 bytes at most, and every one of them may be an escape.
    private static let maximumLength = 16 << 10

    private var reader: ZstdReader
    private var buffer: [UInt8] = []
    private var position = 0

    init(_ reader: consuming ZstdReader) { self.reader = reader }

    mutating func next() throws -> [UInt8]? {
        while true {
            if let end = buffer[position...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { position = end + 1 }
                return Array(buffer[position..<end])
            }
            buffer.removeFirst(position)
            position = 0
            guard buffer.count <= Self.maximumLength else {
                throw BackupError(.corrupted, "manifest: a line is too long")
            }
            guard let piece = try reader.read() else {
                guard buffer.isEmpty else { throw BackupError(.corrupted, "manifest: the last line is not whole") }
                return nil
            }
            buffer += piece
        }
    }
}
