import Foundation
import HTTP
import Support
import Testing

@testable import ObjectStorage

@Suite struct AzureTokenTests {
    private let answer = HTTPResponse(200, #"{"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}"#)
    private let application = ["AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"]

    private func text(_ request: HTTPRequest) -> String {
        if case .bytes(let bytes) = request.body { String(decoding: bytes, as: UTF8.self) } else { "" }
    }

    private func token(_ http: FakeHTTPClient, _ environment: [String: String]) async throws -> String? {
        try await azureTokens(http: http, environment: environment).credentials().sessionToken?.exposed
    }

    @Test func anApplicationWithASecret() async throws {
        let http = FakeHTTPClient(answer)
        let environment = application.merging(["AZURE_CLIENT_SECRET": "s&cret"]) { $1 }
        #expect(try await token(http, environment) == "t0ken")
        let request = try #require(http.requests.first)
        #expect(request.url == "https://login.microsoftonline.com/tenant/oauth2/v2.0/token" && request.method == "POST")
        #expect(
            text(request) == "client_id=client&client_secret=s%26cret&grant_type=client_credentials"
                + "&scope=https%3A%2F%2Fstorage.azure.com%2F.default")
    }

    @Test func aTokenOfKubernetes() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "token-\(UUID())").path
        try "assertion\n".write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        let http = FakeHTTPClient(answer)
        let environment = application.merging(
            ["AZURE_FEDERATED_TOKEN_FILE": file, "AZURE_AUTHORITY_HOST": "https://login.example/"]) { $1 }
        #expect(try await token(http, environment) == "t0ken")
        let request = try #require(http.requests.first)
        #expect(request.url == "https://login.example/tenant/oauth2/v2.0/token")
        #expect(text(request).contains("client_assertion=assertion&") && text(request).contains("jwt-bearer"))
    }

    @Test func theIdentityOfAMachine() async throws {
        let http = FakeHTTPClient(HTTPResponse(200, #"{"access_token": "t0ken", "expires_in": "3599"}"#))
        #expect(try await token(http, ["AZURE_CLIENT_ID": "mine"]) == "t0ken")
        let request = try #require(http.requests.first)
        #expect(
            request.url == "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&client_id=mine"
                + "&resource=https%3A%2F%2Fstorage.azure.com%2F")
        #expect(request[header: "metadata"] == "true")
    }

    @Test func theIdentityOfAService() async throws {
        let http = FakeHTTPClient(HTTPResponse(200, #"{"access_token": "t0ken", "expires_on": "4102444800"}"#))
        let environment = ["IDENTITY_ENDPOINT": "http://127.0.0.1:41/msi/token", "IDENTITY_HEADER": "secret"]
        #expect(try await token(http, environment) == "t0ken")
        let request = try #require(http.requests.first)
        #expect(request.url.hasPrefix("http://127.0.0.1:41/msi/token?api-version=2019-08-01&resource="))
        #expect(request[header: "x-identity-header"] == "secret")
    }

    /// A token is asked for again when it is about to run out, and not before.
    @Test func tokensAreRenewed() async throws {
        for (lifetime, requests) in [(3600, 1), (200, 2)] {
            let http = FakeHTTPClient(HTTPResponse(200, #"{"access_token": "t0ken", "expires_in": \#(lifetime)}"#))
            let tokens = azureTokens(http: http, environment: [:])
            _ = try await tokens.credentials()
            _ = try await tokens.credentials()
            #expect(http.requests.count == requests)
        }
    }

    @Test func refusalsAreToldWithoutSecrets() async throws {
        let http = FakeHTTPClient(HTTPResponse(401, #"{"error": "invalid_client", "error_description": "s3cret"}"#))
        let environment = application.merging(["AZURE_CLIENT_SECRET": "s3cret"]) { $1 }
        await #expect {
            try await token(http, environment)
        } throws: { error in
            let error = error as? BackupError
            return error?.code == .permissionDenied && error?.message.contains("invalid_client") == true
                && error?.description.contains("s3cret") == false && error?.hint?.contains("sharedKey") == true
        }
        #expect(http.requests.count == 1, "no other identity is asked for")
    }
}
