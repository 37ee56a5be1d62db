import HTTP
import Support
import Synchronization

/// One request, before it is addressed and signed.
struct S3Call {
    var method: String
    /// nil for a request to the bucket itself.
    var key: String?
    var query: [(name: String, value: String)] = []
    /// Names in lower case.
    var headers: [(name: String, value: String)] = []
    var body: HTTPRequest.Body = .none
    var request: S3Request
    /// Whether the store may take its time before it answers.
    var isServerSide = false
    /// Whether a relay provides the body, which nobody here sees.
    var isRelayed = false
}

/// Addresses, signs and sends requests, and turns refusals into errors.
///
/// What a store tells only when it refuses is put right here, once for each call: its clock, its region, and that
/// credentials have changed.
final class S3Client: Sendable {
    private struct State {
        /// Seconds the store's clock is ahead of ours.
        var clockOffset: Int64 = 0
        var region: String
        var endpoint: S3Endpoint
        var time: (seconds: Int64, text: String) = (.min, "")
        var signingKey: (key: SigningKey, credentials: S3Credentials, region: String)?
    }

    /// What one request is signed with.
    private struct Signer {
        var credentials: S3Credentials
        var endpoint: S3Endpoint
        var region: String
        var clockOffset: Int64
        /// `20260131T120000Z`.
        var time: String
        var key: SigningKey
    }

    let configuration: S3Configuration
    private let http: any HTTPClient
    /// The same, when it can join requests.
    let relay: (any HTTPRelay)?
    private let now: @Sendable () -> Timestamp
    private let state: Mutex<State>

    init(
        _ configuration: S3Configuration, http: any HTTPClient, now: @escaping @Sendable () -> Timestamp = Timestamp.now
    ) {
        self.configuration = configuration
        self.http = http
        relay = http as? any HTTPRelay
        self.now = now
        let region = S3Endpoint.initialRegion(configuration)
        state = Mutex(State(region: region, endpoint: S3Endpoint(configuration, region: region)))
    }

    /// The region requests are signed for at the moment.
    var region: String { state.withLock { $0.region } }

    /// Sends `call` and returns its answer of status 2xx.
    ///
    /// - Parameter pipe: where the body goes; nil to collect it.
    func send(_ call: S3Call, into pipe: BytePipe? = nil) async throws -> HTTPResponse {
        try await accepted(call.body) {
            let signer = signer(for: try await configuration.credentials.credentials())
            let response = try await answer(to: signedRequest(call, signer), of: call, into: pipe)
            return (response, response.isSuccess ? nil : judge(response, call, signer))
        }
    }

    /// A signed request for others to send.
    func prepare<Answer: Sendable>(
        _ call: S3Call, understand: @escaping @Sendable (HTTPResponse) throws(BackupError) -> Answer
    ) async throws -> DirectRequest<Answer> {
        let signer = signer(for: try await configuration.credentials.credentials())
        return DirectRequest(http: signedRequest(call, signer), understand: understand) { response in
            self.judge(response, call, signer)
        }
    }

    /// What a refusal means, after what can be learned from it was learned.
    private func judge(_ response: HTTPResponse, _ call: S3Call, _ signer: Signer) -> DirectRefusal {
        let refusal = S3ErrorResponse(response)
        let isAdapted =
            adapt(to: refusal, response, call, signer)
            || (refusal.refusesCredentials && configuration.credentials.noteRefusal(of: signer.credentials))
        let error = error(for: refusal, in: call, signer)
        return isAdapted ? .askAgain(error) : .failed(error)
    }

    /// What goes wrong on the way is told along with what was asked.
    private func answer(
        to request: HTTPRequest, of call: S3Call, into pipe: BytePipe?
    ) async throws -> HTTPResponse {
        do {
            return if let pipe { try await http.download(request, into: pipe) } else { try await http.send(request) }
        } catch let error as BackupError where error.code != .canceled {
            throw error.prefixed(description(of: call))
        }
    }

