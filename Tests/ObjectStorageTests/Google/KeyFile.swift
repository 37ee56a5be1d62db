import CCrypto
import Glibc
import ObjectStorage
import Support
import Testing

/// A credentials file with a key of its own, gone with the last reference.
final class KeyFile: Sendable {
    let path: String
    let privateKey: String

    /// - Parameter changed: the text of the file, made of the usual one.
    init(
        account: String = "a@b", tokenURL: String = "https://oauth2.googleapis.com/token",
        changed: (String) -> String = { $0 }
    ) throws {
        privateKey = try KeyFile.makeKey()
        let key = privateKey.replacing("\n", with: "\\n")
        let text = """
            {"type": "service_account", "project_id": "p", "private_key_id": "7", "private_key": "\(key)",
             "client_email": "\(account)", "token_uri": "\(tokenURL)"}
            """
        path = "/tmp/key-\(UInt64.random(in: 0...UInt64.max)).json"
        let file = try #require(fopen(path, "w"))
        defer { fclose(file) }
        fputs(changed(text), file)
    }

    deinit { remove(path) }

    /// What the file says; it must be there until it is read.
    func key() throws -> ServiceAccountKey {
        try withExtendedLifetime(self) { try ServiceAccountKey(file: path) }
    }

    /// Is replaced by another file, as by whoever replaces a key.
    func become(_ other: KeyFile) throws { try #require(rename(other.path, path) == 0) }

    private static func makeKey() throws -> String {
        let context = try #require(EVP_PKEY_CTX_new_from_name(nil, "RSA", nil))
        defer { EVP_PKEY_CTX_free(context) }
        var key: OpaquePointer?
        #expect(EVP_PKEY_keygen_init(context) == 1 && EVP_PKEY_generate(context, &key) == 1)
        defer { EVP_PKEY_free(key) }
        let text = BIO_new(BIO_s_mem())
        defer { BIO_free(text) }
        #expect(PEM_write_bio_PrivateKey(text, key, nil, nil, 0, nil, nil) == 1)
        var bytes = [UInt8](repeating: 0, count: 8192)
        let count = BIO_read(text, &bytes, Int32(bytes.count))
        return String(decoding: bytes[..<Int(max(0, count))], as: UTF8.self)
    }
}
