import CCrypto
import FoundationEssentials
import HTTP
import Support

/// An object as the JSON API shows it.
struct GoogleObject: Decodable {
    var name: String
    /// Sizes and generations come as text: JSON has no integers of 64 bits.
    var size: String?
    /// Base 64; not there for objects that were composed of others.
    var md5Hash: String?
    var generation: String?

    static let fields = "name,size,md5Hash,generation"

    /// Google's own ETags change with the metadata and say nothing of the content, so they are not used: where the MD5 is known it
    /// is the ETag, as S3 has it, and elsewhere the number of the version.
    var etag: String { md5Hash.flatMap(decodedBase64)?.hexadecimal ?? generation.map { "generation-\($0)" } ?? "" }

    func info() throws(BackupError) -> ObjectInfo {
        guard let size = size.flatMap({ Int64($0) }), size >= 0 else {
            throw BackupError(.protocolViolation, "the store tells no size of \"\(name.escapingControlCharacters)\"")
        }
        return ObjectInfo(key: name, size: size, etag: etag)
    }

    var stored: StoredObject { StoredObject(etag: etag) }
}

struct GooglePage: Decodable {
    var items: [GoogleObject]?
    var prefixes: [String]?
    var nextPageToken: String?
}

/// How far a copy inside the store is.
struct GoogleRewrite: Decodable {
    var done: Bool
    var rewriteToken: String?
    var resource: GoogleObject?
}

/// A refusal, in the words of S3: one table of errors serves both.
struct GoogleRefusal: Decodable {
    private struct Reason: Decodable { var reason: String? }

    private struct Content: Decodable {
        var message: String?
        var errors: [Reason]?
    }

    private var error: Content

    static func response(_ answer: HTTPResponse) -> S3ErrorResponse {
        var response = S3ErrorResponse(answer)
        let refusal = try? JSONDecoder().decode(GoogleRefusal.self, from: Data(answer.body))
        let message = String((refusal?.error.message ?? "").prefix(300)).escapingControlCharacters
        let reason = refusal?.error.errors?.first?.reason ?? ""
        response.message = message
        response.code = code(answer.status, reason, message)
        return response
    }

    private static func code(_ status: Int, _ reason: String, _ message: String) -> String {
        switch (status, reason) {
        case (404, _) where message.contains("bucket does not exist"): "NoSuchBucket"
        case (401, _): "InvalidToken"
        case (403, "rateLimitExceeded"), (403, "userRateLimitExceeded"), (429, _): "SlowDown"
        case (412, _): "PreconditionFailed"
        case (409, "conflict"): "BucketAlreadyExists"
        default: reason
        }
    }
}

func decoded<Document: Decodable>(
    _ type: Document.Type, _ body: [UInt8], _ what: @autoclosure () -> String
) throws(BackupError) -> Document {
    do {
        return try JSONDecoder().decode(type, from: Data(body))
    } catch {
        throw BackupError(.protocolViolation, "\(what()): the server's answer cannot be understood")
    }
}

/// The bytes of base 64 with padding; nil when it is none.
func decodedBase64(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }
