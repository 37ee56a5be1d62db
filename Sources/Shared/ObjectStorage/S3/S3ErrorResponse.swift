import HTTP
import Support

/// What a store said when it refused a request. It is the `cause` of the ``BackupError`` that is thrown.
package struct S3ErrorResponse: Error, Sendable, Hashable {
    /// The HTTP status; 200 when the refusal came in the body of an answer that began well.
    package var status: Int
    /// S3's own code, as in `NoSuchKey`; empty when the answer had none, as that of a HEAD.
    package var code: String
    /// The store's own words, in one line.
    package var message: String
    /// The region the store wants, when it told.
    package var region: String?
    package var bucket: String?
    package var retryAfter: Duration?

    package init(
        status: Int, code: String = "", message: String = "", region: String? = nil, bucket: String? = nil,
        retryAfter: Duration? = nil
    ) {
        self.status = status
        self.code = code
        self.message = message
        self.region = region
        self.bucket = bucket
        self.retryAfter = retryAfter
    }

    /// Reads an answer of any shape: a proxy's page instead of an `Error` document leaves the code empty.
    init(_ response: HTTPResponse) {
        self.init(status: response.status)
        region = response.headers["x-amz-bucket-region"]
        retryAfter = response.headers["retry-after"].flatMap { Int($0) }.map { .seconds(max(0, min($0, 300))) }
        guard let document = try? FlatDocument(response.body), document.root == "Error" else { return }
        read(document)
    }

    /// The refusal in an answer of status 200; nil when it is none.
    init?(_ document: FlatDocument) {
        guard document.root == "Error" else { return nil }
        self.init(status: 200)
        read(document)
    }

    private mutating func read(_ document: FlatDocument) {
        code = document["Code"] ?? ""
        message = String((document["Message"] ?? "").prefix(300)).escapingControlCharacters
        region = document["Region"] ?? region
        bucket = document["BucketName"] ?? document["Bucket"]
    }

    /// Whether our clock is too far from the store's.
    var isClockSkew: Bool { code == "RequestTimeTooSkewed" }

    /// Whether it is the access key, its secret or the session token that is not accepted, and not what was asked for.
    var refusesCredentials: Bool {
        switch code {
        case "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired": true
        // A HEAD has no code.
        case "": status == 401 || status == 403
        default: false
        }
    }

    /// Whether the bucket is to be asked for in another region.
    var isWrongRegion: Bool {
        switch code {
        case "PermanentRedirect", "TemporaryRedirect", "Redirect", "AuthorizationHeaderMalformed",
            "IllegalLocationConstraintException", "InvalidRegion":
            true
        // A HEAD has no code.
        case "": [301, 302, 307, 308].contains(status) || (status == 400 && region != nil)
        default: [301, 302, 307, 308].contains(status)
        }
    }
}

extension BackupError {
    /// What an S3 store said, when this error comes from one.
    package var s3Response: S3ErrorResponse? { cause as? S3ErrorResponse }

    /// Whether a store has refused to copy by itself in a way that streaming the bytes can get around: it cannot do it, or
    /// the credentials of the destination have no right to the source.
    package var isCopyRefusal: Bool { code == .unsupported || code == .permissionDenied }
}
