import HTTP
import Support
import Testing

@testable import ObjectStorage

/// What goes over the wire, and what the store's answers make of it.
@Suite struct S3ClientTests {
    /// 2026-01-31T12:00:00Z.
    private static let now = Timestamp(seconds: 1_769_860_800)

    private func store(_ http: FakeHTTPClient, _ change: (inout S3Configuration) -> Void = { _ in }) -> S3ObjectStore {
        var configuration = S3Configuration(
            host: "127.0.0.1", port: 9000, bucket: "b",
            credentials: StaticCredentials(
                S3Credentials(accessKeyID: "minioadmin", secretAccessKey: Secret("the-secret"))))
        change(&configuration)
        return S3ObjectStore(client: S3Client(configuration, http: http, now: { S3ClientTests.now }))
    }

    // MARK: Requests

    @Test func aReadIsAddressedAndSigned() async throws {
        let http = FakeHTTPClient(HTTPResponse(206, "56", headers: ["Content-Range": "bytes 5-6/10", "ETag": "\"e\""]))
        let pipe = BytePipe()
        let info = try await store(http).get("a b/ä+", range: 5..<7, ifMatch: "e", into: pipe)
        #expect(info == ObjectInfo(key: "a b/ä+", size: 10, etag: "e"))
        #expect(try await pipe.collect(limit: 10) == Array("56".utf8))
        let request = http.requests[0]
        #expect(request.method == "GET")
        #expect(request.url == "http://127.0.0.1:9000/b/a%20b/%C3%A4%2B")
        #expect(request[header: "range"] == "bytes=5-6")
        #expect(request[header: "if-match"] == "\"e\"")
        #expect(request[header: "x-amz-date"] == "20260131T120000Z")
        let authorization = try #require(request[header: "authorization"])
        #expect(authorization.contains("Credential=minioadmin/20260131/us-east-1/s3/aws4_request"))
        #expect(authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date,"))
    }

