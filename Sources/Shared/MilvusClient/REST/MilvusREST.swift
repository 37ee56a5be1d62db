import FoundationEssentials
import HTTP
import Support

/// Milvus' REST interface of version 2, as far as gRPC does not offer the same.
package struct MilvusREST: Sendable {
    private let connection: MilvusConnection
    private let http: any HTTPClient
    /// Without a slash at its end.
    private let endpoint: String

    /// - Parameter endpoint: the interface's base URL; empty for the address and port of gRPC, where it is by default.
    package init(connection: MilvusConnection, endpoint: String = "", http: any HTTPClient) {
        var base = endpoint.isEmpty ? connection.baseURL : endpoint
        while base.hasSuffix("/") { base.removeLast() }
        self.endpoint = base.contains("://") ? base : "http://\(base)"
        self.connection = connection
        self.http = http
    }

    /// What every answer is wrapped in. Milvus answers errors with HTTP 200 and a code here.
    private struct Outcome: Decodable {
        var code: Int32
        var message: String?
    }

    private struct Envelope<Content: Decodable>: Decodable {
        var data: Content?
    }

    /// Posts `body` and returns the content of the answer; nil when the answer has none.
    ///
    /// - Throws: ``BackupError/Code/unsupported`` when this Milvus has no such route, `remoteFailure` and others when the
    ///   answer's code says so.
    func post<Body: Encodable, Content: Decodable>(
        _ path: String, _ body: Body, _ operation: String, timeout: Duration,
        headers: [(name: String, value: String)] = [],
        answer: Content.Type = Content.self
    ) async throws -> Content? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        var request = HTTPRequest(
            "POST", endpoint + path,
            headers: [("content-type", "application/json"), ("accept", "application/json")] + authorization + headers,
            body: .bytes([UInt8](try encoder.encode(body))))
        request.tls = connection.effectiveTLS
        request.stallTimeout = timeout
        request.totalTimeout = timeout
        let errors = MilvusErrors(connection: connection)
        let response: HTTPResponse
        do {
            response = try await http.send(request)
        } catch {
            throw errors.error(ofTransport: error, operation)
        }
        if response.status != 200 { throw failure(response, operation, endpoint + path) }
        let damaged = { (cause: any Error) in
            BackupError(
                .corrupted, "\(operation): the answer of \(endpoint)\(path) is not what it should be", cause: cause)
        }
        let outcome: Outcome
        do {
            outcome = try JSONDecoder().decode(Outcome.self, from: Data(response.body))
        } catch {
            throw damaged(error)
        }
        // First the code, because what comes with an error may have any shape.
        guard outcome.code == 0 || outcome.code == 200 else {
            var status = Milvus.Status()
            status.code = outcome.code
            status.reason = outcome.message ?? ""
            throw errors.error(of: status, operation)
        }
        do {
            return try JSONDecoder().decode(Envelope<Content>.self, from: Data(response.body)).data
        } catch {
            throw damaged(error)
        }
    }

    private var authorization: [(name: String, value: String)] {
        guard connection.hasCredentials else { return [] }
        return [("authorization", "Bearer \(connection.user):\(connection.password.exposed)")]
    }

    private func failure(_ response: HTTPResponse, _ operation: String, _ url: String) -> BackupError {
        let status = response.status
        switch status {
        case 404, 405:
            return BackupError(
                .unsupported, "\(operation) is not offered by this Milvus (HTTP \(status) from \(url))",
                hint: "check milvus.rest.endpoint, if REST has an address of its own")
        case 401, 403:
            return BackupError(
                .permissionDenied, "\(operation): Milvus refuses the user \"\(connection.user)\" (HTTP \(status))",
                hint: "check milvus.user and milvus.password")
        case 429: return BackupError(.throttled, "\(operation) failed: HTTP 429 from \(url)", isRetryable: true)
        default:
            return BackupError(
                .remoteFailure, "\(operation) failed: HTTP \(status) from \(url)", isRetryable: status >= 500)
        }
    }
}

/// An integer that some servers write as a number and others as a string.
struct FlexibleInteger: Decodable {
    var value: Int64

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Int64.self) {
            value = number
        } else if let number = Int64(try container.decode(String.self)) {
            value = number
        } else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an integer")
        }
    }
}
