import FoundationEssentials
import HTTP
import Support

/// The tokens of a service account: a request signed with its key is exchanged for one. The key's file is read each time, since
/// keys are replaced.
package struct ServiceAccountCredentials: CredentialsSource {
    package let name: String
    private let key: ServiceAccountKey
    private let http: any HTTPClient
    private let tls: TLSSettings
    private let now: @Sendable () -> Timestamp

    package init(
        _ key: ServiceAccountKey, http: any HTTPClient, tls: TLSSettings = TLSSettings(),
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        name = "the service account \(key.account)"
        self.key = key
        self.http = http
        self.tls = tls
        self.now = now
    }

    private struct Token: Decodable {
        var access_token: String
        var expires_in: Int64?
    }

    private struct Refusal: Decodable {
        var error: String
        var error_description: String?
    }

    package func fetch() async throws -> TemporaryCredentials? {
        let time = now()
        let key = await currentKey()
        let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
        var request = HTTPRequest(
            "POST", key.tokenURL, headers: [("content-type", "application/x-www-form-urlencoded")],
            body: .bytes(Array("\(grant)&assertion=\(try key.assertion(at: time))".utf8)))
        request.tls = tls
        request.totalTimeout = .seconds(30)
        request.maximumResponseSize = 1 << 16
        let response = try await http.send(request)
        guard response.status == 200 else { throw refusal(response, key) }
        guard let token = try? JSONDecoder().decode(Token.self, from: Data(response.body)) else {
            throw BackupError(.protocolViolation, "\(key.tokenURL) did not answer with a token")
        }
        return TemporaryCredentials(
            S3Credentials(accessKeyID: "", secretAccessKey: Secret(""), sessionToken: Secret(token.access_token)),
            expiration: Timestamp(seconds: time.seconds + (token.expires_in ?? 3600)))
    }

    /// The key as it was, when there is none in the file at this moment.
    private func currentKey() async -> ServiceAccountKey {
        (try? await onDedicatedThread { [file = key.file] in try ServiceAccountKey(file: file) }) ?? key
    }

    private func refusal(_ response: HTTPResponse, _ key: ServiceAccountKey) -> BackupError {
        let said = try? JSONDecoder().decode(Refusal.self, from: Data(response.body))
        let words = [said?.error, said?.error_description].compactMap { $0 }.joined(separator: ": ")
        let shown = words.isEmpty ? "status \(response.status)" : String(words.prefix(300)).escapingControlCharacters
        let isRetryable = response.status == 429 || response.status >= 500
        return BackupError(
            .permissionDenied, "\(key.tokenURL) gives no token: \(shown)", isRetryable: isRetryable)
    }
}
