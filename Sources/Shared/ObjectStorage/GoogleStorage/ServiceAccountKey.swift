import CCrypto
import FoundationEssentials
import Glibc
import Support

/// A key of a Google service account, as in the JSON file that Google makes for it.
package struct ServiceAccountKey: Sendable {
    /// The account's name, as in `backup@project.iam.gserviceaccount.com`.
    package let account: String
    /// Where new buckets belong; empty when the file names none.
    package let project: String
    /// Where a signed request is exchanged for a token.
    package let tokenURL: String
    /// Where it was read.
    let file: String
    private let keyID: String
    private let privateKey: Secret

    private struct File: Decodable {
        var type: String?
        var project_id: String?
        var private_key_id: String?
        var private_key: String?
        var client_email: String?
        var token_uri: String?
    }

    /// Reads the file, which is small.
    ///
    /// - Throws: ``BackupError/Code/configuration``, without a word of what is in the file but its type.
    package init(file path: String) throws(BackupError) {
        self.file = path
        let file = "the credentials file \"\(path.escapingControlCharacters)\""
        let bytes = try ServiceAccountKey.contents(of: path, file)
        guard let content = try? JSONDecoder().decode(File.self, from: Data(bytes)) else {
            throw BackupError(.configuration, "\(file) is not the JSON file of a key", hint: ServiceAccountKey.hint)
        }
        guard content.type == "service_account" else {
            let found = content.type.map { "is of type \"\($0.prefix(40).description.escapingControlCharacters)\"" }
            throw BackupError(
                .configuration, "\(file) \(found ?? "has no type") and not of type \"service_account\"",
                hint: ServiceAccountKey.hint)
        }
        func required(_ name: String, _ value: String?) throws(BackupError) -> String {
            guard let value, !value.isEmpty else {
                throw BackupError(.configuration, "\(file) has no \(name)", hint: ServiceAccountKey.hint)
            }
            return value
        }
        account = try required("client_email", content.client_email).escapingControlCharacters
        privateKey = Secret(try required("private_key", content.private_key))
        project = content.project_id ?? ""
        keyID = content.private_key_id ?? ""
        tokenURL = content.token_uri ?? "https://oauth2.googleapis.com/token"
        guard tokenURL.hasPrefix("https://") || tokenURL.hasPrefix("http://") else {
            throw BackupError(.configuration, "\(file) has a token_uri that is no URL", hint: ServiceAccountKey.hint)
        }
        guard sign([]) != nil else {
            throw BackupError(
                .configuration, "\(file) has a private_key that is not an RSA key in PEM form",
                hint: ServiceAccountKey.hint)
        }
    }

    private static let hint = "make a key of type JSON for the service account, and name its file"

    private static func contents(of path: String, _ file: String) throws(BackupError) -> [UInt8] {
        guard let stream = fopen(path, "re") else {
            throw BackupError(.configuration, "\(file) cannot be read: \(SystemError().text)")
        }
        defer { fclose(stream) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&buffer, 1, buffer.count, stream)
        guard ferror(stream) == 0 else {
            throw BackupError(.configuration, "\(file) cannot be read: \(SystemError().text)")
        }
        return Array(buffer[..<count])
    }

    // MARK: Tokens

    /// All of it that is signed.
    private struct Header: Encodable {
        var alg = "RS256"
        var typ = "JWT"
        var kid: String?
    }

    private struct Claims: Encodable {
        var iss: String
        // Objects may be read and written, buckets be made; rights be changed they may not.
        var scope = "https://www.googleapis.com/auth/devstorage.read_write"
        var aud: String
        var iat: Int64
        var exp: Int64
    }

    /// A request for a token, signed with the key (RFC 7523); valid for an hour.
    func assertion(at now: Timestamp) throws -> String {
        let encoder = JSONEncoder()
        let header = try encoder.encode(Header(kid: keyID.isEmpty ? nil : keyID))
        let claims = try encoder.encode(
            Claims(iss: account, aud: tokenURL, iat: now.seconds, exp: now.seconds + 3600))
        let signed = "\(Array(header).base64URL).\(Array(claims).base64URL)"
        guard let signature = sign(Array(signed.utf8)) else {
            throw BackupError(.internalError, "the key of \(account) cannot sign")
        }
        return "\(signed).\(signature.base64URL)"
    }

    /// nil when the key is none.
    private func sign(_ data: [UInt8]) -> [UInt8]? {
        // Room for keys of 16384 bits.
        var length = 2048
        var signature = [UInt8](repeating: 0, count: length)
        var pem = privateKey.exposed
        let succeeded = pem.withUTF8 { pem in
            pem.withMemoryRebound(to: CChar.self) { pem in
                ccrypto_sign_rs256(pem.baseAddress, Int32(pem.count), data, data.count, &signature, &length) == 1
            }
        }
        return succeeded ? Array(signature[..<length]) : nil
    }
}

extension [UInt8] {
    /// Base 64 as URLs and tokens have it: without padding.
    fileprivate var base64URL: String {
        String(
            base64.compactMap { character -> Character? in
                switch character {
                case "+": "-"
                case "/": "_"
                case "=": nil
                default: character
                }
            })
    }
}
