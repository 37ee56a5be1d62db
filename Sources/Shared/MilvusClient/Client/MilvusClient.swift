import HTTP
import Support
import Synchronization

/// A Milvus server over gRPC: one typed method per call that backup and restore need.
///
/// Every call has a deadline and is repeated when the server is not available or asks to slow down. All of them throw
/// ``BackupError``: `unavailable`, `timedOut`, `permissionDenied`, `notFound`, `unsupported` (the server does not know the
/// call), `throttled`, `remoteFailure`.
package final class MilvusClient: Sendable {
    package let connection: MilvusConnection
    let logger: Logger
    let clock: MonotonicClock
    private let channel: GRPCChannel
    private let errors: MilvusErrors
    private let state = Mutex(State())

    private struct State {
        /// What Connect has given us, sent along with every later call.
        var identifier: Int64?
        /// By method.
        var limiters: [String: RateLimiter] = [:]
    }

    /// - Parameter version: our own, told to the server.
    package init(
        connection: MilvusConnection, http: any HTTPClient, logger: Logger, version: String = "dev",
        clock: MonotonicClock = .system
    ) {
        self.connection = connection
        self.logger = logger
        self.clock = clock
        self.clientVersion = version
        channel = GRPCChannel(
            http: http, baseURL: connection.baseURL, tls: connection.effectiveTLS, userAgent: "milvus-backup/\(version)"
        )
        errors = MilvusErrors(connection: connection)
    }

    private let clientVersion: String

    // MARK: Connecting

    /// Introduces us to the server and finds out what it can do.
    ///
    /// - Throws: ``BackupError/Code/unavailable`` when it cannot be reached, ``BackupError/Code/permissionDenied`` when it
    ///   refuses user and password, ``BackupError/Code/configuration`` when the address is none.
    package func connect() async throws -> ServerInfo {
        try connection.validate()
        let buildTags = try await introduce()
        let hasDatabases = try await offersDatabases()
        let version =
            ServerVersion.looksLikeVersion(buildTags)
            ? buildTags : try await call(Milvus.GetVersionRequest(), "GetVersion").version
        let resolved = ServerVersion.resolve([buildTags, version])
        if resolved == .unknown {
            logger.warn(
                "this Milvus does not tell its version: taken for a newer one than any known", ["version": version])
        }
        var features = ServerFeatures(of: resolved)
        if hasDatabases { features.insert(.multiDatabase) }
        logger.debug(
            "connected to Milvus", ["endpoint": connection.endpoint, "version": version, "resolved": resolved])
        return ServerInfo(version: version, resolvedVersion: resolved, features: features)
    }

    /// - Returns: the server's build tags; empty when it is too old for this call.
    private func introduce() async throws -> String {
        var request = Milvus.ConnectRequest()
        request.clientInfo.sdkType = "BackupToolCustomSDK"
        request.clientInfo.sdkVersion = clientVersion
        request.clientInfo.localTime = Timestamp.now().iso8601
        request.clientInfo.user = connection.user
        request.clientInfo.host = hostName()
        do {
            // Few tries, for a wrong address shall be told at once.
            let response = try await call(request, "the connection", retry: .connecting)
            state.withLock { $0.identifier = response.identifier }
            return response.serverInfo.buildTags
        } catch let error as BackupError where error.code == .unsupported {
            return ""
        }
    }

    private func offersDatabases() async throws -> Bool {
        do {
            // Only whether the call exists counts here, not what it answers.
            _ = try await answer(Milvus.ListDatabasesRequest(), "ListDatabases")
            return true
        } catch let error as BackupError where error.code == .unsupported {
            return false
        }
    }

    // MARK: Calling

    /// Makes a call and checks the status in its answer.
    ///
    /// - Parameters:
    ///   - operation: what is asked, for error texts, such as `Flush of db1.c1`.
    ///   - database: the database it is about; nil for those that are about none.
    func call<Request: MilvusRequest>(
        _ request: Request, _ operation: String, database: String? = nil, deadline: Duration = .seconds(60),
        retry: RetryPolicy = .transport
    ) async throws -> Request.Response {
        let response = try await answer(request, operation, database: database, deadline: deadline, retry: retry)
        try check(response.status, operation)
        return response
    }

    /// - Throws: what the status says, unless it says that all is well.
    func check(_ status: Milvus.Status, _ operation: String) throws(BackupError) {
        if !status.isOK { throw errors.error(of: status, operation) }
    }

    /// Makes a call and returns the answer whatever its status is.
    func answer<Request: MilvusRequest>(
        _ request: Request, _ operation: String, database: String? = nil, deadline: Duration = .seconds(60),
        retry: RetryPolicy = .transport
    ) async throws -> Request.Response {
        let bytes = request.serialized()
        let path = "/milvus.proto.milvus.MilvusService/\(Request.method)"
        let metadata = metadata(database)
        return try await withRetries(
            retry, clock: clock,
            onRetry: { error, attempt in
                logger.debug("call to Milvus is repeated", ["attempt": attempt, "error": error.description])
            }
        ) {
            do {
                let body = try await channel.unary(path, bytes, metadata: metadata, deadline: deadline)
                return try Request.Response(serialized: body)
            } catch let status as GRPCStatus {
                throw errors.error(of: status, operation)
            } catch {
                throw errors.error(ofTransport: error, operation)
            }
        }
    }

    private func metadata(_ database: String?) -> [(name: String, value: String)] {
        var metadata: [(name: String, value: String)] = []
        if connection.hasCredentials {
            let credentials = "\(connection.user):\(connection.password.exposed)"
            metadata.append(("authorization", base64Encoded(Array(credentials.utf8))))
        }
        if let identifier = state.withLock({ $0.identifier }) { metadata.append(("identifier", String(identifier))) }
        if let database, !database.isEmpty { metadata.append(("dbname", database)) }
        return metadata
    }

    // MARK: Pacing

    /// Makes a call that servers limit the rate of: at the rate that has turned out to be allowed, and again when it is
    /// refused for its rate. Other refusals are thrown.
    func pacedCall<Request: MilvusRequest>(
        _ request: Request, _ operation: String, database: String? = nil, limiter: RateLimiter = .dataDefinition,
        deadline: Duration = .seconds(60), tries: Int = 10, retry: RetryPolicy = .transport
    ) async throws -> Request.Response {
        var policy = RetryPolicy.standard
        policy.attempts = tries
        var attempt = 1
        while true {
            try await waitForTurn(Request.method, limiter)
            let response = try await answer(
                request, operation, database: database, deadline: deadline, retry: retry)
            let isRefused = MilvusErrors.isRateLimit(response.status)
            state.withLock { state in
                if isRefused {
                    state.limiters[Request.method]?.failed()
                } else {
                    state.limiters[Request.method]?.succeeded()
                }
            }
            if response.status.isOK { return response }
            let error = errors.error(of: response.status, operation)
            attempt += 1
            guard isRefused, let pause = policy.delay(beforeAttempt: attempt, after: error, jitter: .random(in: 0..<1))
            else { throw error }
            logger.debug("Milvus asks to slow down", ["operation": operation, "attempt": attempt])
            try await clock.sleep(for: pause)
        }
    }

    private func waitForTurn(_ method: String, _ limiter: RateLimiter) async throws {
        let now = clock.now
        let wait = state.withLock { $0.limiters[method, default: limiter].reserve(at: now) }
        if wait > .zero { try await clock.sleep(for: wait) }
    }
}

extension RetryPolicy {
    /// Calls that the server did not take: six tries, 60 ms growing threefold.
    static let transport = RetryPolicy(
        attempts: 6, initialDelay: .milliseconds(60), maximumDelay: .seconds(15), multiplier: 3)
    /// The first call of all.
    static let connecting = RetryPolicy(
        attempts: 3, initialDelay: .milliseconds(60), maximumDelay: .seconds(1), multiplier: 3, repeatsConnecting: false
    )
    /// Calls whose repetition might do something twice.
    static let once = RetryPolicy(attempts: 1)
}
