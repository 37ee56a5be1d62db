import FoundationEssentials
import HTTP
import Support

/// A temporary access key of Huawei's identity service, good for two hours, in exchange for what the environment has: the
/// token of a service account (`HUAWEICLOUD_SDK_IDP_ID`, `HUAWEICLOUD_SDK_ID_TOKEN_FILE`, `HUAWEICLOUD_SDK_PROJECT_ID`), or
/// an access key (`HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK`, `HUAWEICLOUD_SDK_SECURITY_TOKEN`), which signs the request.
///
/// Requests and answers: `core/auth/internal/iam_service.go` of github.com/huaweicloud/huaweicloud-sdk-go-v3, and "Obtaining
/// a Temporary Access Key and Security Token Through a Token" in the API reference of Identity and Access Management.
package struct HuaweiCredentials: CredentialsSource {
    package let name: String
    private let http: any HTTPClient
    private let endpoint: String
    private let environment: [String: String]
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - endpoint: of the identity service; empty for that of the region.
    /// - Throws: ``BackupError/Code/configuration`` when neither is known.
    package init(
        http: any HTTPClient, endpoint: String, region: String, environment: [String: String],
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) throws(BackupError) {
        self.http = http
        self.environment = environment
        self.now = now
        let domain = region == "eu-west-101" ? "eu" : "com"
        let usual = region.isEmpty ? nil : "https://iam.\(region).myhuaweicloud.\(domain)"
        let written = endpoint.isEmpty ? environment.text("HUAWEICLOUD_SDK_IAM_ENDPOINT") : endpoint
        guard let endpoint = written.map({ $0.contains("://") ? $0 : "https://\($0)" }) ?? usual else {
            throw BackupError(
                .configuration, "region is empty: provider hwc needs it to find the identity service",
                hint: "set region, or auth.endpoint")
        }
        self.endpoint = endpoint.withoutSlashes
        name = "identity service (\(self.endpoint))"
    }

    package func fetch() async throws -> TemporaryCredentials? {
        if environment.text("HUAWEICLOUD_SDK_IDP_ID") != nil
            || environment.text("HUAWEICLOUD_SDK_ID_TOKEN_FILE") != nil
        {
            return try await temporaryKey([("x-auth-token", try await subjectToken())])
        }
        guard let id = environment.text("HUAWEICLOUD_SDK_AK") else { return nil }
        let secret = try environment.needed("HUAWEICLOUD_SDK_SK", for: "HUAWEICLOUD_SDK_AK")
        var headers = [("x-sdk-date", now().iso8601Basic)]
        if let token = environment.text("HUAWEICLOUD_SDK_SECURITY_TOKEN") {
            headers.append(("x-security-token", token))
        }
        return try await temporaryKey(headers, signedBy: (id, secret))
    }

    // MARK: Requests

    private struct IdentityQuestion: Encodable {
        struct Identifier: Encodable { var id: String }
        struct Scope: Encodable { var project: Identifier }
        struct Authentication: Encodable {
            var id_token: Identifier
            var scope: Scope
        }
        var auth: Authentication
    }

    /// The identity service's token for that of the service account.
    private func subjectToken() async throws -> String {
        let file = "HUAWEICLOUD_SDK_ID_TOKEN_FILE"
        let provider = try environment.needed("HUAWEICLOUD_SDK_IDP_ID", for: file)
        let project = try environment.needed("HUAWEICLOUD_SDK_PROJECT_ID", for: file)
        let path = try environment.needed(file, for: "HUAWEICLOUD_SDK_IDP_ID")
        let question = IdentityQuestion(
            auth: .init(
                id_token: .init(id: try await token(in: path)), scope: .init(project: .init(id: project))))
        let response = try await http.send(
            .exchange(
                "\(endpoint)/v3.0/OS-AUTH/id-token/tokens", type: "application/json;charset=UTF-8",
                headers: [("x-idp-id", provider)], body: Array(try JSONEncoder().encode(question))))
        guard response.isSuccess, let token = response.headers["x-subject-token"] else {
            throw refusal(response.status, endpoint, Self.message(response.body))
        }
        return token
    }

    private struct Answer: Decodable {
        struct Credential: Decodable {
            var access: String
            var secret: String
            var securitytoken: String
            var expires_at: String
        }
        var credential: Credential
    }

    private static let question =
        #"{"auth":{"identity":{"methods":["token"],"token":{"duration_seconds":7200}}}}"#

    private func temporaryKey(
        _ headers: [(name: String, value: String)], signedBy key: (id: String, secret: String)? = nil
    ) async throws -> TemporaryCredentials {
        let path = "/v3.0/OS-CREDENTIAL/securitytokens"
        let body = Array(Self.question.utf8)
        var headers = headers
        if let key {
            let signed = (headers + [("host", endpoint.host)]).sorted { $0.name < $1.name }
            let authorization = HuaweiSignature.authorization(
                "POST", path: path, headers: signed, body: body, accessKeyID: key.id, secretAccessKey: key.secret)
            headers.append(("authorization", authorization))
        }
        let response = try await http.send(
            .exchange(
                "\(endpoint)\(path)", type: "application/json;charset=UTF-8", headers: headers, body: body))
        guard response.isSuccess,
            let found = try? JSONDecoder().decode(Answer.self, from: Data(response.body)).credential
        else { throw refusal(response.status, endpoint, Self.message(response.body)) }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: found.access, secretAccessKey: Secret(found.secret),
                sessionToken: Secret(found.securitytoken)),
            expiration: Timestamp(iso8601: found.expires_at))
    }

    private struct Failure: Decodable {
        struct Details: Decodable { var message: String? }
        var error: Details?
        var error_msg: String?
    }

    private static func message(_ body: [UInt8]) -> String? {
        let failure = try? JSONDecoder().decode(Failure.self, from: Data(body))
        return failure?.error?.message ?? failure?.error_msg
    }
}

/// The signature of Huawei's services, which is not that of its object store: SDK-HMAC-SHA256.
///
/// Format: `core/auth/signer/signer.go` of github.com/huaweicloud/huaweicloud-sdk-go-v3.
enum HuaweiSignature {
    /// The value of the `Authorization` field.
    ///
    /// - Parameters:
    ///   - query: as ``canonicalQuery(_:)`` makes it.
    ///   - headers: those that are signed, names in lower case and ascending; `x-sdk-date` among them.
    static func authorization(
        _ method: String, path: String, query: String = "", headers: [(name: String, value: String)], body: [UInt8],
        accessKeyID: String, secretAccessKey: String
    ) -> String {
        let names = headers.map(\.name).joined(separator: ";")
        let fields = headers.map { "\($0.name):\($0.value)\n" }.joined()
        let closed = path.hasSuffix("/") ? path : "\(path)/"
        let canonical = "\(method)\n\(closed)\n\(query)\n\(fields)\n\(names)\n\(Digests.sha256(body).hexadecimal)"
        let time = headers.first { $0.name == "x-sdk-date" }?.value ?? ""
        let text = "SDK-HMAC-SHA256\n\(time)\n\(Digests.sha256(Array(canonical.utf8)).hexadecimal)"
        let signature = Digests.hmacSHA256(key: Array(secretAccessKey.utf8), Array(text.utf8)).hexadecimal
        return "SDK-HMAC-SHA256 Access=\(accessKeyID), SignedHeaders=\(names), Signature=\(signature)"
    }
}

extension String {
    /// `iam.example:8443` of `https://iam.example:8443/x`.
    fileprivate var host: String {
        let rest = firstRange(of: "://").map { self[$0.upperBound...] } ?? self[...]
        return String(rest.prefix { $0 != "/" })
    }
}
