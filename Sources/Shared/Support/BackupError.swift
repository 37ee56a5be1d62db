/// The one error type of the project.
///
/// `message` says in one line what is wrong and where; `hint`, when there is one, says what to do about it. Neither ever
/// contains a secret. The `code` becomes an exit code or a REST code in one place of each program.
package struct BackupError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure this is. Extensible: an unknown code is treated like ``internalError``.
    package struct Code: Hashable, Sendable, CustomStringConvertible {
        package let description: String

        package init(_ description: String) { self.description = description }

        /// A command was called in a way it cannot be called.
        package static let usage = Code("usage")
        /// The configuration is wrong or cannot be read.
        package static let configuration = Code("configuration")
        /// An argument has a value that is not allowed: a backup name, a filter rule, a key outside the roots.
        package static let invalidArgument = Code("invalidArgument")
        /// A backup, collection, bucket or object is not there.
        package static let notFound = Code("notFound")
        /// Something of this name is there already.
        package static let alreadyExists = Code("alreadyExists")
        /// The other side refuses our credentials or our right to do this.
        package static let permissionDenied = Code("permissionDenied")
        /// The other side cannot be reached: name resolution, connection, TLS.
        package static let unavailable = Code("unavailable")
        /// The other side asks to slow down.
        package static let throttled = Code("throttled")
        /// An answer did not come in time.
        package static let timedOut = Code("timedOut")
        /// What was stored or received is damaged or not what it should be.
        package static let corrupted = Code("corrupted")
        /// The other side does not offer what is asked of it.
        package static let unsupported = Code("unsupported")
        /// The peer broke the protocol.
        package static let protocolViolation = Code("protocolViolation")
        /// The user or the coordinator stopped this.
        package static let canceled = Code("canceled")
        /// The other side answered with an error of its own.
        package static let remoteFailure = Code("remoteFailure")
        /// A defect of this program.
        package static let internalError = Code("internalError")
    }

    package var code: Code
    /// One line, without a trailing period.
    package var message: String
    /// What to do about it.
    package var hint: String?
    package var cause: (any Error)?
    /// Whether the same call may succeed when it is made again.
    package var isRetryable: Bool
    /// The earliest time at which a retry makes sense, as told by the other side.
    package var retryAfter: Duration?

    package init(
        _ code: Code,
        _ message: String,
        hint: String? = nil,
        cause: (any Error)? = nil,
        isRetryable: Bool = false,
        retryAfter: Duration? = nil
    ) {
        self.code = code
        self.message = message
        self.hint = hint
        self.cause = cause
        self.isRetryable = isRetryable
        self.retryAfter = retryAfter
    }

    /// The message and the hint in one line. Causes are for the debug log.
    package var description: String {
        guard let hint else { return message }
        return "\(message); \(hint)"
    }

    /// The same error with `context` before its message, as in `backup nightly: bucket "a" does not exist`.
    package func prefixed(_ context: String) -> BackupError {
        var error = self
        error.message = "\(context): \(message)"
        return error
    }

    /// Any error as a ``BackupError``: itself when it is one, ``Code/canceled`` for a cancellation.
    package init(wrapping error: any Error) {
        switch error {
        case let error as BackupError: self = error
        case is CancellationError: self.init(.canceled, "canceled")
        default: self.init(.internalError, String(describing: error), cause: error)
        }
    }
}

// MARK: Nobody there

extension BackupError {
    private struct NoConnection: Error {}

    /// A connection that was not there in time: other than an answer that was not, it may be that nobody is there at all.
    package static func noConnection(_ message: String) -> BackupError {
        BackupError(.timedOut, message, cause: NoConnection(), isRetryable: true)
    }

    package var isNoConnection: Bool { cause is NoConnection }
}
