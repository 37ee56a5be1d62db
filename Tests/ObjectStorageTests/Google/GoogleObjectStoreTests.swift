import HTTP
import Support
import Synchronization
import Testing

@testable import ObjectStorage

/// What the fake server does not do.
@Suite struct GoogleObjectStoreTests {
    private func store(_ http: FakeHTTPClient, host: String = "storage.googleapis.com") throws -> GoogleObjectStore {
        var configuration = GoogleConfiguration(
            host: host, port: 443, bucket: "b", key: try KeyFile().key())
        configuration.location = "EUROPE-WEST3"
        let token = S3Credentials(accessKeyID: "", secretAccessKey: Secret(""), sessionToken: Secret("token"))
        return GoogleObjectStore(configuration, http: http, credentials: StaticCredentials(token))
    }

    @Test func googleIsReachedAtItsOwnAddress() async throws {
        let http = FakeHTTPClient(HTTPResponse(200, "{\"name\": \"a/ä\", \"size\": \"3\", \"md5Hash\": \"/////w==\"}"))
        let info = try await store(http).head("a/ä")
        #expect(info == ObjectInfo(key: "a/ä", size: 3, etag: "ffffffff"))
        let url = "https://storage.googleapis.com/storage/v1/b/b/o/a%2F%C3%A4?fields="
        #expect(http.requests.first?.url.hasPrefix(url) == true)
        #expect(http.requests.first?[header: "authorization"] == "Bearer token")
        #expect(try store(http).identity.endpoint == "storage.googleapis.com")
        #expect(try store(http, host: "emulator").identity.endpoint == "emulator:443")
    }

    /// An object composed of others has no MD5; Google's own ETag is none and is not asked for.
    @Test func withoutMD5TheVersionIsTheETag() async throws {
        let http = FakeHTTPClient(
            HTTPResponse(
                200, "{\"name\": \"k\", \"size\": \"3\", \"etag\": \"CJ+/8+aZzoMDEAE=\", \"generation\": \"17\"}"))
        let etag = try #require(try await store(http).head("k")).etag
        #expect(etag == "generation-17" && ETagShape(etag) == .opaque)
    }

    @Test func aCopyGoesOnUntilItIsDone() async throws {
        let http = FakeHTTPClient(
            HTTPResponse(200, "{\"done\": false, \"rewriteToken\": \"t/1\"}"),
            HTTPResponse(200, "{\"done\": false, \"rewriteToken\": \"t/2\"}"),
            HTTPResponse(200, "{\"done\": true, \"resource\": {\"name\": \"n\", \"md5Hash\": \"4waSgw==\"}}"))
        let stored = try await store(http).copy(ObjectReference(bucket: "from", key: "x/y"), to: "n")
        #expect(stored.etag == "e3069283")
        let urls = http.requests.map(\.url)
        #expect(urls.allSatisfy { $0.contains("/b/from/o/x%2Fy/rewriteTo/b/b/o/n?") })
        #expect(urls.map { $0.contains("rewriteToken=") } == [false, true, true])
        #expect(urls[2].hasSuffix("rewriteToken=t%2F2"))
    }

    @Test func newBucketsBelongToTheProject() async throws {
        let missing = HTTPResponse(404, "{\"error\": {\"message\": \"The specified bucket does not exist.\"}}")
        let http = FakeHTTPClient(missing, HTTPResponse(200, "{}"))
        try await store(http).createBucketIfMissing()
        let request = try #require(http.requests.last)
        #expect(request.url == "https://storage.googleapis.com/storage/v1/b?project=p")
        guard case .bytes(let body) = request.body else { return #expect(Bool(false)) }
        let text = String(decoding: body, as: UTF8.self)
        #expect(text.contains("\"name\":\"b\"") && text.contains("\"location\":\"EUROPE-WEST3\""))
    }

    @Test(
        arguments: [
            (401, "authError", BackupError.Code.permissionDenied, false),
            (403, "forbidden", .permissionDenied, false), (403, "rateLimitExceeded", .throttled, true),
            (429, "rateLimitExceeded", .throttled, true), (503, "backendError", .throttled, true),
            (500, "backendError", .remoteFailure, true), (404, "notFound", .notFound, false),
            (412, "conditionNotMet", .alreadyExists, false), (408, "", .timedOut, true),
        ])
    func refusals(status: Int, reason: String, code: BackupError.Code, isRetryable: Bool) async throws {
        let http = FakeHTTPClient(
            HTTPResponse(
                status, "{\"error\": {\"message\": \"In words.\", \"errors\": [{\"reason\": \"\(reason)\"}]}}",
                headers: ["retry-after": "3"]))
        await #expect {
            try await store(http).put("k", body: .bytes([1]))
        } throws: { error in
            guard let failure = error as? BackupError else { return false }
            let isNamed = failure.message.contains("\"b\"") || status == 401
            return failure.code == code && failure.isRetryable == isRetryable && isNamed
                && failure.retryAfter == .seconds(3) && !failure.description.contains("token\"")
        }
    }

