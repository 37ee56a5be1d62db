import HTTP
import Support

/// What was asked for, to say what is wrong with it.
struct S3Request: Sendable {
    /// As in "cannot read object …".
    enum Purpose: String {
        case list, read, write, copy, delete, upload
        case createBucket = "create"
    }

    var purpose: Purpose
    var key: String?
    /// Where a copy comes from.
    var source: ObjectReference?
}

/// Turns a store's refusal into the project's error: one table for the whole family.
struct S3ErrorMapping {
    /// `http://host:port`.
    var server: String
    var bucket: String
    var accessKeyID: String
    var region: String

    func error(for response: S3ErrorResponse, in request: S3Request) -> BackupError {
        var error = recognized(response, request)
        error.cause = response
        error.retryAfter = response.retryAfter
        return error
    }

    private func recognized(_ response: S3ErrorResponse, _ request: S3Request) -> BackupError {
        if response.isWrongRegion { return wrongRegion(response) }
        switch response.code {
        case "NoSuchKey": return BackupError(.notFound, "\(missingObject(request)) does not exist in \(place(request))")
        case "NoSuchBucket": return missingBucket(response, request)
        case "NoSuchUpload": return BackupError(.notFound, "the upload of \(what(request)) has ended or never began")
        case "PreconditionFailed" where request.purpose == .write:
            return BackupError(.alreadyExists, "\(what(request)) is there, or was changed by somebody else")
        case "PreconditionFailed": return BackupError(.notFound, "\(what(request)) has changed since it was listed")
        case "RequestTimeTooSkewed": return skewedClock(request)
        case "BucketAlreadyExists":
            return BackupError(
                .alreadyExists, "bucket \"\(bucket)\" at \(server) belongs to somebody else",
                hint: "choose another name")
        case "InvalidBucketName":
            return BackupError(.configuration, "\"\(bucket)\" is no name for a bucket at \(server)")
        case _ where !response.code.isEmpty && response.refusesCredentials: return refusedCredentials(response)
        default: break
        }
        if let kind = S3ErrorMapping.kinds[response.code] { return failure(kind, response, request) }
        return byStatus(response, request)
    }

    /// A code of ``BackupError`` and whether a retry can help.
    private typealias Kind = (code: BackupError.Code, isRetryable: Bool)

    private static let kinds: [String: Kind] = [
        "AccessDenied": (.permissionDenied, false),
        "AllAccessDisabled": (.permissionDenied, false),
        "AccountProblem": (.permissionDenied, false),
        "InvalidSecurity": (.permissionDenied, false),
        "RequestExpired": (.permissionDenied, false),
        "SlowDown": (.throttled, true),
        "SlowDownRead": (.throttled, true),
        "SlowDownWrite": (.throttled, true),
        "ServiceUnavailable": (.throttled, true),
        "TooManyRequests": (.throttled, true),
        "RequestLimitExceeded": (.throttled, true),
        "Throttling": (.throttled, true),
        "ThrottlingException": (.throttled, true),
        "BandwidthLimitExceeded": (.throttled, true),
        "XMinioServerNotInitialized": (.throttled, true),
        "InternalError": (.remoteFailure, true),
        "InternalServerError": (.remoteFailure, true),
        "OperationAborted": (.remoteFailure, true),
        "ConditionalRequestConflict": (.remoteFailure, true),
        "RequestTimeout": (.timedOut, true),
        // The body was damaged or cut on its way.
        "BadDigest": (.corrupted, true),
        "XAmzContentSHA256Mismatch": (.corrupted, true),
        "IncompleteBody": (.corrupted, true),
        "NotImplemented": (.unsupported, false),
        "MethodNotAllowed": (.unsupported, false),
        "InvalidObjectState": (.unsupported, false),
        "EntityTooLarge": (.invalidArgument, false),
        "EntityTooSmall": (.invalidArgument, false),
        "InvalidRange": (.invalidArgument, false),
        "InvalidPart": (.invalidArgument, false),
        "InvalidPartOrder": (.invalidArgument, false),
        "KeyTooLongError": (.invalidArgument, false),
        "XMinioInvalidObjectName": (.invalidArgument, false),
        "XMinioParentIsObject": (.invalidArgument, false),
        "XMinioObjectExistsAsDirectory": (.invalidArgument, false),
    ]

    private func failure(_ kind: Kind, _ response: S3ErrorResponse, _ request: S3Request) -> BackupError {
        var code = kind.code
        // A copy may be too large for one request where an upload of the same size is not: streaming can get around it.
        if request.source != nil, code == .invalidArgument, response.code == "EntityTooLarge" { code = .unsupported }
        return BackupError(code, said(response, request), hint: hint(code, response), isRetryable: kind.isRetryable)
    }

