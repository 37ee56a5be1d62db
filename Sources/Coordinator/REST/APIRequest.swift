import FoundationEssentials
import HTTPServer
import JSON
import Support

extension HTTPServerRequest {
    /// The value of a parameter; empty when it is missing.
    func parameter(_ name: String) -> String { queryValue(name) ?? "" }

    /// What the client calls this request; empty when it does not say.
    var givenRequestID: String { headers["request_id"] ?? headers["request-id"] ?? "" }

    /// The same for a restore: what the body says goes before the header.
    var requestIDOfRestore: String {
        let named = (try? json().string("requestId")) ?? nil
        return named.flatMap { $0.isEmpty ? nil : $0 } ?? givenRequestID
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

extension HTTPServerResponse {
    /// `{"error": …}`, for what is answered with an HTTP status.
    static func error(_ message: String, status: Int) -> HTTPServerResponse {
        .json((try? JSONWriter.bytes { try $0.object { try $0.member("error", message) } }) ?? [], status: status)
    }
}
