import CZstd
import Support

/// Decompresses a stream of zstd frames, one behind the other, piece by piece.
package struct ZstdReader: ~Copyable {
    private let context: OpaquePointer
    private let source: () throws -> [UInt8]?
    private var input: [UInt8] = []
    private var position = 0
    /// Whether the last frame has ended.
    private var isBetweenFrames = true
    private var hasEnded = false

    /// - Parameter source: gives the next piece of the compressed stream, nil or an empty one at its end; may block.
    package init(source: @escaping () throws -> [UInt8]?) throws(BackupError) {
        guard let context = ZSTD_createDStream() else {
            throw BackupError(.internalError, "zstd cannot be initialized")
        }
        self.context = context
        self.source = source
        // What this program writes needs 2 MiB; a frame may ask for 128 by itself.
        _ = ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 24)
    }

    deinit { _ = ZSTD_freeDStream(context) }

    /// The next piece of the content, at most 64 KiB; nil at the end.
    ///
    /// - Throws: ``BackupError/Code/corrupted`` for a stream that is damaged or ends within a frame.
    package mutating func read() throws -> [UInt8]? {
        while true {
            if position == input.count, !hasEnded {
                input = try source() ?? []
                position = 0
                hasEnded = input.isEmpty
            }
            if hasEnded {
                guard isBetweenFrames else { throw BackupError(.corrupted, "compressed data ends in the middle") }
                return nil
            }
            let piece = try decompress()
            if !piece.isEmpty { return piece }
        }
    }

    private mutating func decompress() throws(BackupError) -> [UInt8] {
        var result = 0
        var taken = 0
        let start = position
        let piece = [UInt8](unsafeUninitializedCapacity: 64 << 10) { output, count in
            input.withUnsafeBytes { bytes in
                var from = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: start)
                var to = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
                result = ZSTD_decompressStream(context, &to, &from)
                taken = from.pos
                count = to.pos
            }
        }
        guard ZSTD_isError(result) == 0 else { throw BackupError(.corrupted, "compressed data is damaged") }
        position = taken
        isBetweenFrames = result == 0
        return piece
    }
}
