import HTTP
import Support
import Synchronization
import Testing

@testable import ObjectStorage

@Suite struct AzureClientTests {
    private func configuration(
        host: String = "core.windows.net", port: Int = 443, authorization: AzureAuthorization? = nil
    ) throws -> AzureConfiguration {
        try AzureConfiguration(
            account: "acct", host: host, port: port, container: "box",
            authorization: authorization
                ?? .sharedKey(StaticCredentials(S3Credentials(accountKey: Secret(SharedKeyTests.key)))))
    }

    private func store(_ http: FakeHTTPClient, _ configuration: AzureConfiguration? = nil) throws -> AzureObjectStore {
        let now: @Sendable () -> Timestamp = { Timestamp(seconds: 1_769_860_800) }
        return AzureObjectStore(
            client: AzureClient(try configuration ?? self.configuration(), http: http, now: now))
    }

    private func failure(_ http: FakeHTTPClient, _ body: (AzureObjectStore) async throws -> Void) async throws
        -> BackupError
    {
        let store = try store(http)
        do {
            try await body(store)
        } catch {
            return try #require(error as? BackupError)
        }
        throw BackupError(.internalError, "there was no error")
    }

    // MARK: Addresses

    @Test(arguments: [
        ("core.windows.net", 443, "https://acct.blob.core.windows.net/box/a%20b"),
        ("blob.core.windows.net", 443, "https://acct.blob.core.windows.net/box/a%20b"),
        ("acct.blob.core.chinacloudapi.cn", 0, "https://acct.blob.core.chinacloudapi.cn/box/a%20b"),
        ("store.example", 8443, "https://acct.blob.store.example:8443/box/a%20b"),
        ("127.0.0.1", 10000, "https://127.0.0.1:10000/acct/box/a%20b"),
        ("localhost", 443, "https://localhost/acct/box/a%20b"), ("::1", 10000, "https://[::1]:10000/acct/box/a%20b"),
    ])
    func addresses(host: String, port: Int, url: String) async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 404))
        let store = try store(http, configuration(host: host, port: port))
        #expect(try await store.head("a b") == nil)
        #expect(http.requests.first?.url == url)
        #expect(store.identity.usesTLS && store.identity.endpoint.contains("acct"))
    }

    @Test(arguments: ["", "a", "Upper", "evil.example/", "a-b"])
    func accountsThatCannotExist(account: String) throws {
        #expect(throws: BackupError.self) {
            try AzureConfiguration(
                account: account, host: "core.windows.net", port: 443, container: "box",
                authorization: .sharedKey(StaticCredentials(S3Credentials(accountKey: Secret(SharedKeyTests.key)))))
        }
    }

    // MARK: Copies

    @Test func theSourceOfACopyComesWithTheRightToReadIt() async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 201))
        try await store(http).copy(ObjectReference(bucket: "other", key: "from ä"), to: "to")
        let source = try #require(http.requests.first?[header: "x-ms-copy-source"])
        #expect(
            source.hasPrefix("https://acct.blob.core.windows.net/other/from%20%C3%A4?se=2026-01-31T13%3A00%3A00Z&sig="))
        #expect(http.requests.first?.url == "https://acct.blob.core.windows.net/box/to")
    }

    @Test func withATokenTheTokenIsThatRight() async throws {
        let token = StaticCredentials(
            S3Credentials(accessKeyID: "", secretAccessKey: Secret(""), sessionToken: Secret("t0ken")))
        let http = FakeHTTPClient(HTTPResponse(status: 201))
        let store = try store(http, configuration(authorization: .tokens(token)))
        let part = try await store.copyPart(
            "to", uploadID: "0123456789abcdef", number: 3, source: ObjectReference(bucket: "other", key: "from"),
            range: 10..<20)
        let request = try #require(http.requests.first)
        #expect(request[header: "authorization"] == "Bearer t0ken")
        #expect(request[header: "x-ms-copy-source-authorization"] == "Bearer t0ken")
        #expect(request[header: "x-ms-copy-source"] == "https://acct.blob.core.windows.net/other/from")
        #expect(request[header: "x-ms-source-range"] == "bytes=10-19")
        #expect(part.number == 3)
    }

    /// What the service calls an ETag looks like no digest, and nothing is expected of it.
    @Test func etagsProveNothing() async throws {
        let answer = HTTPResponse(status: 201, headers: ["ETag": "\"0x8DBF5E0E1B2C3D4\""])
        let store = try store(FakeHTTPClient(answer))
        let etag = try await store.put("k", body: .bytes([1])).etag
        #expect(etag == "0x8DBF5E0E1B2C3D4" && ETagShape(etag) == .opaque)
        #expect(!store.etagsTellContent && !RetryingObjectStore(store).etagsTellContent)
        #expect(multipartETag(of: [UploadedPart(number: 1, etag: "0123456789abcdef-0000001")]) == nil)
    }

    @Test(arguments: ["a\\b", "a.", "a./b", "..", "a/", "a\u{1}", "a\u{7f}", "a\u{fffe}"])
    func keysThatAzureWouldChangeAreRefused(key: String) async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 201))
        let error = try await failure(http) { try await $0.put(key, body: .bytes([])) }
        #expect(error.code == .invalidArgument && http.requests.isEmpty)
    }

    // MARK: Refusals

    @Test(arguments: [
        (404, "BlobNotFound", BackupError.Code.notFound, false), (404, "ContainerNotFound", .notFound, false),
        (412, "ConditionNotMet", .notFound, false), (416, "InvalidRange", .invalidArgument, false),
        (403, "AuthenticationFailed", .permissionDenied, false),
        (403, "AuthorizationPermissionMismatch", .permissionDenied, false),
        (404, "ResourceNotFound", .configuration, false), (503, "ServerBusy", .throttled, true),
        (500, "OperationTimedOut", .timedOut, true), (500, "InternalError", .remoteFailure, true),
        (409, "ContainerBeingDeleted", .remoteFailure, true), (409, "BlobArchived", .unsupported, false),
        (503, "", .throttled, true), (502, "", .remoteFailure, true), (403, "", .permissionDenied, false),
    ])
    func refusals(status: Int, code: String, expected: BackupError.Code, isRetryable: Bool) async throws {
        var headers: HTTPHeaders = ["retry-after": "7"]
        if !code.isEmpty { headers.append("x-ms-error-code", code) }
        let http = FakeHTTPClient(HTTPResponse(status: status, headers: headers))
        let error = try await failure(http) { _ = try await $0.get("k", range: nil, ifMatch: nil, into: BytePipe()) }
        #expect(error.code == expected && error.isRetryable == isRetryable && error.retryAfter == .seconds(7))
        #expect(error.message.contains("acct.blob.core.windows.net"))
        #expect(!error.message.contains("\n") && http.requests.count == 1)
    }

    /// A body that is gone cannot be sent again by the client, but by whoever has the bytes.
    @Test(arguments: [true, false]) func aKeyThatWasReplacedIsAskedFor(canBeRepeated: Bool) async throws {
        let keys = ReplacedKey()
        let http = FakeHTTPClient(.refusal(403, "AuthenticationFailed"), HTTPResponse(status: 201))
        let store = try store(http, configuration(authorization: .sharedKey(keys)))
        if canBeRepeated {
            _ = try await store.put("k", body: .bytes([1]))
            let signatures = http.requests.map { $0[header: "authorization"] }
            #expect(signatures.count == 2 && signatures[0] != signatures[1])
        } else {
            let pipe = BytePipe()
            try await pipe.write([1, 2])
            _ = try await pipe.read(upTo: 1)
            let error = await #expect(throws: BackupError.self) {
                try await store.put("k", body: .pipe(pipe, length: 2))
            }
            #expect(error?.code == .permissionDenied && error?.isRetryable == true && http.requests.count == 1)
        }
        #expect(keys.refusals == 1)
    }

    @Test func aConditionThatIsNotMetByAWrite() async throws {
        for (status, code) in [(409, "BlobAlreadyExists"), (412, "ConditionNotMet")] {
            let http = FakeHTTPClient(.refusal(status, code))
            let error = try await failure(http) { try await $0.put("k", body: .bytes([]), if: .absent) }
            #expect(error.code == .alreadyExists && http.requests[0][header: "if-none-match"] == "*")
        }
    }

    /// Azure repeats what was signed, and with it the signature of a source.
    @Test func noSecretReachesAMessage() async throws {
        let words =
            "The MAC signature found in 'x-ms-copy-source:https://h/c/b?sig=c2VjcmV0&sv=1' is wrong.\nRequestId:1"
        for (status, code) in [
            (403, "AuthenticationFailed"), (400, "InvalidHeaderValue"), (403, "CannotVerifyCopySource"),
        ] {
            let document =
                "<Error><Code>\(code)</Code><Message>\(words.replacing("&", with: "&amp;"))</Message></Error>"
            let error = try await failure(FakeHTTPClient(HTTPResponse(status, document))) {
                try await $0.copy(ObjectReference(bucket: "c", key: "b"), to: "k")
            }
            #expect(!"\(error) \(String(describing: error.cause))".contains("c2VjcmV0"))
            #expect(error.isCopyRefusal && !error.message.contains("RequestId"))
        }
    }

    @Test func aMissingSourceIsMissing() async throws {
        let error = try await failure(FakeHTTPClient(.refusal(404, "CannotVerifyCopySource"))) {
            try await $0.copy(ObjectReference(bucket: "c", key: "b"), to: "k")
        }
        #expect(error.code == .notFound && error.message.hasPrefix("object \"b\" does not exist in container \"c\""))
    }

    @Test func theServicesClockIsTakenOver() async throws {
        let http = FakeHTTPClient(
            .refusal(403, "AuthenticationFailed", headers: ["date": "Sat, 31 Jan 2026 14:00:00 GMT"]),
            HTTPResponse(status: 200, headers: ["content-length": "5"]))
        #expect(try await store(http).head("k")?.size == 5)
        #expect(http.requests.map { $0[header: "x-ms-date"]?.suffix(12) } == ["12:00:00 GMT", "14:00:00 GMT"])
    }

    /// Another upload of the object was committed meanwhile: the next try is told that this one has ended, and whoever copies
    /// looks at what is there.
    @Test func anUploadThatAnotherOneHasEnded() async throws {
        let http = FakeHTTPClient(.refusal(400, "InvalidBlockList"))
        let store = try store(http)
        let parts = [UploadedPart(number: 1, etag: "0123456789abcdef-0000001")]
        func complete() async throws -> BackupError? {
            do {
                try await store.completeMultipartUpload("k", uploadID: "0123456789abcdef", parts: parts)
                return nil
            } catch {
                return error as? BackupError
            }
        }
        let first = try await complete()
        #expect(first?.isRetryable == true)
        #expect(try await complete()?.code == .notFound)
    }

    // MARK: Listings

    @Test func aListing() throws {
        let document = """
            \u{feff}<?xml version="1.0" encoding="utf-8"?>
            <EnumerationResults ServiceEndpoint="https://acct.blob.core.windows.net/" ContainerName="box">
            <Prefix>a</Prefix><Delimiter>/</Delimiter><Blobs>
            <Blob><Name>a &amp; b</Name><Properties><Content-Length>12</Content-Length><Etag>0x8D1</Etag>
            <Content-MD5/><BlobType>BlockBlob</BlobType></Properties></Blob>
            <Blob><Name>a-directory</Name><Properties><ResourceType>directory</ResourceType>
            <Content-Length>0</Content-Length><Etag>0x8D2</Etag></Properties></Blob>
            <BlobPrefix><Name>a/</Name></BlobPrefix></Blobs><NextMarker>2!72!abc</NextMarker></EnumerationResults>
            """
        let page = try BlobListing.page(of: Array(document.utf8))
        #expect(page.objects == [ObjectInfo(key: "a & b", size: 12, etag: "0x8D1")])
        #expect(page.commonPrefixes == ["a/"] && page.continuation == "2!72!abc")
    }

    @Test(arguments: [
        "<Error/>", "", "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Properties><Content-Length>1</Content-Length></Properties></Blob></Blobs>",
    ])
    func listingsThatAreNone(document: String) {
        #expect(throws: BackupError.self) { try BlobListing.page(of: Array(document.utf8)) }
    }
}

/// Gives another account key after its first was refused.
private final class ReplacedKey: CredentialsProvider {
    private let count = Mutex(0)
    var refusals: Int { count.withLock { $0 } }

    func credentials() -> S3Credentials {
        S3Credentials(accountKey: Secret(refusals == 0 ? SharedKeyTests.key : "b3RoZXI="))
    }

    func noteRefusal(of credentials: S3Credentials) -> Bool {
        count.withLock { $0 += 1 }
        return credentials.secretAccessKey.exposed == SharedKeyTests.key
    }
}
