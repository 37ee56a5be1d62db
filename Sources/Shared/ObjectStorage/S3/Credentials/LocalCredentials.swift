import Glibc
import Support

/// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`.
package struct EnvironmentCredentials: CredentialsSource {
    package let name = "environment (AWS_ACCESS_KEY_ID)"
    private let environment: [String: String]

    package init(_ environment: [String: String]) { self.environment = environment }

    package func fetch() -> TemporaryCredentials? {
        guard let id = environment["AWS_ACCESS_KEY_ID"], !id.isEmpty,
            let secret = environment["AWS_SECRET_ACCESS_KEY"], !secret.isEmpty
        else { return nil }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: id, secretAccessKey: Secret(secret),
                sessionToken: environment["AWS_SESSION_TOKEN"].flatMap { $0.isEmpty ? nil : Secret($0) }))
    }
}

/// A profile of the file that Amazon's tools share.
package struct SharedFileCredentials: CredentialsSource {
    package let name: String
    private let path: String
    private let profile: String

    package init(_ environment: [String: String]) {
        let home = environment["HOME"] ?? ""
        path = environment["AWS_SHARED_CREDENTIALS_FILE"] ?? "\(home)/.aws/credentials"
        profile = environment["AWS_PROFILE"] ?? "default"
        name = "profile \(profile) of \(path)"
    }

    package func fetch() async throws -> TemporaryCredentials? {
        guard let text = try await contents(of: path) else { return nil }
        return Self.credentials(of: profile, in: text)
    }

    /// What a file of sections `[profile]` with lines `key = value` says.
    static func credentials(of profile: String, in text: String) -> TemporaryCredentials? {
        var values: [String: String] = [:]
        var isInProfile = false
        for line in text.split(whereSeparator: \.isNewline).map(\.withoutBlanks) {
            if line.hasPrefix("#") || line.hasPrefix(";") { continue }
            if line.hasPrefix("["), line.hasSuffix("]") {
                isInProfile = line.dropFirst().dropLast().withoutBlanks == profile
            } else if isInProfile, let sign = line.firstIndex(of: "=") {
                values[line[..<sign].withoutBlanks.lowercased()] = line[line.index(after: sign)...].withoutBlanks
            }
        }
        guard let id = values["aws_access_key_id"], let secret = values["aws_secret_access_key"] else { return nil }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: id, secretAccessKey: Secret(secret),
                sessionToken: values["aws_session_token"].map { Secret($0) }))
    }
}

/// The text of a small file; nil when there is none.
func contents(of path: String) async throws -> String? {
    try await onDedicatedThread {
        guard let file = fopen(path, "r") else {
            if errno == ENOENT || errno == ENOTDIR { return nil }
            throw BackupError(.configuration, "cannot read \(path): \(SystemError().text)")
        }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count], as: UTF8.self)
    }
}

extension StringProtocol {
    var withoutBlanks: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
