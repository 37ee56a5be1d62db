import FoundationEssentials
import HTTP
import Support

/// What `auth.type: default` asks for: tokens of Microsoft Entra ID for Azure's storage, from the first of the places that the
/// original's library looks at and that makes sense without a user. When that one refuses, no other is asked: whoever names an
/// identity does not mean another.
package func azureTokens(http: any HTTPClient, environment: [String: String]) -> any CredentialsProvider {
    let source: any CredentialsSource =
        if environment.value("AZURE_CLIENT_SECRET") != nil {
            ClientSecretTokens(http: http, environment: environment)
        } else if environment.value("AZURE_FEDERATED_TOKEN_FILE") != nil {
            WorkloadIdentityTokens(http: http, environment: environment)
        } else {
            ManagedIdentityTokens(http: http, environment: environment)
        }
    return CredentialsChain(
        [source],
        hint: "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, give this host an identity, or use "
            + "auth.type sharedKey")
}

private let storageResource = "https://storage.azure.com/"

/// A registered application with a secret: `AZURE_TENANT_ID`, `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET`.
struct ClientSecretTokens: CredentialsSource {
    let name = "environment (AZURE_CLIENT_SECRET)"
    let http: any HTTPClient
    let environment: [String: String]

    func fetch() async throws -> TemporaryCredentials? {
        guard let secret = environment.value("AZURE_CLIENT_SECRET") else { return nil }
        return try await environment.entraToken(http, [("client_secret", secret)])
    }
}

/// The token that Kubernetes has put into a file, for one of Entra ID's: `AZURE_FEDERATED_TOKEN_FILE`.
struct WorkloadIdentityTokens: CredentialsSource {
    let name = "workload identity (AZURE_FEDERATED_TOKEN_FILE)"
    let http: any HTTPClient
    let environment: [String: String]

    func fetch() async throws -> TemporaryCredentials? {
        guard let path = environment.value("AZURE_FEDERATED_TOKEN_FILE") else { return nil }
        guard let token = try await contents(of: path)?.withoutBlanks, !token.isEmpty else {
            throw BackupError(.configuration, "there is no token in \(path)")
        }
        return try await environment.entraToken(
            http,
            [
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                ("client_assertion", token),
            ])
    }
}

/// The identity of a machine, or of a service that tells where to ask for it (`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`).
struct ManagedIdentityTokens: CredentialsSource {
    let name = "managed identity (IDENTITY_ENDPOINT, instance metadata)"
    let http: any HTTPClient
    let environment: [String: String]

    func fetch() async throws -> TemporaryCredentials? {
        var query: [(name: String, value: String)] = [("resource", storageResource)]
        if let client = environment.value("AZURE_CLIENT_ID") { query.append(("client_id", client)) }
        let url: String
        let header: (name: String, value: String)
        if let endpoint = environment.value("IDENTITY_ENDPOINT"), let secret = environment.value("IDENTITY_HEADER") {
            url = "\(endpoint)?\(canonicalQuery(query + [("api-version", "2019-08-01")]))"
            header = ("x-identity-header", secret)
        } else {
            let host = environment.value("AZURE_POD_IDENTITY_AUTHORITY_HOST") ?? "http://169.254.169.254"
            let query = canonicalQuery(query + [("api-version", "2018-02-01")])
            url = "\(host.withoutSlashes)/metadata/identity/oauth2/token?\(query)"
            header = ("metadata", "true")
        }
        let place = String(url.prefix { $0 != "?" })
        return try await http.token(.metadata("GET", url, headers: [header]), of: place)
    }
}

extension [String: String] {
    fileprivate func value(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }

    /// Asks Entra ID for a token, in the name of the application that the environment names.
    fileprivate func entraToken(
        _ http: any HTTPClient, _ proof: [(name: String, value: String)]
    ) async throws -> TemporaryCredentials {
        guard let tenant = value("AZURE_TENANT_ID"), let client = value("AZURE_CLIENT_ID") else {
            throw BackupError(.configuration, "AZURE_TENANT_ID and AZURE_CLIENT_ID must both be set")
        }
        let authority = (value("AZURE_AUTHORITY_HOST") ?? "https://login.microsoftonline.com").withoutSlashes
        let url = "\(authority)/\(tenant.percentEncodedPath)/oauth2/v2.0/token"
        let form = [
            ("client_id", client), ("grant_type", "client_credentials"), ("scope", "\(storageResource).default"),
        ]
        // In the body: what stands in a URL stands in logs.
        var request = HTTPRequest(
            "POST", url, headers: [("content-type", "application/x-www-form-urlencoded")],
            body: .bytes(Array(canonicalQuery(form + proof).utf8)))
        request.totalTimeout = .seconds(30)
        request.maximumResponseSize = 1 << 20
        return try await http.token(request, of: url)
    }
}

/// What token services answer: numbers as numbers or as texts.
private struct TokenDocument: Decodable {
    var token: String?
    var lifetime: Int64?
    var error: String?

    private enum Key: String, CodingKey {
        case access_token, expires_in, expires_on, error
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        token = try values.decodeIfPresent(String.self, forKey: .access_token)
        error = try? values.decodeIfPresent(String.self, forKey: .error)
        func number(_ key: Key) -> Int64? {
            (try? values.decode(Int64.self, forKey: key))
                ?? (try? values.decode(String.self, forKey: key)).flatMap { Int64($0) }
        }
        lifetime = number(.expires_in) ?? number(.expires_on).map { $0 - Timestamp.now().seconds }
    }
}

extension HTTPClient {
    /// - Parameter place: for messages.
    fileprivate func token(_ request: HTTPRequest, of place: String) async throws -> TemporaryCredentials {
        let response = try await send(request)
        let document = try? JSONDecoder().decode(TokenDocument.self, from: Data(response.body))
        guard response.status == 200, let token = document?.token, !token.isEmpty else {
            let said = (document?.error).map { ": \($0.escapingControlCharacters)" } ?? ""
            throw BackupError(
                .permissionDenied, "HTTP \(response.status) from \(place)\(said)",
                isRetryable: response.status >= 500 || response.status == 429)
        }
        return TemporaryCredentials(
            S3Credentials(accessKeyID: "", secretAccessKey: Secret(""), sessionToken: Secret(token)),
            expiration: Timestamp(seconds: Timestamp.now().seconds + (document?.lifetime ?? 300)))
    }
}
