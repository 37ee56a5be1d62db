import CZstd
import Support

/// zstd for payloads.
enum Compression {
    /// Below this many bytes compression gains nothing worth its time.
    static let minimumSize = 256
    private static let level: Int32 = 3

    /// The compressed bytes, nil when they would not be fewer.
    static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= minimumSize else { return nil }
        // Room for one byte less than the input: zstd gives up when that is not enough.
        let compressed = [UInt8](unsafeUninitializedCapacity: bytes.count - 1) { output, count in
            let size = bytes.withUnsafeBytes {
                ZSTD_compress(output.baseAddress, output.count, $0.baseAddress, $0.count, level)
            }
            count = ZSTD_isError(size) == 0 ? size : 0
        }
        return compressed.isEmpty ? nil : compressed
    }

    /// The bytes that `bytes` stand for.
    ///
    /// - Parameter limit: how many bytes they may be at most; no more is ever allocated.
    /// - Throws: ``BackupError/Code/protocolViolation``.
    static func decompress(_ bytes: [UInt8], limit: Int) throws(BackupError) -> [UInt8] {
        let announced = bytes.withUnsafeBytes { ZSTD_getFrameContentSize($0.baseAddress, $0.count) }
        // The two highest values stand for "unknown" and "not a zstd frame" (zstd.h).
        guard announced < UInt64.max - 1 else {
            throw BackupError(.protocolViolation, "a compressed payload is damaged or does not name its size")
        }
        guard announced <= UInt64(limit) else {
            throw BackupError(
                .protocolViolation, "a compressed payload stands for \(announced) bytes, at most \(limit) are allowed")
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
        guard decompressed == size else {
            throw BackupError(.protocolViolation, "a compressed payload is damaged")
        }
        return result
    }
}
