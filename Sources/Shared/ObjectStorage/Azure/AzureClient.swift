import HTTP
import Support
import Synchronization

/// One request, before it is addressed and signed.
struct AzureCall {
    var method: String
    /// nil for a request to the container itself.
    var key: String?
    var query: [(name: String, value: String)] = []
    /// Names in lower case.
    var headers: [(name: String, value: String)] = []
    var body: HTTPRequest.Body = .none
    /// What was asked for; its `source` is given to the service with the right to read it.
    var request: StoreRequest
    /// Whether the service may take its time before it answers.
    var isServerSide = false
    /// Length of a body that a relay provides.
    var relayedLength: Int64?
}

/// What was asked for, to say what is wrong with it: the same words as for every other store.
typealias StoreRequest = S3Request

/// Addresses, signs and sends requests, and turns refusals into errors. What a service tells of its clock when it refuses is
/// put right here, once for each call.
final class AzureClient: Sendable {
    /// The version of the protocol: the oldest one with all that is used here, which is what emulators know best.
    static let version = "2020-12-06"
    /// How long the right to read a source is valid: it has to begin in that time.
    private static let sourceLifetime: Int64 = 3600

    /// What one request is signed with.
    private struct Signer {
        enum Method {
            case sharedKey(AzureAccountKey, now: Timestamp, clockOffset: Int64)
            case token(Secret)
        }

        let credentials: S3Credentials
        let method: Method

        var usesKey: Bool { if case .sharedKey = method { true } else { false } }
    }

    let configuration: AzureConfiguration
    let endpoint: AzureEndpoint
    private let http: any HTTPClient
    /// The same, when it can join requests.
    let relay: (any HTTPRelay)?
    private let now: @Sendable () -> Timestamp
    /// Seconds the service's clock is ahead of ours.
    private let clockOffset = Mutex<Int64>(0)

    init(
        _ configuration: AzureConfiguration, http: any HTTPClient,
        now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.configuration = configuration
        self.http = http
        relay = http as? any HTTPRelay
        self.now = now
        endpoint = AzureEndpoint(
            account: configuration.account, host: configuration.host, port: configuration.port)
    }

    /// Sends `call` and returns its answer of status 2xx.
    ///
    /// - Parameter pipe: where the body goes; nil to collect it.
    func send(_ call: AzureCall, into pipe: BytePipe? = nil) async throws -> HTTPResponse {
        try await accepted(call.body) {
            let signer = try await signer()
            let response = try await answer(to: signedRequest(call, signer), of: call, into: pipe)
            return (response, response.isSuccess ? nil : judge(response, call, signer))
        }
    }

    /// A signed request for others to send.
    func prepare<Answer: Sendable>(
        _ call: AzureCall, understand: @escaping @Sendable (HTTPResponse) throws(BackupError) -> Answer
    ) async throws -> DirectRequest<Answer> {
        let signer = try await signer()
        return DirectRequest(http: signedRequest(call, signer), understand: understand) { response in
            self.judge(response, call, signer)
        }
    }

    /// `cannot read object "k" in container "b"`.
    func description(of call: AzureCall) -> String {
        let container = "container \"\(configuration.container)\""
        guard let key = call.request.key else { return "cannot \(call.request.purpose.rawValue) \(container)" }
        return "cannot \(call.request.purpose.rawValue) object \"\(key.escapingControlCharacters)\" in \(container)"
    }

    /// What goes wrong on the way is told along with what was asked.
    private func answer(
        to request: HTTPRequest, of call: AzureCall, into pipe: BytePipe?
    ) async throws -> HTTPResponse {
        do {
            return if let pipe { try await http.download(request, into: pipe) } else { try await http.send(request) }
        } catch var error as BackupError where error.code != .canceled {
            if error.message.hasPrefix("cannot resolve host") {
                error.hint = "check the storage's accountName and address, which make this name"
            }
            throw error.prefixed(description(of: call))
        }
    }

    // MARK: Refusals

