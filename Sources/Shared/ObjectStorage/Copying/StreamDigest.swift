import CCrypto
import Support

/// MD5 of bytes that come in pieces. Used by one task at a time.
package final class StreamDigest {
    private let context: OpaquePointer

    /// - Throws: ``BackupError/Code/internalError`` when libcrypto offers no MD5 (a FIPS build).
    package init() throws(BackupError) {
        guard let context = EVP_MD_CTX_new() else { throw StreamDigest.failure }
        self.context = context
        guard EVP_DigestInit_ex(context, EVP_md5(), nil) == 1 else { throw StreamDigest.failure }
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes.
    package func update(_ bytes: [UInt8]) { EVP_DigestUpdate(context, bytes, bytes.count) }

    func update(_ bytes: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, bytes.baseAddress, bytes.count) }

    /// The digest; ends this value's life.
    package func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 16)
        EVP_DigestFinal_ex(context, &digest, nil)
        return digest
    }

    /// `digest` in lower-case hexadecimal, as stores write it.
    package static func hexadecimal(_ digest: [UInt8]) -> String {
        digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static var failure: BackupError { BackupError(.internalError, "libcrypto offers no MD5") }
}
