/// What a signature covers.
struct SignableRequest {
    var method: String
    /// Percent-encoded, from the first slash.
    var path: String
    /// As ``canonicalQuery(_:)`` makes it.
    var query: String = ""
    /// The fields that are signed: names in lower case and ascending, values without superfluous blanks.
    var headers: [(name: String, value: String)]
    /// The body's SHA-256 in hexadecimal, or ``unsignedPayload``.
    var payloadHash: String

    /// Says that the body is not part of the signature.
    static let unsignedPayload = "UNSIGNED-PAYLOAD"
    /// SHA-256 of nothing.
    static let emptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
}

/// A key that signs the requests of one day by AWS Signature Version 4.
///
/// Format: "Authenticating Requests: Using the Authorization Header" in the Amazon S3 API reference.
struct SigningKey {
    /// `20260131`.
    let day: String
    private let key: [UInt8]
    /// `20260131/us-east-1/s3/aws4_request`.
    private let scope: String
    private let authorizationStart: String

    init(accessKeyID: String, secretAccessKey: String, day: String, region: String, service: String = "s3") {
        self.day = day
        scope = "\(day)/\(region)/\(service)/aws4_request"
        authorizationStart = "AWS4-HMAC-SHA256 Credential=\(accessKeyID)/\(scope), SignedHeaders="
        key = [day, region, service, "aws4_request"].reduce(Array("AWS4\(secretAccessKey)".utf8)) { key, part in
            Digests.hmacSHA256(key: key, Array(part.utf8))
        }
    }

    /// The value of the `Authorization` field.
    ///
    /// - Parameter time: `20260131T120000Z`, on the day of this key.
    func authorization(for request: SignableRequest, at time: String) -> String {
        var signedHeaders = ""
        for header in request.headers {
            if !signedHeaders.isEmpty { signedHeaders += ";" }
            signedHeaders += header.name
        }
        let canonical = canonicalForm(of: request, signedHeaders: signedHeaders)
        let text = "AWS4-HMAC-SHA256\n\(time)\n\(scope)\n\(Digests.sha256(canonical).hexadecimal)"
        let signature = Digests.hmacSHA256(key: key, Array(text.utf8)).hexadecimal
        return "\(authorizationStart)\(signedHeaders), Signature=\(signature)"
    }

    private func canonicalForm(of request: SignableRequest, signedHeaders: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512 + request.path.utf8.count + request.query.utf8.count)
        func line(_ text: String) {
            bytes.append(contentsOf: text.utf8)
            bytes.append(UInt8(ascii: "\n"))
        }
        line(request.method)
        line(request.path)
        line(request.query)
        for header in request.headers {
            bytes.append(contentsOf: header.name.utf8)
            bytes.append(UInt8(ascii: ":"))
            line(header.value)
        }
        line("")
        line(signedHeaders)
        bytes.append(contentsOf: request.payloadHash.utf8)
        return bytes
    }
}

/// A query as it is both sent and signed: percent-encoded, in ascending order, with `=` after every name.
func canonicalQuery(_ items: [(name: String, value: String)]) -> String {
    guard !items.isEmpty else { return "" }
    func encoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        bytes.appendEncoded(text)
        return String(decoding: bytes, as: UTF8.self)
    }
    // What is encoded is ASCII, so that the order of strings is the order of bytes.
    let pairs = items.map { (name: encoded($0.name), value: encoded($0.value)) }
        .sorted { ($0.name, $0.value) < ($1.name, $1.value) }
    return pairs.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
}
