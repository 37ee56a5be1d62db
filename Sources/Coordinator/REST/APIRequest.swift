import FoundationEssentials
import JSON
import Support

/// A request as the routes see it.
struct APIRequest: Sendable {
    var method: String
    /// Decoded, without the query.
    var path: String
    var query: [(name: String, value: String)] = []
    /// Names in lower case.
    var headers: [String: String] = [:]
    var body: [UInt8] = []

    /// The value of a parameter; empty when it is missing.
    func parameter(_ name: String) -> String { query.first { $0.name == name }?.value ?? "" }

    /// The `request_id` header, or a new id.
    var requestID: String {
        let id = headers["request_id"] ?? headers["request-id"] ?? ""
        return id.isEmpty ? UUID().uuidString.lowercased() : id
    }

    /// The body as JSON.
    ///
    /// - Throws: ``MalformedBody`` when it is no object.
    func json() throws -> JSONValue {
        do {
            let value = try JSONValue(parsing: body, name: "body")
            _ = try value.members("body")
            return value
        } catch {
            throw MalformedBody(error)
        }
    }
}

/// A body that is not JSON, or has a value of the wrong type: answered with HTTP 400 instead of a code.
struct MalformedBody: Error {
    let message: String

    init(_ error: any Error) { message = "invalid request body: \(BackupError(wrapping: error).description)" }
}

/// What is sent back.
struct APIResponse: Sendable {
    var status = 200
    var contentType = "application/json; charset=utf-8"
    var headers: [(name: String, value: String)] = []
    var body: [UInt8]

    static func text(_ text: String, status: Int = 200) -> APIResponse {
        APIResponse(status: status, contentType: "text/plain; charset=utf-8", body: Array(text.utf8))
    }

    /// `{"error": …}`, for what is answered with an HTTP status.
    static func error(_ message: String, status: Int) -> APIResponse {
        let bytes = try? JSONWriter.bytes { try $0.object { try $0.member("error", message) } }
        return APIResponse(status: status, body: bytes ?? [])
    }
}
