import CCrypto
import Support

/// Random numbers that nobody can guess.
package enum SecureRandom {
    /// - Throws: ``BackupError/Code/internalError`` when the system has no randomness to give.
    package static func bytes(_ count: Int) throws(BackupError) -> [UInt8] {
        var succeeded = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            succeeded = RAND_bytes(buffer.baseAddress, Int32(clamping: buffer.count)) == 1
            filled = succeeded ? count : 0
        }
        guard succeeded else { throw BackupError(.internalError, "the system gives no random numbers") }
        return bytes
    }

    /// So many random bytes as hexadecimal digits, two for each.
    package static func hexadecimal(bytes count: Int) throws(BackupError) -> String { try bytes(count).hexadecimal }
}

extension [UInt8] {
    /// Two lower-case digits for each byte.
    var hexadecimal: String {
        let digits = Array<UInt8>("0123456789abcdef".utf8)
        return String(decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