    private func byStatus(_ response: S3ErrorResponse, _ request: S3Request) -> BackupError {
        let kind: Kind =
            switch response.status {
            case 401, 403: (.permissionDenied, false)
            case 404: (.notFound, false)
            case 405, 501: (.unsupported, false)
            case 408: (.timedOut, true)
            case 412: (request.purpose == .write ? .alreadyExists : .notFound, false)
            case 416: (.invalidArgument, false)
            case 429, 503: (.throttled, true)
            // The store has no room left.
            case 507: (.remoteFailure, false)
            case 500...: (.remoteFailure, true)
            // What a store finds wrong with a copy it calls by many names.
            case 400 where request.source != nil: (.unsupported, false)
            default: (.remoteFailure, false)
            }
        return failure(kind, response, request)
    }

    private func hint(_ code: BackupError.Code, _ response: S3ErrorResponse) -> String? {
        switch code {
        case .permissionDenied: "grant the access key \"\(shownAccessKey)\" the right to do this"
        case .unsupported where response.code == "InvalidObjectState": "restore the object from the archive first"
        default: nil
        }
    }

    // MARK: Words

    private func what(_ request: S3Request) -> String {
        guard let key = request.key else { return "bucket \"\(bucket)\" at \(server)" }
        return "object \"\(key.escapingControlCharacters)\" in bucket \"\(bucket)\" at \(server)"
    }

    private func missingObject(_ request: S3Request) -> String {
        "object \"\((request.source?.key ?? request.key ?? "").escapingControlCharacters)\""
    }

    private func place(_ request: S3Request) -> String { "bucket \"\(request.source?.bucket ?? bucket)\" at \(server)" }

    private func said(_ response: S3ErrorResponse, _ request: S3Request) -> String {
        var text = "cannot \(request.purpose.rawValue) \(what(request))"
        if let source = request.source {
            text += " from \"\(source.key.escapingControlCharacters)\" in bucket \"\(source.bucket)\""
        }
        switch (response.code.isEmpty, response.message.isEmpty) {
        case (true, _): text += ": the server answered with status \(response.status)"
        case (false, true): text += ": \(response.code)"
        case (false, false): text += ": \(response.message) (\(response.code))"
        }
        while text.hasSuffix(".") { text.removeLast() }
        return text
    }

    private func missingBucket(_ response: S3ErrorResponse, _ request: S3Request) -> BackupError {
        // Stores do not always say which of the two buckets of a copy they miss.
        if let source = request.source, source.bucket != bucket, response.bucket == nil {
            return BackupError(
                .notFound, "bucket \"\(source.bucket)\" or \"\(bucket)\" does not exist at \(server)")
        }
        return BackupError(.notFound, "bucket \"\(response.bucket ?? bucket)\" does not exist at \(server)")
    }

    private func wrongRegion(_ response: S3ErrorResponse) -> BackupError {
        let used = region.isEmpty ? "" : ", not \"\(region)\""
        if let right = response.region, !right.isEmpty {
            return BackupError(
                .configuration, "bucket \"\(bucket)\" at \(server) is in region \"\(right)\"\(used)",
                hint: "set the storage's region to \"\(right)\" and its address to that region's")
        }
        return BackupError(
            .configuration, "bucket \"\(bucket)\" is in another region than the one asked for at \(server)\(used)",
            hint: "set the storage's region and address to the bucket's")
    }

    private func skewedClock(_ request: S3Request) -> BackupError {
        // The next try is made with the store's time.
        BackupError(
            .permissionDenied, "the clock of this host and that of \(server) differ too much",
            hint: "set the clocks right", isRetryable: true)
    }

    private func refusedCredentials(_ response: S3ErrorResponse) -> BackupError {
        switch response.code {
        case "InvalidAccessKeyId":
            BackupError(
                .permissionDenied, "the access key \"\(shownAccessKey)\" is not known to \(server)",
                hint: "check the storage's access key")
        case "SignatureDoesNotMatch":
            BackupError(
                .permissionDenied,
                "the secret key does not belong to the access key \"\(shownAccessKey)\" at \(server)",
                hint: "check the storage's secret access key")
        default:
            BackupError(
                .permissionDenied, "\(server) does not accept the session token: \(response.code)",
                hint: "get new temporary credentials")
        }
    }

    /// Enough to recognize the key by. It is no secret, but need not be in every log either.
    private var shownAccessKey: String {
        accessKeyID.count > 7
            ? "\(accessKeyID.prefix(7))…".escapingControlCharacters : accessKeyID.escapingControlCharacters
    }
}
