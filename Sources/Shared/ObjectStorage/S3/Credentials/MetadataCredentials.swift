import FoundationEssentials
import HTTP
import Support

/// The role of a machine, from the metadata service of Amazon or of Alibaba: with a session token, or without where there
/// is none.
package struct InstanceCredentials: CredentialsSource {
    package let name: String
    private let http: any HTTPClient
    private let endpoint: String
    private let service: Service
    /// Empty for the one that the service names.
    private let role: String

    /// What differs between the two.
    private struct Service {
        var endpoint: String
        var lifetimeHeader: String
        var tokenHeader: String
        var rolePath: String

        static let amazon = Service(
            endpoint: "http://169.254.169.254", lifetimeHeader: "x-aws-ec2-metadata-token-ttl-seconds",
            tokenHeader: "x-aws-ec2-metadata-token", rolePath: "/latest/meta-data/iam/security-credentials/")
        static let alibaba = Service(
            endpoint: "http://100.100.100.200", lifetimeHeader: "x-aliyun-ecs-metadata-token-ttl-seconds",
            tokenHeader: "x-aliyun-ecs-metadata-token", rolePath: "/latest/meta-data/ram/security-credentials/")
    }

    private init(_ service: Service, http: any HTTPClient, endpoint: String, role: String = "") {
        self.http = http
        self.service = service
        self.endpoint = (endpoint.isEmpty ? service.endpoint : endpoint).withoutSlashes
        self.role = role
        name = "instance metadata (\(self.endpoint))"
    }

    /// - Parameter endpoint: empty for the usual one.
    package static func amazon(
        http: any HTTPClient, endpoint: String, environment: [String: String]
    ) -> InstanceCredentials {
        let usual = environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] ?? ""
        return InstanceCredentials(.amazon, http: http, endpoint: endpoint.isEmpty ? usual : endpoint)
    }

    /// The RAM role of an ECS instance, as `credentials/providers/ecs_ram_role.go` of github.com/aliyun/credentials-go asks
    /// for it.
    ///
    /// - Parameter endpoint: empty for the usual one.
    /// - Returns: nil when the environment forbids to ask.
    package static func alibaba(
        http: any HTTPClient, endpoint: String, environment: [String: String]
    ) -> InstanceCredentials? {
        if environment["ALIBABA_CLOUD_ECS_METADATA_DISABLED"]?.lowercased() == "true" { return nil }
        let role = environment["ALIBABA_CLOUD_ECS_METADATA"] ?? ""
        return InstanceCredentials(.alibaba, http: http, endpoint: endpoint, role: role)
    }

    package func fetch() async throws -> TemporaryCredentials? {
        let lifetime = (name: service.lifetimeHeader, value: "21600")
        let answer = try await http.send(.metadata("PUT", "\(endpoint)/latest/api/token", headers: [lifetime]))
        let token = answer.status == 200 ? String(decoding: answer.body, as: UTF8.self) : ""
        let headers = token.isEmpty ? [] : [(name: service.tokenHeader, value: token)]
        let roles = endpoint + service.rolePath
        guard let role = role.isEmpty ? try await firstRole(roles, headers) : role else { return nil }
        let url = roles + role.percentEncodedPath
        let response = try await http.send(.metadata("GET", url, headers: headers))
        try response.mustBeSuccess(url)
        return try TemporaryCredentials(json: response.body, of: url)
    }

    /// Nil on a machine without a role, which has no such page.
    private func firstRole(_ url: String, _ headers: [(name: String, value: String)]) async throws -> String? {
        let names = try await http.send(.metadata("GET", url, headers: headers))
        if names.status == 404 { return nil }
        try names.mustBeSuccess(url)
        return String(decoding: names.body, as: UTF8.self).split(whereSeparator: \.isNewline).first.map(String.init)
    }
}

