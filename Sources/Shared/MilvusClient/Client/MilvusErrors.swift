import Support

/// Turns what went wrong in a call into an error that tells the user what to do.
struct MilvusErrors: Sendable {
    let connection: MilvusConnection

    /// Status codes of Milvus (2.3 and later) and the older error codes, as far as something depends on them.
    private enum Known {
        static let notReady: Set<Int32> = [1, 2]
        static let rateLimit: Int32 = 8
        /// Collection, partition, index, database, key (of an import task).
        static let notFound: Set<Int32> = [100, 200, 700, 800, 1000]
        static let privilege: Set<Int32> = [1400, 1401]
        static let oldCollectionNotExists: Int32 = 4
        static let oldIndexNotExist: Int32 = 25
        static let oldRateLimit: Int32 = 49
    }

    /// Milvus has done the call and says that it failed.
    ///
    /// - Parameter operation: what was asked, such as `Flush of db1.c1`.
    func error(of status: Milvus.Status, _ operation: String) -> BackupError {
        let reason = Self.oneLine(status.reason.isEmpty ? status.detail : status.reason)
        let told = reason.isEmpty ? "error code \(status.code == 0 ? status.errorCode : status.code)" : reason
        let text = told.lowercased()
        let message = "\(operation) failed: \(told)"
        if text.contains("auth check failure") { return refusedCredentials(told) }
        if Known.privilege.contains(status.code) || text.contains("permission deny") {
            return refusedRight(operation, told)
        }
        if Self.isRateLimit(status) {
            return BackupError(.throttled, message, isRetryable: true)
        }
        if Known.notFound.contains(status.code) || status.errorCode == Known.oldCollectionNotExists
            || status.errorCode == Known.oldIndexNotExist || text.contains("database not found")
        {
            return BackupError(.notFound, message)
        }
        if text.contains("already exist") { return BackupError(.alreadyExists, message) }
        if Known.notReady.contains(status.code) { return BackupError(.unavailable, message, isRetryable: true) }
        return BackupError(.remoteFailure, message, isRetryable: status.isRetriable)
    }

    /// The call itself ended otherwise than well.
    func error(of status: GRPCStatus, _ operation: String) -> BackupError {
        var error = error(ofCall: status, operation)
        error.cause = status
        return error
    }

    private func error(ofCall status: GRPCStatus, _ operation: String) -> BackupError {
        let told = Self.oneLine(status.message.isEmpty ? "gRPC status \(status.code.rawValue)" : status.message)
        let message = "\(operation) failed: \(told)"
        switch status.code {
        case .unauthenticated: return refusedCredentials(told)
        case .permissionDenied: return refusedRight(operation, told)
        case .unimplemented:
            return BackupError(.unsupported, "Milvus at \(connection.endpoint) does not offer this: \(message)")
        case .unavailable: return BackupError(.unavailable, message, isRetryable: true)
        case .resourceExhausted: return BackupError(.throttled, message, isRetryable: true)
        case .deadlineExceeded: return BackupError(.timedOut, message, isRetryable: true)
        case .notFound: return BackupError(.notFound, message)
        case .alreadyExists: return BackupError(.alreadyExists, message)
        case .invalidArgument: return BackupError(.invalidArgument, message)
        case .unknown where told.hasPrefix("HTTP ") || told.contains("no grpc-status"):
            return BackupError(
                .protocolViolation, "what answers at \(connection.endpoint) is not Milvus' gRPC interface: \(told)",
                hint: "check milvus.grpc.address and milvus.grpc.port")
        default: return BackupError(.remoteFailure, message)
        }
    }

    /// The server was not reached, or its answer was of no use.
    func error(ofTransport error: any Error, _ operation: String) -> BackupError {
        var failure = BackupError(wrapping: error)
        let reason = reason(failure.message)
        switch failure.code {
        case .unavailable:
            failure.message = "cannot reach Milvus at \(connection.endpoint): \(reason)"
            failure.hint = hint(reason, failure.hint)
        case .timedOut where failure.isNoConnection:
            failure.message = "cannot reach Milvus at \(connection.endpoint) \(reason)"
            failure.hint = hint(reason, failure.hint)
        case .timedOut:
            failure.message = "Milvus at \(connection.endpoint) does not answer: \(operation): \(reason)"
        case .canceled, .configuration: break
        default: failure.message = "\(operation) failed: \(reason)"
        }
        return failure
    }

    /// Whether the call was refused only because there were too many of its kind.
    static func isRateLimit(_ status: Milvus.Status) -> Bool {
        status.code == Known.rateLimit || status.errorCode == Known.oldRateLimit
            || status.reason.contains("rate limit exceeded")
    }

    static func isIndexNotFound(_ status: Milvus.Status) -> Bool {
        status.errorCode == Known.oldIndexNotExist || status.reason.contains("index not found")
            || status.reason.hasPrefix("index doesn't exist")
    }

    private func refusedCredentials(_ told: String) -> BackupError {
        let who = connection.hasCredentials ? "the user \"\(connection.user)\"" : "a connection without user"
        return BackupError(
            .permissionDenied, "Milvus at \(connection.endpoint) refuses \(who): \(told)",
            hint: connection.hasCredentials
                ? "check milvus.user and milvus.password" : "set milvus.user and milvus.password")
    }

    private func refusedRight(_ operation: String, _ told: String) -> BackupError {
        BackupError(
            .permissionDenied, "Milvus refuses \(operation): \(told)",
            hint: "grant the right to the user \"\(connection.user)\", or use one that has it")
    }

    private func hint(_ reason: String, _ given: String?) -> String {
        let text = reason.lowercased()
        let signs = ["http/2", "closed", "ended", "broke"]
        if connection.tlsMode == .disabled, signs.contains(where: { text.contains($0) }) {
            return "check milvus.grpc.address and milvus.grpc.port; if this Milvus uses TLS, set milvus.grpc.tlsMode"
        }
        if text.contains("wrong version number") || text.contains("packet length too long") {
            return "this Milvus seems to use no TLS: check milvus.grpc.tlsMode"
        }
        if text.hasPrefix("tls") { return given ?? "check milvus.grpc.tlsMode, caCertPath and serverName" }
        return "check milvus.grpc.address and milvus.grpc.port"
    }

    /// What remains of the HTTP client's message without the address it begins with, which is said already.
    private func reason(_ message: String) -> String {
        for form in [
            "cannot connect to \(connection.baseURL): ", "\(connection.baseURL): ",
            "cannot connect to \(connection.baseURL) ",
        ]
        where message.hasPrefix(form) {
            let rest = message.dropFirst(form.count)
            let isWord = rest.dropFirst().first?.isLowercase ?? false
            return isWord ? rest.prefix(1).lowercased() + rest.dropFirst() : String(rest)
        }
        return message
    }

    /// The first line, without control characters and of bounded length: servers append stack traces.
    static func oneLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        let limit = 500
        return (line.count > limit ? line.prefix(limit) + "…" : line[...]).description.escapingControlCharacters
    }
}
