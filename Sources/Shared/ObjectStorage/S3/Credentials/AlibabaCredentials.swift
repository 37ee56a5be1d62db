import FoundationEssentials
import HTTP
import Support

/// `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET`, `ALIBABA_CLOUD_SECURITY_TOKEN`.
package struct AlibabaEnvironmentCredentials: CredentialsSource {
    package let name = "environment (ALIBABA_CLOUD_ACCESS_KEY_ID)"
    private let environment: [String: String]

    package init(_ environment: [String: String]) { self.environment = environment }

    package func fetch() -> TemporaryCredentials? {
        guard let id = environment.text("ALIBABA_CLOUD_ACCESS_KEY_ID"),
            let secret = environment.text("ALIBABA_CLOUD_ACCESS_KEY_SECRET")
        else { return nil }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: id, secretAccessKey: Secret(secret),
                sessionToken: environment.text("ALIBABA_CLOUD_SECURITY_TOKEN").map { Secret($0) }))
    }
}

/// A role for the token of a service account (`ALIBABA_CLOUD_OIDC_TOKEN_FILE`, `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`,
/// `ALIBABA_CLOUD_ROLE_ARN`): AssumeRoleWithOIDC of the security token service.
///
/// Request and answer: `credentials/providers/oidc.go` of github.com/aliyun/credentials-go.
package struct AlibabaWebIdentityCredentials: CredentialsSource {
    package let name = "web identity (ALIBABA_CLOUD_OIDC_TOKEN_FILE)"
    private let http: any HTTPClient
    private let endpoint: String
    private let environment: [String: String]
    private let now: @Sendable () -> Timestamp

    /// - Parameter endpoint: of the security token service; empty for the usual one.
    package init(
        http: any HTTPClient, endpoint: String, environment: [String: String],
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.http = http
        self.environment = environment
        self.now = now
        let isPrivate = environment["ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"]?.lowercased() == "true"
        let region = environment.text("ALIBABA_CLOUD_STS_REGION")
        let usual = region.map { "https://\(isPrivate ? "sts-vpc" : "sts").\($0).aliyuncs.com" }
        self.endpoint = (endpoint.isEmpty ? usual ?? "https://sts.aliyuncs.com" : endpoint).withoutSlashes
    }

    private struct Answer: Decodable {
        var Message: String?
        var Code: String?
    }

    private struct Wrapper: Decodable {
        struct Credentials: Decodable {
            var AccessKeyId: String
            var AccessKeySecret: String
            var SecurityToken: String
            var Expiration: String?
        }
        var Credentials: Credentials
    }

    package func fetch() async throws -> TemporaryCredentials? {
        guard let path = environment.text("ALIBABA_CLOUD_OIDC_TOKEN_FILE") else { return nil }
        let provider = try environment.needed("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", for: "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
        let role = try environment.needed("ALIBABA_CLOUD_ROLE_ARN", for: "ALIBABA_CLOUD_OIDC_TOKEN_FILE")
        let query = formBody([
            ("Action", "AssumeRoleWithOIDC"), ("Format", "JSON"), ("Timestamp", now().withoutFraction),
            ("Version", "2015-04-01"),
        ])
        let body = formBody([
            ("RoleArn", role), ("OIDCProviderArn", provider), ("OIDCToken", try await token(in: path)),
            ("RoleSessionName", environment.text("ALIBABA_CLOUD_ROLE_SESSION_NAME") ?? "milvus-backup"),
            ("DurationSeconds", "3600"),
        ])
        let response = try await http.send(
            .exchange(
                "\(endpoint)/?\(String(decoding: query, as: UTF8.self))", type: "application/x-www-form-urlencoded",
                body: body))
        let data = Data(response.body)
        guard response.isSuccess,
            let found = try? JSONDecoder().decode(Wrapper.self, from: data).Credentials
        else {
            let answer = try? JSONDecoder().decode(Answer.self, from: data)
            throw refusal(response.status, endpoint, answer?.Message ?? answer?.Code)
        }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: found.AccessKeyId, secretAccessKey: Secret(found.AccessKeySecret),
                sessionToken: Secret(found.SecurityToken)),
            expiration: found.Expiration.flatMap { Timestamp(iso8601: $0) })
    }
}

/// Whatever answers at `ALIBABA_CLOUD_CREDENTIALS_URI`.
package struct AlibabaURICredentials: CredentialsSource {
    package let name = "service (ALIBABA_CLOUD_CREDENTIALS_URI)"
    private let http: any HTTPClient
    private let environment: [String: String]

    package init(http: any HTTPClient, environment: [String: String]) {
        self.http = http
        self.environment = environment
    }

    package func fetch() async throws -> TemporaryCredentials? {
        guard let url = environment.text("ALIBABA_CLOUD_CREDENTIALS_URI") else { return nil }
        let response = try await http.send(.metadata("GET", url))
        try response.mustBeSuccess("ALIBABA_CLOUD_CREDENTIALS_URI")
        return try TemporaryCredentials(json: response.body, of: "ALIBABA_CLOUD_CREDENTIALS_URI")
    }
}

/// A service that gives no credentials says why.
func refusal(_ status: Int, _ endpoint: String, _ message: String?) -> BackupError {
    let said = (message ?? "no credentials in the answer").escapingControlCharacters
    return BackupError(
        .permissionDenied, "HTTP \(status) from \(endpoint): \(said)", isRetryable: status >= 500 || status == 429)
}

extension [String: String] {
    /// A variable that is set and not empty.
    func text(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// A variable without which another one is worth nothing.
    func needed(_ name: String, for other: String) throws(BackupError) -> String {
        guard let text = text(name) else {
            throw BackupError(.configuration, "\(other) is set, but \(name) is not")
        }
        return text
    }
}

extension Timestamp {
    /// `2026-01-31T12:00:00Z`.
    fileprivate var withoutFraction: String { "\(iso8601.prefix { $0 != "." })Z" }
}
