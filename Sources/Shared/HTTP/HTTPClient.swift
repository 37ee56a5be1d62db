import Support

/// Sends HTTP requests. Implementations are safe to use from any task and share their connections among all callers.
///
/// Contract:
/// - An answer of any status is a result and not an error. Errors are ``BackupError``: `unavailable` (name, connection,
///   TLS, reset), `timedOut`, `canceled`; their `isRetryable` says whether the network may recover by itself.
/// - Nothing is retried here, and redirects are not followed. Only when the server closes a kept-alive connection instead of
///   answering, a request other than POST goes out again on another one, if all of its body can be sent again.
/// - Cancelling the task ends the transfer and frees its connection. A download whose head was returned belongs to its
///   pipe from then on: its consumer ends it with ``BytePipe/cancel()``.
/// - A request that ends before all bytes of its `pipe` body were read (an early answer, a failure, a cancellation) cancels
///   the pipe, so that the producer stops.
/// - Messages name scheme, host and port and never a header, a body or a query.
package protocol HTTPClient: Sendable {
    /// Sends a request and collects the answer, whose body may have at most `request.maximumResponseSize` bytes
    /// (`corrupted` when it has more).
    func send(_ request: HTTPRequest) async throws -> HTTPResponse

    /// Sends a request and returns as soon as the head of the answer is there.
    ///
    /// When its status is 2xx the body goes on to `pipe`, which is finished at its end or failed when the transfer breaks;
    /// a body shorter than its Content-Length fails it. Otherwise the (error) body is collected and returned in the
    /// response, cut off at `request.maximumResponseSize`, and `pipe` is left untouched, as it is when this throws. When the
    /// pipe's consumer cancels, the transfer ends.
    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse
}

/// One request.
package struct HTTPRequest: Sendable {
    /// What is sent after the head.
    package enum Body: Sendable {
        case none
        case bytes([UInt8])
        /// Exactly `length` bytes out of the pipe. The request fails with the pipe's error when the pipe fails or ends early.
        case pipe(BytePipe, length: Int64)

        /// Whether all of it is still there to be sent again.
        package var canBeRepeated: Bool {
            if case .pipe(let pipe, _) = self { pipe.bytesRead == 0 } else { true }
        }
    }

    /// Which version of HTTP is spoken.
    package enum Version: Sendable {
        case http1
        /// HTTP/2 from the first byte on plain connections, by ALPN on TLS: what gRPC needs.
        case http2
    }

    package var method: String
    /// Absolute, with path and query percent-encoded as they go on the wire.
    package var url: String
    package var headers: [(name: String, value: String)]
    package var body: Body
    package var version: Version = .http1
    package var tls: TLSSettings = TLSSettings()
    /// The time to connect, TLS included.
    package var connectTimeout: Duration = .seconds(10)
    /// Fails with `timedOut` when no byte moves in either direction for so long.
    package var stallTimeout: Duration = .seconds(60)
    /// Fails with `timedOut` when the whole request takes longer; nil for no limit.
    package var totalTimeout: Duration?
    /// Bytes of a collected body, at most.
    package var maximumResponseSize: Int = 64 << 20

    package init(_ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: Body = .none) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// Whom to trust and who we are on `https` connections.
package struct TLSSettings: Sendable, Hashable {
    /// A PEM file of certificate authorities that replaces the system's; else `SSL_CERT_FILE`/`SSL_CERT_DIR`, else the system's.
    package var caCertPath: String = ""
    /// PEM files of our own certificate and key, for mutual TLS.
    package var clientCertPath: String = ""
    package var clientKeyPath: String = ""
    /// The name expected in the server's certificate when it is not the host of the URL.
    package var serverName: String = ""

    package init() {}
}

/// One answer.
package struct HTTPResponse: Sendable {
    package var status: Int
    package var headers: HTTPHeaders
    /// What came after the body (gRPC's status).
    package var trailers: HTTPHeaders
    package var body: [UInt8]

    package init(status: Int, headers: HTTPHeaders = [:], trailers: HTTPHeaders = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.trailers = trailers
        self.body = body
    }

    /// Whether the status is 2xx.
    package var isSuccess: Bool { (200..<300).contains(status) }
}