/// The role of a container, which its environment tells where to ask for.
package struct ContainerCredentials: CredentialsSource {
    package let name = "container (AWS_CONTAINER_CREDENTIALS_RELATIVE_URI, _FULL_URI)"
    private let http: any HTTPClient
    private let environment: [String: String]

    package init(http: any HTTPClient, environment: [String: String]) {
        self.http = http
        self.environment = environment
    }

    package func fetch() async throws -> TemporaryCredentials? {
        let relative = environment["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"].map { "http://169.254.170.2\($0)" }
        guard let url = relative ?? environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], !url.isEmpty else { return nil }
        var token = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] ?? ""
        if let path = environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"], !path.isEmpty {
            token = try await contents(of: path)?.withoutBlanks ?? ""
        }
        let headers = token.isEmpty ? [] : [(name: "authorization", value: token)]
        let response = try await http.send(.metadata("GET", url, headers: headers))
        try response.mustBeSuccess(url)
        return try TemporaryCredentials(json: response.body, of: url)
    }
}

/// The token of a Google machine's service account, which its store takes instead of a signature.
package struct GoogleMachineCredentials: CredentialsSource {
    package let name: String
    private let http: any HTTPClient
    private let url: String
    private let now: @Sendable () -> Timestamp

    /// - Parameter endpoint: empty for the usual one.
    package init(
        http: any HTTPClient, endpoint: String, environment: [String: String],
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.http = http
        self.now = now
        let usual = "http://\(environment["GCE_METADATA_HOST"] ?? "metadata.google.internal")"
        let base = (endpoint.isEmpty ? usual : endpoint).withoutSlashes
        url = "\(base)/computeMetadata/v1/instance/service-accounts/default/token"
        name = "Google's metadata server (\(base))"
    }

    private struct Token: Decodable {
        var access_token: String
        var expires_in: Int64
    }

    package func fetch() async throws -> TemporaryCredentials? {
        let flavor = (name: "metadata-flavor", value: "Google")
        let response = try await http.send(.metadata("GET", url, headers: [flavor]))
        try response.mustBeSuccess(url)
        guard let token = try? JSONDecoder().decode(Token.self, from: Data(response.body)) else {
            throw BackupError(.protocolViolation, "\(url) did not answer with a token")
        }
        return TemporaryCredentials(
            S3Credentials(accessKeyID: "", secretAccessKey: Secret(""), sessionToken: Secret(token.access_token)),
            expiration: Timestamp(seconds: now().seconds + token.expires_in))
    }
}

extension TemporaryCredentials {
    private struct Document: Decodable {
        var AccessKeyId: String
        var SecretAccessKey: String?
        var Token: String?
        var AccessKeySecret: String?
        var SecurityToken: String?
        var Expiration: String?
    }

    /// As the services of Amazon and Alibaba answer.
    init(json: [UInt8], of url: String) throws {
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(json)),
            let secret = document.SecretAccessKey ?? document.AccessKeySecret
        else { throw BackupError(.protocolViolation, "\(url) did not answer with credentials") }
        self.init(
            S3Credentials(
                accessKeyID: document.AccessKeyId, secretAccessKey: Secret(secret),
                sessionToken: (document.Token ?? document.SecurityToken).map { Secret($0) }),
            expiration: document.Expiration.flatMap { Timestamp(iso8601: $0) })
    }
}

extension HTTPRequest {
    /// A request that is answered nearby and at once, or not at all.
    static func metadata(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = []
    ) -> HTTPRequest {
        var request = HTTPRequest(method, url, headers: headers)
        if method == "PUT" { request.body = .bytes([]) }
        request.connectTimeout = .seconds(2)
        request.totalTimeout = .seconds(5)
        request.maximumResponseSize = 1 << 16
        return request
    }
}

extension HTTPResponse {
    func mustBeSuccess(_ url: String) throws(BackupError) {
        guard !isSuccess else { return }
        throw BackupError(.remoteFailure, "HTTP \(status) from \(url)", isRetryable: status >= 500)
    }
}

extension String {
    var withoutSlashes: String {
        var text = self[...]
        while text.last == "/" { text.removeLast() }
        return String(text)
    }
}