    private func judge(_ response: HTTPResponse, _ call: AzureCall, _ signer: Signer) -> DirectRefusal {
        let refusal = AzureErrorResponse(response)
        let isAdapted =
            adaptClock(to: refusal, response, signer)
            || (refusal.refusesCredentials && configuration.authorization.provider.noteRefusal(of: signer.credentials))
        let mapping = AzureErrorMapping(
            server: "https://\(endpoint.description)", container: configuration.container,
            account: configuration.account, usesKey: signer.usesKey)
        let error = mapping.error(for: refusal, in: call.request)
        return isAdapted ? .askAgain(error) : .failed(error)
    }

    /// Takes over the service's clock, when ours is why a signature was refused: 15 minutes are allowed.
    private func adaptClock(to refusal: AzureErrorResponse, _ response: HTTPResponse, _ signer: Signer) -> Bool {
        guard case .sharedKey(_, _, let used) = signer.method, refusal.code == "AuthenticationFailed",
            let date = response.headers["date"], let time = Timestamp(httpDate: date)
        else { return false }
        let offset = time.seconds - now().seconds
        guard (offset - used).magnitude > 600 else { return false }
        clockOffset.withLock { $0 = offset }
        return true
    }

    // MARK: Signing

    private func signer() async throws -> Signer {
        let credentials = try await configuration.authorization.provider.credentials()
        switch configuration.authorization {
        case .sharedKey:
            let offset = clockOffset.withLock { $0 }
            let key = try AzureAccountKey(credentials.secretAccessKey)
            let now = Timestamp(seconds: now().seconds + offset)
            return Signer(credentials: credentials, method: .sharedKey(key, now: now, clockOffset: offset))
        case .tokens:
            return Signer(credentials: credentials, method: .token(credentials.sessionToken ?? Secret("")))
        }
    }

    private func signedRequest(_ call: AzureCall, _ signer: Signer) -> HTTPRequest {
        let path = endpoint.path(container: configuration.container, key: call.key)
        let query = canonicalQuery(call.query)
        let url = query.isEmpty ? "\(endpoint.root)\(path)" : "\(endpoint.root)\(path)?\(query)"
        var headers = call.headers
        headers.append(("x-ms-version", AzureClient.version))
        if let source = call.request.source { headers += sourceFields(source, signer) }
        switch signer.method {
        case .token(let token): headers.append(("authorization", "Bearer \(token.exposed)"))
        case .sharedKey(let key, let now, _):
            headers.append(("x-ms-date", now.httpDate))
            let signable = SharedKeyRequest(
                method: call.method, path: path, query: call.query, headers: headers,
                contentLength: call.contentLength)
            headers.append(("authorization", signable.authorization(account: configuration.account, key: key)))
        }
        var request = HTTPRequest(call.method, url, headers: headers, body: call.body)
        request.tls = configuration.tls
        request.stallTimeout = call.isServerSide ? configuration.serverSideTimeout : configuration.stallTimeout
        return request
    }

    /// The source of a copy, and the right to read it: a SAS for this one blob, or our own token, which Azure takes for the
    /// source as well. A SAS of a token's ("user delegation") would need one more right, over the whole account.
    private func sourceFields(_ source: ObjectReference, _ signer: Signer) -> [(name: String, value: String)] {
        let url = "\(endpoint.root)\(endpoint.path(container: source.bucket, key: source.key))"
        switch signer.method {
        case .token(let token):
            return [("x-ms-copy-source", url), ("x-ms-copy-source-authorization", "Bearer \(token.exposed)")]
        case .sharedKey(let key, let now, _):
            let signature = BlobReadSignature(
                account: configuration.account, container: source.bucket, key: source.key,
                expiry: Timestamp(seconds: now.seconds + AzureClient.sourceLifetime).iso8601Seconds)
            return [("x-ms-copy-source", "\(url)?\(signature.query(key: key, version: AzureClient.version))")]
        }
    }
}

extension AzureCall {
    fileprivate var contentLength: Int64 {
        switch body {
        case .none: relayedLength ?? 0
        case .bytes(let bytes): Int64(bytes.count)
        case .pipe(_, let length): length
        }
    }
}
