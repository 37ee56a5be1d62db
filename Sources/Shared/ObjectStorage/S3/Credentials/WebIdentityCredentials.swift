import HTTP
import Support

/// A role for the token that Kubernetes has put into a file (`AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN`).
package struct WebIdentityCredentials: CredentialsSource {
    package let name = "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"
    private let http: any HTTPClient
    private let endpoint: String
    private let environment: [String: String]

    /// - Parameter endpoint: of the security token service; empty for the usual one.
    package init(http: any HTTPClient, endpoint: String, environment: [String: String]) {
        self.http = http
        self.environment = environment
        let region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? ""
        let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        let usual = region.isEmpty ? "https://sts.amazonaws.com" : "https://sts.\(region).\(domain)"
        self.endpoint = (endpoint.isEmpty ? usual : endpoint).withoutSlashes
    }

    package func fetch() async throws -> TemporaryCredentials? {
        guard let path = environment["AWS_WEB_IDENTITY_TOKEN_FILE"], !path.isEmpty else { return nil }
        let token = try await token(in: path)
        let session = environment["AWS_ROLE_SESSION_NAME"] ?? "milvus-backup"
        var fields = [
            ("Action", "AssumeRoleWithWebIdentity"), ("Version", "2011-06-15"), ("RoleSessionName", session),
        ]
        if let role = environment["AWS_ROLE_ARN"], !role.isEmpty { fields.append(("RoleArn", role)) }
        fields.append(("WebIdentityToken", token))
        // In the body: what stands in a URL stands in logs.
        let form = "application/x-www-form-urlencoded"
        let request = HTTPRequest.exchange("\(endpoint)/", type: form, body: formBody(fields))
        let response = try await http.send(request)
        let document = try? Document(response.body)
        guard response.isSuccess, let document, let id = document["AccessKeyId"],
            let secret = document["SecretAccessKey"]
        else {
            let said = (document?["Message"] ?? document?["Code"] ?? "no credentials in the answer")
            throw BackupError(
                .permissionDenied, "HTTP \(response.status) from \(endpoint): \(said.escapingControlCharacters)")
        }
        return TemporaryCredentials(
            S3Credentials(
                accessKeyID: id, secretAccessKey: Secret(secret),
                sessionToken: document["SessionToken"].map { Secret($0) }),
            expiration: document["Expiration"].flatMap { Timestamp(iso8601: $0) })
    }

    /// A document of which all leaves matter, wherever they are.
    private struct Document: XMLRecords {
        private var values: [String: String] = [:]

        init(_ document: [UInt8]) throws(BackupError) { try readXML(document, into: &self) }

        subscript(_ name: String) -> String? { values[name] }

        mutating func end(_ name: String, text: [UInt8], depth: Int) {
            values[name] = String(decoding: text, as: UTF8.self)
        }
    }
}

/// The token that Kubernetes has put into a file, and renews there.
func token(in path: String) async throws -> String {
    guard let token = try await contents(of: path)?.withoutBlanks, !token.isEmpty else {
        throw BackupError(.configuration, "there is no token in \(path)")
    }
    return token
}

/// The body of a form.
func formBody(_ fields: [(name: String, value: String)]) -> [UInt8] {
    var body: [UInt8] = []
    for (name, value) in fields {
        body += Array((body.isEmpty ? "" : "&").utf8) + Array("\(name)=".utf8)
        body.appendEncoded(value)
    }
    return body
}

extension HTTPRequest {
    /// A request to a service that gives credentials for something else.
    static func exchange(
        _ url: String, type: String, headers: [(name: String, value: String)] = [], body: [UInt8]
    ) -> HTTPRequest {
        var request = HTTPRequest("POST", url, headers: [("content-type", type)] + headers, body: .bytes(body))
        request.totalTimeout = .seconds(30)
        request.maximumResponseSize = 1 << 20
        return request
    }
}