    /// `cannot read object "k" in bucket "b"`.
    func description(of call: S3Call) -> String {
        let bucket = "bucket \"\(configuration.bucket)\""
        guard let key = call.request.key else { return "cannot \(call.request.purpose.rawValue) \(bucket)" }
        return "cannot \(call.request.purpose.rawValue) object \"\(key.escapingControlCharacters)\" in \(bucket)"
    }

    /// The error for a refusal that came in the body of an answer of status 200.
    func error(for refusal: S3ErrorResponse, in call: S3Call) async throws -> BackupError {
        error(for: refusal, in: call, signer(for: try await configuration.credentials.credentials()))
    }

    private func error(for refusal: S3ErrorResponse, in call: S3Call, _ signer: Signer) -> BackupError {
        let mapping = S3ErrorMapping(
            server: "\(configuration.useTLS ? "https" : "http")://\(configuration.host):\(configuration.port)",
            bucket: configuration.bucket, accessKeyID: signer.credentials.accessKeyID, region: signer.region)
        return mapping.error(for: refusal, in: call.request)
    }

    // MARK: Learning

    /// Takes over the store's clock or region. False when the refusal was about neither, or nothing new is in it.
    private func adapt(to refusal: S3ErrorResponse, _ response: HTTPResponse, _ call: S3Call, _ signer: Signer) -> Bool
    {
        if refusal.isClockSkew || (refusal.code.isEmpty && refusal.status == 403) {
            return adaptClock(to: response, signer, isCertain: refusal.isClockSkew)
        }
        guard refusal.isWrongRegion, configuration.region.isEmpty, let region = refusal.region, !region.isEmpty,
            region != signer.region
        else { return false }
        state.withLock { state in
            state.region = region
            state.endpoint = S3Endpoint(configuration, region: region)
        }
        return true
    }

    /// - Parameter isCertain: false when the answer, as that of a HEAD, does not say what it refuses.
    private func adaptClock(to response: HTTPResponse, _ signer: Signer, isCertain: Bool) -> Bool {
        guard let date = response.headers["date"], let time = Timestamp(httpDate: date) else { return false }
        let offset = time.seconds - now().seconds
        // Stores allow 15 minutes; what is well inside was refused for another reason.
        guard isCertain || (offset - signer.clockOffset).magnitude > 600 else { return false }
        state.withLock { $0.clockOffset = offset }
        return true
    }

    // MARK: Signing

    private func signer(for credentials: S3Credentials) -> Signer {
        let now = now().seconds
        return state.withLock { state in
            let seconds = now + state.clockOffset
            if state.time.seconds != seconds {
                state.time = (seconds, Timestamp(seconds: seconds).iso8601Basic)
            }
            let day = String(state.time.text.prefix(8))
            let key: SigningKey
            if let known = state.signingKey, known.key.day == day, known.region == state.region,
                known.credentials == credentials
            {
                key = known.key
            } else {
                key = SigningKey(
                    accessKeyID: credentials.accessKeyID, secretAccessKey: credentials.secretAccessKey.exposed,
                    day: day,
                    region: state.region)
                state.signingKey = (key, credentials, state.region)
            }
            return Signer(
                credentials: credentials, endpoint: state.endpoint, region: state.region,
                clockOffset: state.clockOffset,
                time: state.time.text, key: key)
        }
    }

    private func signedRequest(_ call: S3Call, _ signer: Signer) -> HTTPRequest {
        let endpoint = signer.endpoint
        let path = call.key.map(endpoint.path(of:)) ?? endpoint.keyPrefix
        let query = canonicalQuery(call.query)
        let url = query.isEmpty ? "\(endpoint.root)\(path)" : "\(endpoint.root)\(path)?\(query)"
        let headers =
            if let token = bearerToken(signer.credentials) {
                call.headers.map { (name: $0.name.replacing("x-amz-", with: "x-goog-"), value: $0.value) }
                    + [(name: "authorization", value: "Bearer \(token.exposed)")]
            } else {
                signedHeaders(call, signer, path: path, query: query)
            }
        var request = HTTPRequest(call.method, url, headers: headers, body: call.body)
        request.tls = configuration.tls
        request.stallTimeout = call.isServerSide ? configuration.serverSideTimeout : configuration.stallTimeout
        return request
    }

