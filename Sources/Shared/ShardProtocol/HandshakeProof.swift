import CCrypto
import Support

/// Who proves something.
package enum HandshakeRole: String, Sendable {
    case coordinator
    case agent
}

/// What both sides have said before their proofs, and the proofs over it.
///
/// A proof is HMAC-SHA256 in hexadecimal. The key is the token; the message is a sequence of fields, each preceded by its
/// length in bytes as 4-byte big-endian number, so that no two sequences look alike: the name of this protocol, the role that
/// proves, the agreed version, the offered versions, both nonces, everything that the agent said of itself, and the channel
/// binding. The role keeps a proof from being sent back to the one who made it, the nonces keep it from being used again, and
/// the offered versions keep a man in the middle from talking both sides down to an older version.
///
/// The token itself never crosses the connection, but whoever sees a proof can try tokens against it at home: a token must be
/// random, see ``minimumTokenLength``. The proofs do not protect what follows them; that is the work of TLS, whose exporter
/// value goes into `binding`.
package struct HandshakeTranscript: Sendable {
    /// Shorter tokens are refused: they could be guessed from a proof.
    package static let minimumTokenLength = 16
    /// What an agent that has a token answers when the coordinator's proof was missing or wrong: it gives nothing away, and
    /// the coordinator can tell it from an agent that has no token.
    static let withheldProof = "-"

    package var version: Int
    package var hello: Hello
    package var coordinatorNonce: String
    /// Ties the proofs to the encrypted channel below; empty when there is none.
    package var binding: [UInt8]

    package init(version: Int, hello: Hello, coordinatorNonce: String, binding: [UInt8] = []) {
        self.version = version
        self.hello = hello
        self.coordinatorNonce = coordinatorNonce
        self.binding = binding
    }

    /// What `role` sends to prove that it knows `token`; empty when no token is in use.
    package func proof(of role: HandshakeRole, token: Secret?) -> String {
        guard let token else { return "" }
        return authenticationCode(key: Array(token.exposed.utf8), message: message(of: role)).hexadecimal
    }

    /// Whether `proof` is the one that `role` makes with `token`. Takes the same time wherever the difference is.
    func isValid(_ proof: String, of role: HandshakeRole, token: Secret) -> Bool {
        let expected = Array(self.proof(of: role, token: token).utf8)
        let given = Array(proof.utf8)
        guard !expected.isEmpty, given.count == expected.count else { return false }
        return CRYPTO_memcmp(given, expected, expected.count) == 0
    }

    private func message(of role: HandshakeRole) -> [UInt8] {
        var fields = FieldWriter()
        fields.append("milvus-backup shard protocol")
        fields.append(role.rawValue)
        fields.append(String(version))
        fields.append(hello.versions.map(String.init))
        fields.append(hello.nonce)
        fields.append(coordinatorNonce)
        fields.append(hello.name)
        fields.append(hello.instance)
        fields.append(String(hello.capacity))
        fields.append(hello.stores.flatMap { [$0.storage.rawValue, $0.provider, $0.bucket, $0.root] })
        fields.append(binding)
        return fields.bytes
    }
}

/// Fields one after the other, each preceded by its length.
private struct FieldWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append(_ field: [UInt8]) {
        let length = UInt32(clamping: field.count)
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> UInt32(shift))) }
        bytes += field
    }

    mutating func append(_ field: String) { append(Array(field.utf8)) }

    /// A list is its count and then its members.
    mutating func append(_ list: [String]) {
        append(String(list.count))
        for member in list { append(member) }
    }
}

/// HMAC-SHA256.
private func authenticationCode(key: [UInt8], message: [UInt8]) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Int(SHA256_DIGEST_LENGTH)) { digest, count in
        var length: UInt32 = 0
        let result = HMAC(
            EVP_sha256(), key, Int32(clamping: key.count), message, message.count, digest.baseAddress, &length)
        // Only a failed allocation inside the library gives none; an empty proof is accepted by nobody who has a token.
        count = result == nil ? 0 : Int(length)
    }
}

extension Secret {
    /// A token as a handshake uses it: an empty one is none.
    ///
    /// - Throws: ``BackupError/Code/configuration`` when it is too short to be safe.
    package static func handshakeToken(_ token: Secret?) throws(BackupError) -> Secret? {
        guard let token, !token.isEmpty else { return nil }
        guard token.exposed.utf8.count >= HandshakeTranscript.minimumTokenLength else {
            throw BackupError(
                .configuration,
                "the token is shorter than \(HandshakeTranscript.minimumTokenLength) bytes and could be guessed",
                hint: "make one with `openssl rand -hex 32` and give it to coordinator and agents")
        }
        return token
    }
}