    @Test func linesAndDotsAreNoKeys() async throws {
        let http = FakeHTTPClient(HTTPResponse(200, "{}"))
        for key in ["a\nb", "a\r", ".", "..", ""] {
            await #expect(throws: BackupError.self) { try await store(http).put(key, body: .bytes([1])) }
        }
        #expect(http.requests.isEmpty)
    }
}

@Suite struct ServiceAccountTests {
    /// Google has taken back its word for a token, and the file has another key by then.
    @Test func aRefusedTokenIsFetchedAnewWithTheKeyInTheFile() async throws {
        let file = try KeyFile(account: "first@p")
        let http = FakeHTTPClient(
            HTTPResponse(200, "{\"access_token\": \"one\", \"expires_in\": 3600}"), HTTPResponse(status: 401),
            HTTPResponse(200, "{\"access_token\": \"two\", \"expires_in\": 3600}"), HTTPResponse(status: 404))
        let configuration = GoogleConfiguration(
            host: "storage.googleapis.com", port: 443, bucket: "b", key: try file.key())
        let store = GoogleObjectStore(configuration, http: http)
        try file.become(try KeyFile(account: "second@p"))
        #expect(try await store.head("k") == nil)
        #expect(http.requests.map { $0[header: "authorization"] } == [nil, "Bearer one", nil, "Bearer two"])
        guard case .bytes(let body) = http.requests[2].body else { return #expect(Bool(false)) }
        var claims = try #require(String(decoding: body, as: UTF8.self).split(separator: ".").dropFirst().first)
        claims.append(contentsOf: String(repeating: "=", count: (4 - claims.utf8.count % 4) % 4))
        let text = try #require(decodedBase64(String(claims.replacing("-", with: "+").replacing("_", with: "/"))))
        #expect(String(decoding: text, as: UTF8.self).contains("second@p"))
        withExtendedLifetime(file) {}
    }

    @Test func badFilesAreOneClearLineWithoutTheKey() throws {
        let cases: [((String) -> String, String)] = [
            ({ _ in "{" }, "is not the JSON file of a key"), ({ _ in "" }, "is not the JSON file of a key"),
            ({ $0.replacing("service_account", with: "authorized_user") }, "is of type \"authorized_user\""),
            ({ $0.replacing("\"type\"", with: "\"kind\"") }, "has no type"),
            ({ $0.replacing("private_key\"", with: "x\"") }, "has no private_key"),
            ({ $0.replacing("client_email", with: "x") }, "has no client_email"),
            ({ $0.replacing("BEGIN", with: "BEGUN") }, "private_key that is not an RSA key in PEM form"),
            ({ $0.replacing("https:", with: "file:") }, "token_uri that is no URL"),
        ]
        for (change, words) in cases {
            let file = try KeyFile(changed: change)
            #expect {
                try ServiceAccountKey(file: file.path)
            } throws: { error in
                guard let failure = error as? BackupError else { return false }
                let secret = file.privateKey.split(separator: "\n")[1]
                return failure.code == .configuration && failure.message.contains(words)
                    && failure.message.contains(file.path) && !failure.message.contains("\n")
                    && !failure.description.contains(secret)
            }
        }
        for path in ["/nowhere/key.json", "/tmp", ""] {
            #expect { try ServiceAccountKey(file: path) } throws: { error in
                (error as? BackupError)?.message.contains("cannot be read") == true
            }
        }
    }

    @Test func tokensAreKeptUntilTheyRunOut() async throws {
        let key = try KeyFile().key()
        let http = FakeHTTPClient(HTTPResponse(200, "{\"access_token\": \"t\", \"expires_in\": 3600}"))
        let clock = FakeTime()
        let chain = CredentialsChain(
            [ServiceAccountCredentials(key, http: http) { clock.now }], now: { clock.now })
        for _ in 0..<3 { #expect(try await chain.credentials().sessionToken?.exposed == "t") }
        #expect(http.requests.count == 1)
        clock.advance(3400)
        _ = try await chain.credentials()
        #expect(http.requests.count == 2)
        guard case .bytes(let body) = http.requests[0].body else { return #expect(Bool(false)) }
        #expect(String(decoding: body, as: UTF8.self).contains("jwt-bearer&assertion=eyJ"))
        #expect("\(key)".contains("PRIVATE") == false)
    }
}

private final class FakeTime: Sendable {
    private let seconds = Mutex<Int64>(1_700_000_000)
    var now: Timestamp { Timestamp(seconds: seconds.withLock { $0 }) }
    func advance(_ amount: Int64) { seconds.withLock { $0 += amount } }
}