    @Test func bodiesAreHashedWhenTheyAreSmall() async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 200, headers: ["etag": "\"e\""]))
        let store = store(http)
        #expect(try await store.put("k", body: .bytes(Array("abc".utf8))).etag == "e")
        try await store.put("k", body: .bytes([UInt8](repeating: 0, count: 1 << 20)))
        try await store.put("k", body: .pipe(BytePipe(), length: 3))
        try await store.put("k", body: .bytes([]))
        #expect(
            http.requests.map { $0[header: "x-amz-content-sha256"] ?? "" } == [
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "UNSIGNED-PAYLOAD",
                "UNSIGNED-PAYLOAD",
                SignableRequest.emptyPayloadHash,
            ])
    }

    @Test func copiesNameTheirSourceEncodedAndGetTime() async throws {
        let http = FakeHTTPClient(
            HTTPResponse(200, "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"),
            HTTPResponse(200, "<CopyPartResult><ETag>\"p\"</ETag></CopyPartResult>"))
        let store = store(http)
        let source = ObjectReference(bucket: "other", key: "a b/ä")
        #expect(try await store.copy(source, to: "k").etag == "e")
        let part = try await store.copyPart("k", uploadID: "u/+", number: 3, source: source, range: 10..<20)
        #expect(part == UploadedPart(number: 3, etag: "p"))
        for request in http.requests {
            #expect(request.method == "PUT")
            #expect(request[header: "x-amz-copy-source"] == "other/a%20b/%C3%A4")
            #expect(request[header: "authorization"]?.contains("x-amz-copy-source") == true)
            #expect(request.stallTimeout == .seconds(600))
        }
        #expect(http.requests[1].url.hasSuffix("/b/k?partNumber=3&uploadId=u%2F%2B"))
        #expect(http.requests[1][header: "x-amz-copy-source-range"] == "bytes=10-19")
    }

    @Test(arguments: [
        (S3Provider.minio, "h", 9000, false, "us-east-1", "b", "http://h:9000/b/k"),
        (.minio, "::1", 9000, false, "us-east-1", "b", "http://[::1]:9000/b/k"),
        (.s3, "h", 443, true, "us-east-1", "b", "https://h/b/k"),
        (.s3, "h", 80, true, "us-east-1", "b", "https://h:80/b/k"),
        (.minio, "h", 80, false, "", "b", "http://h/b/k"),
        (.aws, "s3.amazonaws.com", 443, true, "us-east-1", "b", "https://b.s3.amazonaws.com/k"),
        (.aws, "s3.amazonaws.com", 443, true, "eu-west-1", "b", "https://b.s3.eu-west-1.amazonaws.com/k"),
        (.aws, "s3.amazonaws.com", 443, true, "cn-north-1", "b", "https://b.s3.cn-north-1.amazonaws.com.cn/k"),
        (.aws, "s3.eu-west-1.amazonaws.com", 443, true, "", "b", "https://b.s3.eu-west-1.amazonaws.com/k"),
        (.aws, "s3.amazonaws.com", 443, true, "us-east-1", "b.c", "https://s3.amazonaws.com/b.c/k"),
        (.aws, "s3.amazonaws.com", 80, false, "us-east-1", "b.c", "http://b.c.s3.amazonaws.com/k"),
        (.aliyun, "oss.example.com", 443, true, "x", "b", "https://b.oss.example.com/k"),
        (.tencent, "cos.example.com", 443, true, "x", "b", "https://b.cos.example.com/k"),
        (.hwc, "obs.example.com", 443, true, "x", "b", "https://b.obs.example.com/k"),
        (.gcp, "storage.googleapis.com", 443, true, "", "b", "https://b.storage.googleapis.com/k"),
        (.minio, "oss-cn-x.aliyuncs.com", 443, true, "x", "b", "https://b.oss-cn-x.aliyuncs.com/k"),
    ])
    func bucketsAreAddressedAsTheProviderWants(
        provider: S3Provider, host: String, port: Int, useTLS: Bool, region: String, bucket: String, url: String
    ) async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 204))
        let store = store(http) {
            $0.provider = provider
            $0.host = host
            $0.port = port
            $0.useTLS = useTLS
            $0.region = region
            $0.bucket = bucket
        }
        try await store.delete(["k"])
        #expect(http.requests[0].url == url)
    }

    @Test func sessionTokensAreSentAndSigned() async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 204))
        let credentials = StaticCredentials(
            S3Credentials(accessKeyID: "id", secretAccessKey: Secret("s"), sessionToken: Secret("token")))
        try await store(http) { $0.credentials = credentials }.delete(["k"])
        #expect(http.requests[0][header: "x-amz-security-token"] == "token")
        #expect(http.requests[0][header: "authorization"]?.contains("x-amz-security-token") == true)
    }

    @Test func googleTakesTheSessionTokenAlone() async throws {
        let http = FakeHTTPClient(HTTPResponse(200, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"))
        let credentials = StaticCredentials(
            S3Credentials(accessKeyID: "", secretAccessKey: Secret(""), sessionToken: Secret("token")))
        let store = store(http) {
            $0.provider = .gcp
            $0.credentials = credentials
        }
        try await store.copy(ObjectReference(bucket: "b", key: "s"), to: "k")
        #expect(http.requests[0][header: "authorization"] == "Bearer token")
        #expect(http.requests[0][header: "x-goog-copy-source"] == "b/s")
    }

    // MARK: Answers

    @Test func aCopyThatFailsAfterItsAnswerBeganIsAnError() async throws {
        let body = "\n \n<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>We failed.</Message></Error>"
        let store = store(FakeHTTPClient(HTTPResponse(200, body)))
        let isRetryable: (any Error) -> Bool = {
            ($0 as? BackupError)?.code == .remoteFailure && ($0 as? BackupError)?.isRetryable == true
        }
        await #expect(
            performing: { try await store.copy(ObjectReference(bucket: "b", key: "s"), to: "k") }, throws: isRetryable)
        await #expect(
            performing: {
                try await store.completeMultipartUpload("k", uploadID: "u", parts: [UploadedPart(number: 1, etag: "e")])
            }, throws: isRetryable)
    }

    @Test func aStoreThatIgnoresRangesDoesNotPassTheWholeForTheRange() async throws {
        let store = store(FakeHTTPClient(HTTPResponse(200, "0123456789", headers: ["content-length": "10"])))
        let pipe = BytePipe()
        await #expect(
            performing: { try await store.get("k", range: 2..<4, ifMatch: nil, into: pipe) },
            throws: { ($0 as? BackupError)?.code == .unsupported })
        let whole = BytePipe()
        #expect(try await store.get("k", range: 0..<10, ifMatch: nil, into: whole).size == 10)
        #expect(try await whole.collect(limit: 100).count == 10)
    }

    @Test func aStoreThatIgnoresConditionsDoesNotPassAnotherObjectOff() async throws {
        let store = store(
            FakeHTTPClient(HTTPResponse(200, "new", headers: ["etag": "\"new\"", "content-length": "3"])))
        await #expect(
            performing: { try await store.get("k", range: nil, ifMatch: "old", into: BytePipe()) },
            throws: { ($0 as? BackupError)?.code == .notFound })
    }

    @Test func anEmptyRangeNeedsNoBody() async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 200, headers: ["content-length": "10", "etag": "\"e\""]))
        let pipe = BytePipe()
        #expect(try await store(http).get("k", range: 3..<3, ifMatch: "e", into: pipe).size == 10)
        #expect(try await pipe.read() == nil)
        #expect(http.requests.map(\.method) == ["HEAD"])
    }

    @Test func headMapsByStatusAlone() async throws {
        #expect(try await store(FakeHTTPClient(HTTPResponse(status: 404))).head("k") == nil)
        let refused = store(FakeHTTPClient(HTTPResponse(status: 403)))
        await #expect(
            performing: { try await refused.head("k") }, throws: { ($0 as? BackupError)?.code == .permissionDenied })
    }

    // MARK: What is put right within a call

    @Test func theStoresClockIsTakenOver() async throws {
        let refusal = HTTPResponse.refusal(
            403, "RequestTimeTooSkewed", headers: ["Date": "Sat, 31 Jan 2026 13:00:07 GMT"])
        let http = FakeHTTPClient(refusal, HTTPResponse(status: 204))
        let store = store(http)
        try await store.delete(["k"])
        try await store.delete(["k"])
        #expect(
            http.requests.map { $0[header: "x-amz-date"] ?? "" } == [
                "20260131T120000Z", "20260131T130007Z", "20260131T130007Z",
            ])
    }

    @Test func aHeadTellsItsClockByTheDateOnly() async throws {
        let skewed = HTTPResponse(status: 403, headers: ["date": "Sun, 01 Feb 2026 12:00:00 GMT"])
        let http = FakeHTTPClient(skewed, HTTPResponse(status: 200, headers: ["content-length": "1"]))
        #expect(try await store(http).head("k")?.size == 1)
        #expect(http.requests[1][header: "authorization"]?.contains("/20260201/us-east-1/") == true)
        let denied = FakeHTTPClient(HTTPResponse(status: 403, headers: ["date": "Sat, 31 Jan 2026 12:00:30 GMT"]))
        await #expect(throws: BackupError.self) { try await store(denied).head("k") }
        #expect(denied.requests.count == 1)
    }

    @Test func aClockThatCannotBePutRightIsAnError() async throws {
        let http = FakeHTTPClient(
            .refusal(403, "RequestTimeTooSkewed", headers: ["Date": "Sat, 31 Jan 2026 13:00:00 GMT"]))
        await #expect(throws: BackupError.self) { try await store(http).delete(["k"]) }
        #expect(http.requests.count == 2)
    }

    @Test func theRegionIsLearntWhenNoneIsConfigured() async throws {
        let refusal = HTTPResponse.refusal(400, "AuthorizationHeaderMalformed", more: "<Region>eu-west-1</Region>")
        let http = FakeHTTPClient(refusal, HTTPResponse(status: 204))
        let amazon = store(http) {
            $0.provider = .aws
            $0.host = "s3.amazonaws.com"
            $0.port = 443
            $0.useTLS = true
        }
        try await amazon.delete(["k"])
        #expect(
            http.requests.map(\.url) == ["https://b.s3.amazonaws.com/k", "https://b.s3.eu-west-1.amazonaws.com/k"])
        #expect(http.requests[1][header: "authorization"]?.contains("/eu-west-1/s3/") == true)
        let fixed = FakeHTTPClient(refusal)
        await #expect(
            performing: { try await store(fixed) { $0.region = "us-west-2" }.delete(["k"]) },
            throws: { ($0 as? BackupError)?.code == .configuration })
        #expect(fixed.requests.count == 1)
    }

    @Test func aPipeThatHasGivenBytesIsNotSentAgain() async throws {
        let refusal = HTTPResponse.refusal(
            403, "RequestTimeTooSkewed", headers: ["Date": "Sat, 31 Jan 2026 13:00:00 GMT"])
        let http = FakeHTTPClient(refusal, HTTPResponse(status: 200))
        let pipe = BytePipe()
        try await pipe.write([1, 2])
        _ = try await pipe.read(upTo: 1)
        await #expect(
            performing: { try await store(http).put("k", body: .pipe(pipe, length: 2)) },
            throws: { ($0 as? BackupError)?.isRetryable == true })
        #expect(http.requests.count == 1)
    }

    @Test(arguments: [
        ("Sat, 31 Jan 2026 12:00:00 GMT", 1_769_860_800 as Int64?), ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Fri, 01 Mar 2024 00:00:00 GMT", 1_709_251_200),
        ("Saturday, 31-Jan-26 12:00:00 GMT", nil), ("", nil), ("Sat, 31 Foo 2026 12:00:00 GMT", nil),
        ("Sat, 31 Jan 2026 12:00 GMT", nil),
    ])
    func readsDates(text: String, seconds: Int64?) { #expect(Timestamp(httpDate: text)?.seconds == seconds) }

    // MARK: Keys, batches, buckets

    @Test func keysThatMinIOWouldChangeAreRefused() async throws {
        let http = FakeHTTPClient(HTTPResponse(status: 200))
        for key in ["a//b", "/a", "a/./b", "..", "a/.."] {
            await #expect(
                performing: { try await store(http).put(key, body: .bytes([])) },
                throws: { ($0 as? BackupError)?.code == .invalidArgument })
        }
        for key in ["", String(repeating: "ä", count: 513)] {
            await #expect(
                performing: { try await store(http) { $0.provider = .aws }.put(key, body: .bytes([])) },
                throws: { ($0 as? BackupError)?.code == .invalidArgument })
        }
        #expect(http.requests.isEmpty)
        for key in ["a/b/", "a.b/..c/d..", "..."] { try await store(http).put(key, body: .bytes([])) }
        try await store(http) { $0.provider = .aws }.put("a//../b", body: .bytes([]))
        #expect(http.requests.last?.url == "http://127.0.0.1:9000/b/a//../b")
    }

    @Test func deletionGoesInABatchButForKeysXMLCannotHold() async throws {
        let http = FakeHTTPClient(HTTPResponse(200, "<DeleteResult/>"), HTTPResponse(status: 204))
        try await store(http).delete(["a", "b<", "c\u{1}"])
        #expect(http.requests.map(\.method) == ["POST", "DELETE"])
        #expect(http.requests[0].url == "http://127.0.0.1:9000/b/?delete=")
        #expect(http.requests[0][header: "content-md5"]?.count == 24)
        #expect(http.requests[1].url == "http://127.0.0.1:9000/b/c%01")
    }

    @Test func whatABatchCouldNotDeleteIsReported() async throws {
        let failures = """
            <DeleteResult><Error><Key>a</Key><Code>NoSuchKey</Code></Error>
            <Error><Key>b</Key><Code>AccessDenied</Code><Message>No.</Message></Error>
            <Error><Key>c</Key><Code>AccessDenied</Code></Error></DeleteResult>
            """
        let store = store(FakeHTTPClient(HTTPResponse(200, failures)))
        await #expect(
            performing: { try await store.delete(["a", "b", "c"]) },
            throws: {
                guard let error = $0 as? BackupError else { return false }
                return error.code == .permissionDenied && error.message.contains("\"b\"")
                    && error.message.contains("1 more")
            })
    }

    @Test func aStoreWithoutBatchesIsAskedOneByOne() async throws {
        let http = FakeHTTPClient(.refusal(501, "NotImplemented"), HTTPResponse(status: 204))
        try await store(http).delete(["a", "b"])
        #expect(http.requests.map(\.method) == ["POST", "DELETE", "DELETE"])
    }

    @Test func aMissingBucketIsMadeInItsRegion() async throws {
        let http = FakeHTTPClient(.refusal(404, "NoSuchBucket"), HTTPResponse(status: 200))
        try await store(http) { $0.region = "eu-west-1" }.createBucketIfMissing()
        guard case .bytes(let body) = http.requests[1].body else { return #expect(Bool(false), "no body") }
        #expect(String(decoding: body, as: UTF8.self).contains("<LocationConstraint>eu-west-1</LocationConstraint>"))
        let plain = FakeHTTPClient(.refusal(404, "NoSuchBucket"), .refusal(409, "BucketAlreadyOwnedByYou"))
        try await store(plain).createBucketIfMissing()
        guard case .none = plain.requests[1].body else { return #expect(Bool(false), "a body") }
        let there = FakeHTTPClient(HTTPResponse(200, "<ListBucketResult/>"))
        try await store(there).createBucketIfMissing()
        #expect(there.requests.count == 1)
    }

    @Test func uploadsAreListedPageByPage() async throws {
        func page(_ key: String, isLast: Bool) -> HTTPResponse {
            HTTPResponse(
                200,
                """
                <ListMultipartUploadsResult><Upload><Key>\(key)</Key><UploadId>u</UploadId></Upload>
                <IsTruncated>\(!isLast)</IsTruncated><NextKeyMarker>\(key)</NextKeyMarker>
                <NextUploadIdMarker>u</NextUploadIdMarker></ListMultipartUploadsResult>
                """)
        }
        let http = FakeHTTPClient(page("a", isLast: false), page("b", isLast: true))
        #expect(try await store(http).listMultipartUploads(prefix: "").map(\.key) == ["a", "b"])
        #expect(http.requests[1].url.contains("key-marker=a"))
        #expect(http.requests[1].url.contains("upload-id-marker=u"))
    }

    @Test func thePartsOfAnObjectAreAskedForByNumber() async throws {
        func part(_ range: String, of count: Int = 3) -> HTTPResponse {
            HTTPResponse(206, "", headers: ["Content-Range": "bytes \(range)/25", "x-amz-mp-parts-count": "\(count)"])
        }
        // Of one length: the first and the last tell it.
        let even = FakeHTTPClient(part("0-9"), part("20-24"))
        #expect(try await store(even).partLengths(of: "k") == [10, 10, 5])
        #expect(even.requests.map { $0.url.hasSuffix("/k?partNumber=\($0.url.last == "1" ? 1 : 3)") } == [true, true])
        #expect(even.requests.allSatisfy { $0.method == "HEAD" })
        let whole = FakeHTTPClient(part("0-24", of: 1))
        #expect(try await store(whole).partLengths(of: "k") == nil)
    }

    /// What many stores make of the question: they answer with the whole object, or refuse it.
    @Test(arguments: [
        HTTPResponse(status: 200, headers: ["content-length": "25", "x-amz-mp-parts-count": "3"]),
        HTTPResponse(status: 200, headers: ["content-range": "bytes 0-9/25", "x-amz-mp-parts-count": "3"]),
        HTTPResponse(status: 206, headers: ["content-range": "bytes 0-9/25"]),
        HTTPResponse(status: 206, headers: ["x-amz-mp-parts-count": "3"]),
        HTTPResponse(status: 206, headers: ["content-range": "bytes 9-0/25", "x-amz-mp-parts-count": "3"]),
        HTTPResponse(status: 206, headers: ["content-range": "bytes 0-9/25", "x-amz-mp-parts-count": "0"]),
        HTTPResponse(
            status: 206,
            headers: ["content-range": "bytes 0-9223372036854775807/25", "x-amz-mp-parts-count": "3"]),
        .refusal(400, "InvalidArgument"), .refusal(403, "AccessDenied"), .refusal(404, "NoSuchKey"),
        .refusal(501, "NotImplemented"),
    ])
    func anAnswerThatDoesNotTellOfPartsCountsForNothing(_ answer: HTTPResponse) async throws {
        #expect(try await store(FakeHTTPClient(answer)).partLengths(of: "k") == nil)
    }

    @Test func noSecretIsInAnyMessage() async throws {
        for code in ["AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "InternalError", "NoSuchBucket"] {
            let store = store(FakeHTTPClient(.refusal(403, code)))
            do {
                try await store.put("k", body: .bytes([1]))
            } catch {
                #expect(!String(reflecting: error).contains("the-secret"))
            }
        }
    }
}
