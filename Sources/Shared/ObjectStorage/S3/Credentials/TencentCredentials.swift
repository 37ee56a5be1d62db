import FoundationEssentials
import HTTP
import Support

/// A role for the token of a service account in Tencent's Kubernetes (`TKE_WEB_IDENTITY_TOKEN_FILE`, `TKE_ROLE_ARN`,
/// `TKE_PROVIDER_ID`, `TKE_REGION`): AssumeRoleWithWebIdentity of the security token service, which is not signed.
///
/// Request and answer: `tencentcloud/common/oidc_role_arn_provider.go` of github.com/TencentCloud/tencentcloud-sdk-go.
package struct TencentWebIdentityCredentials: CredentialsSource {
    package let name = "web identity (TKE_WEB_IDENTITY_TOKEN_FILE)"
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
        self.endpoint = (endpoint.isEmpty ? "https://sts.tencentcloudapi.com" : endpoint).withoutSlashes
        self.environment = environment
        self.now = now
    }

    private struct Question: Encodable {
        var ProviderId: String
        var WebIdentityToken: String
        var RoleArn: String
        var RoleSessionName: String
        var DurationSeconds = 7200
    }

    private struct Answer: Decodable {
        struct Response: Decodable {
            struct Credentials: Decodable {
                var TmpSecretId: String
                var TmpSecretKey: String
                var Token: String
            }
            struct Failure: Decodable {
                var Code: String?
                var Message: String?
            }
            var Credentials: Credentials?
            var ExpiredTime: Int64?
            var Error: Failure?
        }
        var Response: Response
    }

    package func fetch() async throws -> TemporaryCredentials? {
        let variable = "TKE_WEB_IDENTITY_TOKEN_FILE"
        guard let path = environment.text(variable) else { return nil }
        let question = Question(
            ProviderId: try environment.needed("TKE_PROVIDER_ID", for: variable),
            WebIdentityToken: try await token(in: path),
            RoleArn: try environment.needed("TKE_ROLE_ARN", for: variable),
            RoleSessionName: "milvus-backup-\(now().milliseconds)")
        let headers = [
            ("authorization", "SKIP"), ("x-tc-action", "AssumeRoleWithWebIdentity"), ("x-tc-version", "2018-08-13"),
            ("x-tc-region", try environment.needed("TKE_REGION", for: variable)),
            ("x-tc-timestamp", "\(now().seconds)"),
        ]
        let response = try await http.send(
            .exchange(
                "\(endpoint)/", type: "application/json; charset=utf-8", headers: headers,
                body: Array(try JSONEncoder().encode(question))))
        // A refusal is an answer of status 200 as well.
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(response.body)).Response
        guard response.isSuccess, let answer, let found = answer.Credentials else {
            throw refusal(response.status, endpoint, answer?.Error?.Message ?? answer?.Error?.Code)
        }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: found.TmpSecretId, secretAccessKey: Secret(found.TmpSecretKey),
                sessionToken: Secret(found.Token)),
            expiration: answer.ExpiredTime.map { Timestamp(seconds: $0) })
    }
}
