import FoundationEssentials
import HTTP
import Support

/// One request, before it is addressed and authorized.
struct GoogleCall {
    var method: String
    /// Percent-encoded.
    var path: String
    var query: [(name: String, value: String)] = []
    var headers: [(name: String, value: String)] = []
    var body: HTTPRequest.Body = .none
    /// What is asked for, for messages.
    var request: S3Request

    init(_ method: String, _ path: String, _ request: S3Request) {
        self.method = method
        self.path = path
        self.request = request
    }
}

/// Addresses, authorizes and sends requests, and turns refusals into errors.
final class GoogleClient: Sendable {
    let configuration: GoogleConfiguration
    private let http: any HTTPClient
    private let credentials: any CredentialsProvider
    /// Percent-encoded.
    let bucket: String

    init(_ configuration: GoogleConfiguration, http: any HTTPClient, credentials: (any CredentialsProvider)?) {
        self.configuration = configuration
        self.http = http
        bucket = configuration.bucket.percentEncodedSegment
        self.credentials =
            credentials
            ?? CredentialsChain(
                [ServiceAccountCredentials(configuration.key, http: http, tls: configuration.tls)],
                hint: "check the key in auth.credentialsFile and the clock of this host")
    }

    /// Sends `call` and returns its answer of status 2xx.
    ///
    /// - Parameter pipe: where the body goes; nil to collect it.
    func send(_ call: GoogleCall, into pipe: BytePipe? = nil) async throws -> HTTPResponse {
        try await accepted(call.body) {
            let used = try await credentials.credentials()
            let response = try await answer(to: request(call, used), of: call, into: pipe)
            return (response, response.isSuccess ? nil : judge(response, call, used))
        }
    }

    private func judge(_ response: HTTPResponse, _ call: GoogleCall, _ used: S3Credentials) -> DirectRefusal {
        let error = error(for: response, call)
        return response.status == 401 && credentials.noteRefusal(of: used) ? .askAgain(error) : .failed(error)
    }

    private func request(_ call: GoogleCall, _ credentials: S3Credentials) -> HTTPRequest {
        var query: [UInt8] = []
        for (name, value) in call.query {
            query.append(query.isEmpty ? UInt8(ascii: "?") : UInt8(ascii: "&"))
            query.appendEncoded(name)
            query.append(UInt8(ascii: "="))
            query.appendEncoded(value)
        }
        var request = HTTPRequest(
            call.method, configuration.server + call.path + String(decoding: query, as: UTF8.self),
            headers: call.headers, body: call.body)
        if let token = credentials.sessionToken { request.headers.append(("authorization", "Bearer \(token.exposed)")) }
        request.tls = configuration.tls
        request.stallTimeout = configuration.stallTimeout
        return request
    }

    func document<Document: Decodable>(_ type: Document.Type, _ call: GoogleCall) async throws -> Document {
        try decoded(type, try await send(call).body, description(of: call))
    }

    /// What goes wrong on the way is told along with what was asked.
    private func answer(
        to request: HTTPRequest, of call: GoogleCall, into pipe: BytePipe?
    ) async throws -> HTTPResponse {
        do {
            return if let pipe { try await http.download(request, into: pipe) } else { try await http.send(request) }
        } catch let error as BackupError where error.code != .canceled {
            throw error.prefixed(description(of: call))
        }
    }

    private func error(for response: HTTPResponse, _ call: GoogleCall) -> BackupError {
        let mapping = S3ErrorMapping(
            server: configuration.server, bucket: configuration.bucket, accessKeyID: "", region: "")
        var error = mapping.error(for: GoogleRefusal.response(response), in: call.request)
        if error.code == .permissionDenied {
            error.hint = "grant the service account \(configuration.key.account) the right to do this"
        }
        return error
    }

    // MARK: Addresses

    /// `key`, when Google takes it.
    func checked(_ key: String) throws(BackupError) -> String {
        guard !key.isEmpty, key.utf8.count <= 1024 else {
            throw BackupError(
                .invalidArgument, "a key has 1 to 1024 bytes: \"\(String(key.prefix(80)).escapingControlCharacters)\"")
        }
        let hasLineBreak = key.utf8.contains { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
        guard key != ".", key != "..", !hasLineBreak else {
            throw BackupError(.invalidArgument, "\(description(of: key)) cannot be kept: Google takes no such name")
        }
        return key
    }

    static let apiPath = "/storage/v1"

    /// `/storage/v1/b/BUCKET/o/KEY`, in which the slashes of the key are encoded, too.
    func path(of key: String, in other: String? = nil) throws(BackupError) -> String {
        let bucket = other.map(\.percentEncodedSegment) ?? bucket
        return "\(GoogleClient.apiPath)/b/\(bucket)/o/\(try checked(key).percentEncodedSegment)"
    }

    /// What makes the bucket.
    func newBucket() throws -> [UInt8] {
        var fields = ["name": configuration.bucket]
        if !configuration.location.isEmpty { fields["location"] = configuration.location }
        return Array(try JSONEncoder().encode(fields))
    }

    // MARK: Words

    /// `object "k" in bucket "b" at http://h:p`.
    func description(of key: String) -> String {
        "object \"\(key.escapingControlCharacters)\" in bucket \"\(configuration.bucket)\" at \(configuration.server)"
    }

    private func description(of call: GoogleCall) -> String {
        let bucket = "bucket \"\(configuration.bucket)\""
        guard let key = call.request.key else { return "cannot \(call.request.purpose.rawValue) \(bucket)" }
        return "cannot \(call.request.purpose.rawValue) object \"\(key.escapingControlCharacters)\" in \(bucket)"
    }
}

extension String {
    /// The text as one segment of a path: its slashes are encoded.
    fileprivate var percentEncodedSegment: String {
        var bytes: [UInt8] = []
        bytes.appendEncoded(self)
        return String(decoding: bytes, as: UTF8.self)
    }
}
