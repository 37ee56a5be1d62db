import Compression
import Support

/// zstd for payloads.
enum PayloadCompression {
    /// Below this many bytes compression gains nothing worth its time.
    static let minimumSize = 256

    /// The compressed bytes, nil when they would not be fewer.
    static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        guard bytes.count >= minimumSize else { return nil }
        let compressed = Zstd.compress(bytes)
        return compressed.count < bytes.count ? compressed : nil
    }

    /// The bytes that `bytes` stand for.
    ///
    /// - Parameter limit: how many bytes they may be at most; no more is ever allocated.
    /// - Throws: ``BackupError/Code/protocolViolation``.
    static func decompress(_ bytes: [UInt8], limit: Int) throws(BackupError) -> [UInt8] {
        do {
            return try Zstd.decompress(bytes, limit: limit)
        } catch {
            throw BackupError(.protocolViolation, error.message)
        }
    }
}
