import CZstd
import Support

/// zstd for what is in memory.
package enum Zstd {
    /// Fast, and good enough for text.
    private static let level: Int32 = 3

    /// One frame whose header names the size of its content.
    package static func compress(_ bytes: [UInt8]) -> [UInt8] {
        let bound = ZSTD_compressBound(bytes.count)
        return [UInt8](unsafeUninitializedCapacity: bound) { output, count in
            let size = bytes.withUnsafeBytes {
                ZSTD_compress(output.baseAddress, output.count, $0.baseAddress, $0.count, level)
            }
            // With so much room only a failed allocation inside the library is left, which ends a Swift program as well.
            precondition(ZSTD_isError(size) == 0, "zstd cannot compress \(bytes.count) bytes")
            count = size
        }
    }

    /// The content of one frame.
    ///
    /// - Parameter limit: how many bytes it may have at most; no more is ever allocated.
    /// - Throws: ``BackupError/Code/corrupted``.
    package static func decompress(_ bytes: [UInt8], limit: Int) throws(BackupError) -> [UInt8] {
        let announced = bytes.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        // The two highest values stand for "unknown" and "not a zstd frame" (zstd.h).
        guard announced < UInt64.max - 1 else {
            throw BackupError(.corrupted, "compressed data is damaged or does not name its size")
        }
        guard announced <= UInt64(limit) else {
            throw BackupError(
                .corrupted, "compressed data stands for \(announced) bytes, at most \(limit) are allowed")
        }
        let size = Int(announced)
        var decompressed = 0
        let result = [UInt8](unsafeUninitializedCapacity: size) { output, count in
            let written = bytes.withUnsafeBytes {
                ZSTD_decompress(output.baseAddress, output.count, $0.baseAddress, $0.count)
            }
            count = ZSTD_isError(written) == 0 ? written : 0
            decompressed = count
        }
        guard decompressed == size else { throw BackupError(.corrupted, "compressed data is damaged") }
        return result
    }
}