    /// Google takes a session token by itself, as OAuth does, and its own names of the fields.
    private func bearerToken(_ credentials: S3Credentials) -> Secret? {
        configuration.provider == .gcp ? credentials.sessionToken : nil
    }

    private func signedHeaders(
        _ call: S3Call, _ signer: Signer, path: String, query: String
    ) -> [(name: String, value: String)] {
        let payloadHash = call.payloadHash
        var signed = call.headers.filter { $0.name.hasPrefix("x-amz-") || $0.name == "content-md5" }
        signed.append(("host", signer.endpoint.hostHeader))
        signed.append(("x-amz-content-sha256", payloadHash))
        signed.append(("x-amz-date", signer.time))
        if let token = signer.credentials.sessionToken { signed.append(("x-amz-security-token", token.exposed)) }
        signed.sort { $0.name < $1.name }
        let authorization = signer.key.authorization(
            for: SignableRequest(
                method: call.method, path: path, query: query, headers: signed, payloadHash: payloadHash),
            at: signer.time)
        // The HTTP client writes the host field out of the URL, in the same form.
        var headers = signed.filter { $0.name != "host" }
        headers += call.headers.filter { !$0.name.hasPrefix("x-amz-") && $0.name != "content-md5" }
        headers.append(("authorization", authorization))
        return headers
    }
}

extension S3Call {
    /// Bodies up to here are hashed; above, hashing would cost more than the rest of the request.
    static let largestHashedBody = 64 << 10

    fileprivate var payloadHash: String {
        if isRelayed { return SignableRequest.unsignedPayload }
        return switch body {
        case .none: SignableRequest.emptyPayloadHash
        case .bytes(let bytes) where bytes.count <= S3Call.largestHashedBody: Digests.sha256(bytes).hexadecimal
        case .bytes, .pipe: SignableRequest.unsignedPayload
        }
    }
}

extension Timestamp {
    /// The time of a `Date` field: `Sat, 31 Jan 2026 12:00:00 GMT`. nil when it has any other form.
    package init?(httpDate text: String) {
        let parts = text.split(separator: " ")
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 6, parts[5] == "GMT", let day = Int64(parts[1]), (1...31).contains(day),
            let month = months.firstIndex(of: String(parts[2])), let year = Int64(parts[3]),
            (1970...9999).contains(year)
        else { return nil }
        self.init(year: year, month: month, day: day, clock: parts[4])
    }

    /// `2026-01-31T12:00:00Z`, with a fraction or without. nil when it has any other form.
    package init?(iso8601 text: String) {
        let parts = text.split(separator: "T")
        guard parts.count == 2, text.hasSuffix("Z") else { return nil }
        let date = parts[0].split(separator: "-").compactMap { Int64($0) }
        guard date.count == 3, (1970...9999).contains(date[0]), (1...12).contains(date[1]), (1...31).contains(date[2])
        else { return nil }
        let clock = parts[1].prefix { $0 != "." && $0 != "Z" }
        self.init(year: date[0], month: Int(date[1]) - 1, day: date[2], clock: clock)
    }

    /// - Parameters:
    ///   - month: 0 for January.
    ///   - clock: `12:00:00`.
    private init?(year: Int64, month: Int, day: Int64, clock: Substring) {
        let clock = clock.split(separator: ":").compactMap { Int64($0) }
        guard clock.count == 3, clock.allSatisfy({ (0...60).contains($0) }) else { return nil }
        // Days since 1970 of the proleptic Gregorian calendar, with years that begin in March.
        let shifted = month < 2 ? year - 1 : year
        let dayOfYear = (153 * Int64((month + 10) % 12) + 2) / 5 + day - 1
        let days = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + dayOfYear - 719_468
        self.init(seconds: days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
    }
}
