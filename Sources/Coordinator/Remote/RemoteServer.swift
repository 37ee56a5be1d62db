import Configuration
import HTTP
import JSON
import Support

/// A running `milvus-backup server`, asked over its REST interface.
struct RemoteServer: Sendable {
    /// With `/api/v1` and without a slash at its end.
    let base: String
    private let token: Secret
    private let http: any HTTPClient

    /// - Parameter address: `http://host:8080`, or without the scheme.
    init(_ address: String, token: Secret, http: any HTTPClient) throws(BackupError) {
        var base = address.contains("://") ? address : "http://\(address)"
        while base.hasSuffix("/") { base.removeLast() }
        guard base.hasPrefix("http://") || base.hasPrefix("https://"), base.split(separator: "/").count >= 2 else {
            throw BackupError(
                .usage, "--server needs a URL, not \"\(address.escapingControlCharacters)\"",
                hint: "as in --server http://10.0.0.1:8080")
        }
        self.base = base.hasSuffix("/api/v1") ? base : base + "/api/v1"
        self.token = token
        self.http = http
    }

    /// The answer to a request whose `code` says that all is well.
    ///
    /// - Throws: what the answer says otherwise.
    @discardableResult
    func ask(
        _ method: String, _ path: String, _ query: [(String, String)] = [], body: JSONValue? = nil
    ) async throws -> JSONValue {
        let parameters = query.map { "\($0)=\(RemoteServer.encoded($1))" }.joined(separator: "&")
        let url = base + path + (parameters.isEmpty ? "" : "?\(parameters)")
        var request = HTTPRequest(method, url, headers: [("accept", "application/json")])
        if !token.isEmpty { request.headers.append(("authorization", "Bearer \(token.exposed)")) }
        if let body {
            request.headers.append(("content-type", "application/json"))
            request.body = .bytes(try JSONWriter.bytes { try $0.value(body) })
        }
        let sent = request
        // What begins a job is sent once: an answer that was lost does not tell whether it has begun.
        let response =
            method == "GET" ? try await withRetries { try await http.send(sent) } : try await http.send(sent)
        return try answer(response, path)
    }

    private func answer(_ response: HTTPResponse, _ path: String) throws -> JSONValue {
        guard let answer = try? JSONValue(parsing: response.body, name: "the answer of \(base)\(path)") else {
            throw BackupError(
                .protocolViolation, "what answers at \(base) is no milvus-backup server (HTTP \(response.status))",
                hint: "check --server and MILVUS_BACKUP_SERVER")
        }
        if response.status != 200 {
            let message = try answer.string("error") ?? "HTTP \(response.status)"
            let code: BackupError.Code = response.status == 401 ? .permissionDenied : .remoteFailure
            throw BackupError(
                code, message,
                hint: response.status == 401 ? "set MILVUS_BACKUP_API_TOKEN to the server's token" : nil)
        }
        switch try answer.int64("code") ?? 0 {
        case 0: return answer
        case 404: throw BackupError(.notFound, try answer.string("msg") ?? "not found")
        case 400: throw BackupError(.invalidArgument, try answer.string("msg") ?? "refused")
        default: throw BackupError(.remoteFailure, try answer.string("msg") ?? "failed")
        }
    }

    /// Everything but letters, digits and `-._~` as `%XX`.
    private static func encoded(_ text: String) -> String {
        text.utf8.reduce(into: "") { result, byte in
            let character = Character(UnicodeScalar(byte))
            if byte < 0x80, character.isLetter || character.isNumber || "-._~".contains(character) {
                result.append(character)
            } else {
                let digits = String(byte, radix: 16, uppercase: true)
                result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
            }
        }
    }
}
