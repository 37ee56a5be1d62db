import HTTP
import Support
import Testing

@testable import ObjectStorage

@Suite struct S3ErrorMappingTests {
    private static let mapping = S3ErrorMapping(
        server: "http://host:9000", bucket: "b", accessKeyID: "minioadmin", region: "us-east-1")

    private func error(_ answer: HTTPResponse, _ request: S3Request) -> BackupError {
        S3ErrorMappingTests.mapping.error(for: S3ErrorResponse(answer), in: request)
    }

    @Test(arguments: [
        (404, "NoSuchKey", BackupError.Code.notFound, false), (404, "NoSuchBucket", .notFound, false),
        (404, "NoSuchUpload", .notFound, false), (404, "", .notFound, false),
        (412, "PreconditionFailed", .notFound, false),
        (403, "AccessDenied", .permissionDenied, false), (403, "SignatureDoesNotMatch", .permissionDenied, false),
        (403, "InvalidAccessKeyId", .permissionDenied, false), (400, "ExpiredToken", .permissionDenied, false),
        (403, "", .permissionDenied, false), (401, "", .permissionDenied, false),
        (403, "RequestTimeTooSkewed", .permissionDenied, true),
        (503, "SlowDown", .throttled, true), (503, "", .throttled, true), (429, "TooManyRequests", .throttled, true),
        (429, "", .throttled, true), (500, "InternalError", .remoteFailure, true), (500, "", .remoteFailure, true),
        (502, "", .remoteFailure, true), (504, "", .remoteFailure, true),
        (507, "XMinioStorageFull", .remoteFailure, false),
        (400, "RequestTimeout", .timedOut, true), (408, "", .timedOut, true), (400, "BadDigest", .corrupted, true),
        (301, "PermanentRedirect", .configuration, false), (307, "TemporaryRedirect", .configuration, false),
        (301, "", .configuration, false), (400, "AuthorizationHeaderMalformed", .configuration, false),
        (400, "IllegalLocationConstraintException", .configuration, false),
        (400, "InvalidBucketName", .configuration, false),
        (501, "NotImplemented", .unsupported, false), (405, "MethodNotAllowed", .unsupported, false),
        (400, "EntityTooLarge", .invalidArgument, false), (416, "InvalidRange", .invalidArgument, false),
        (416, "", .invalidArgument, false), (400, "KeyTooLongError", .invalidArgument, false),
        (409, "BucketAlreadyExists", .alreadyExists, false), (400, "SomethingNew", .remoteFailure, false),
        (418, "", .remoteFailure, false), (500, "SomethingNew", .remoteFailure, true),
    ])
    func mapsEveryRefusal(status: Int, code: String, expected: BackupError.Code, isRetryable: Bool) {
        let answer = code.isEmpty ? HTTPResponse(status, "<html>a proxy</html>") : .refusal(status, code)
        let error = error(answer, S3Request(purpose: .read, key: "k"))
        #expect(error.code == expected)
        #expect(error.isRetryable == isRetryable)
        #expect(error.message.contains("http://host:9000") || error.code == .notFound)
        #expect(!error.message.contains("html"))
        #expect(error.s3Response?.code == code)
    }

    @Test(arguments: [
        ("InvalidRequest", 400, true), ("InvalidArgument", 400, true), ("NotImplemented", 501, true),
        ("AccessDenied", 403, true), ("EntityTooLarge", 400, true), ("NoSuchKey", 404, false), ("SlowDown", 503, false),
        ("InternalError", 500, false),
    ])
    func refusedCopiesCanBeToldFromFailedOnes(code: String, status: Int, isRefusal: Bool) {
        let request = S3Request(purpose: .copy, key: "k", source: ObjectReference(bucket: "other", key: "s"))
        let error = error(.refusal(status, code), request)
        #expect(error.isCopyRefusal == isRefusal)
    }

    @Test func messagesSayWhatIsWrongAndWhere() {
        let read = S3Request(purpose: .read, key: "dir/k")
        #expect(
            error(.refusal(404, "NoSuchBucket"), S3Request(purpose: .list)).message
                == "bucket \"b\" does not exist at http://host:9000")
        #expect(
            error(.refusal(404, "NoSuchKey"), read).message
                == "object \"dir/k\" does not exist in bucket \"b\" at http://host:9000")
        let copy = S3Request(purpose: .copy, key: "k", source: ObjectReference(bucket: "other", key: "s"))
        #expect(
            error(.refusal(404, "NoSuchKey"), copy).message
                == "object \"s\" does not exist in bucket \"other\" at http://host:9000")
        #expect(
            error(.refusal(404, "NoSuchBucket", more: "<BucketName>other</BucketName>"), copy).message
                == "bucket \"other\" does not exist at http://host:9000")
        #expect(
            error(.refusal(403, "InvalidAccessKeyId"), read).message
                == "the access key \"minioad…\" is not known to http://host:9000")
        #expect(
            error(.refusal(403, "AccessDenied"), read).message
                == "cannot read object \"dir/k\" in bucket \"b\" at http://host:9000: In words. (AccessDenied)")
        #expect(
            error(.refusal(301, "PermanentRedirect", headers: ["x-amz-bucket-region": "eu-west-1"]), read).message
                == "bucket \"b\" at http://host:9000 is in region \"eu-west-1\", not \"us-east-1\"")
        #expect(
            error(.refusal(400, "AuthorizationHeaderMalformed", more: "<Region>eu-west-2</Region>"), read).hint?
                .contains("eu-west-2") == true)
    }

    @Test func takesTheTimeToWaitFromTheAnswer() {
        let list = S3Request(purpose: .list)
        #expect(error(.refusal(503, "SlowDown", headers: ["Retry-After": "7"]), list).retryAfter == .seconds(7))
        #expect(error(.refusal(503, "SlowDown", headers: ["Retry-After": "soon"]), list).retryAfter == nil)
    }
}
