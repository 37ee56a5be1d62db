import HTTP
import Support

/// What Azure said when it refused a request. It is the `cause` of the ``BackupError`` that is thrown.
package struct AzureErrorResponse: Error, Sendable, Hashable {
    /// The HTTP status.
    package var status: Int
    /// Azure's own code, as in `BlobNotFound`; empty when a proxy answered.
    package var code: String
    /// Azure's own words, in one line and without any signature.
    package var message: String
    package var retryAfter: Duration?

    package init(status: Int, code: String = "", message: String = "", retryAfter: Duration? = nil) {
        self.status = status
        self.code = code
        self.message = message
        self.retryAfter = retryAfter
    }

    init(_ response: HTTPResponse) {
        let document = try? FlatDocument(response.body)
        let isError = document?.root == "Error"
        // What follows the first line is the request's id and the time.
        let words = (isError ? document?["Message"] : nil) ?? ""
        let line = words.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
        self.init(
            status: response.status,
            code: response.headers["x-ms-error-code"] ?? (isError ? document?["Code"] : nil) ?? "",
            message: String(line.prefix(300)).escapingControlCharacters.redactingSignatures,
            retryAfter: response.headers["retry-after"].flatMap { Int($0) }.map { .seconds(max(0, min($0, 300))) })
    }
}

extension AzureErrorResponse {
    /// Whether others might do: the key was replaced, or the token has run out.
    var refusesCredentials: Bool {
        (status == 401 && code != "CannotVerifyCopySource")
            || ["AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation"].contains(code)
    }
}

extension BackupError {
    /// What Azure said, when this error comes from there.
    package var azureResponse: AzureErrorResponse? { cause as? AzureErrorResponse }
}

/// Turns Azure's refusals into the project's error.
struct AzureErrorMapping {
    /// `https://host:port`.
    var server: String
    var container: String
    var account: String
    /// Whether requests are signed by an account key, and not sent with a token.
    var usesKey: Bool

    func error(for response: AzureErrorResponse, in request: StoreRequest) -> BackupError {
        var error = recognized(response, request)
        error.cause = response
        error.retryAfter = response.retryAfter
        return error
    }

    private func recognized(_ response: AzureErrorResponse, _ request: StoreRequest) -> BackupError {
        switch response.code {
        case "BlobNotFound": return BackupError(.notFound, "\(what(request)) does not exist")
        case "ContainerNotFound":
            return BackupError(.notFound, "container \"\(container)\" does not exist at \(server)")
        case "CannotVerifyCopySource": return unreadableSource(response, request)
        case "BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet":
            return request.purpose == .write
                ? BackupError(.alreadyExists, "\(what(request)) is there, or was changed by somebody else")
                : BackupError(.notFound, "\(what(request)) has changed since it was listed")
        case _ where response.refusesCredentials && !response.code.isEmpty: return refusedCredentials(response)
        case "AccountNotFound", "ResourceNotFound":
            return BackupError(
                .configuration, "there is no storage account \"\(account)\" at \(server)",
                hint: "check the storage's accountName and address")
        case "InvalidResourceName" where request.key == nil:
            return BackupError(.configuration, "\"\(container)\" is no name for a container at \(server)")
        case "InvalidBlockList":
            // Whoever commits first discards all other blocks of the blob.
            return BackupError(
                .remoteFailure, "the upload of \(what(request)) was ended by another one of the same object",
                isRetryable: true)
        default: break
        }
        if let kind = AzureErrorMapping.kinds[response.code] { return failure(kind, response, request) }
        return byStatus(response, request)
    }

    /// A code of ``BackupError`` and whether a retry can help.
    private typealias Kind = (code: BackupError.Code, isRetryable: Bool)

    private static let kinds: [String: Kind] = [
        "AuthorizationFailure": (.permissionDenied, false),
        "AuthorizationPermissionMismatch": (.permissionDenied, false),
        "AuthorizationProtocolMismatch": (.permissionDenied, false),
        "AuthorizationSourceIPMismatch": (.permissionDenied, false),
        "InsufficientAccountPermissions": (.permissionDenied, false),
        "KeyBasedAuthenticationNotPermitted": (.permissionDenied, false),
        "AccountIsDisabled": (.permissionDenied, false),
        "BlobImmutableDueToPolicy": (.permissionDenied, false),
        "LeaseIdMissing": (.permissionDenied, false),
        "ServerBusy": (.throttled, true),
        "InternalError": (.remoteFailure, true),
        "OperationTimedOut": (.timedOut, true),
        "ContainerBeingDeleted": (.remoteFailure, true),
        "AccountBeingCreated": (.remoteFailure, true),
        "PendingCopyOperation": (.remoteFailure, true),
        "Md5Mismatch": (.corrupted, true),
        "BlobArchived": (.unsupported, false),
        "BlobBeingRehydrated": (.unsupported, false),
        "FeatureNotSupportedForAccount": (.unsupported, false),
        "UnsupportedHttpVerb": (.unsupported, false),
        "SnapshotsPresent": (.unsupported, false),
        "InvalidRange": (.invalidArgument, false),
        "RequestBodyTooLarge": (.invalidArgument, false),
        "InvalidUri": (.invalidArgument, false),
        "InvalidResourceName": (.invalidArgument, false),
    ]

    private func failure(_ kind: Kind, _ response: AzureErrorResponse, _ request: StoreRequest) -> BackupError {
        BackupError(kind.code, said(response, request), hint: hint(kind.code, response), isRetryable: kind.isRetryable)
    }

    private func byStatus(_ response: AzureErrorResponse, _ request: StoreRequest) -> BackupError {
        let kind: Kind =
            switch response.status {
            case 401, 403: (.permissionDenied, false)
            case 404: (.notFound, false)
            case 405, 501: (.unsupported, false)
            case 408: (.timedOut, true)
            case 412: (request.purpose == .write ? .alreadyExists : .notFound, false)
            case 416: (.invalidArgument, false)
            case 429, 503: (.throttled, true)
            case 500...: (.remoteFailure, true)
            // What is found wrong with a copy may be no matter for a stream.
            case 400 where request.source != nil, 409 where request.source != nil: (.unsupported, false)
            default: (.remoteFailure, false)
            }
        return failure(kind, response, request)
    }

    private func hint(_ code: BackupError.Code, _ response: AzureErrorResponse) -> String? {
        switch response.code {
        case "KeyBasedAuthenticationNotPermitted": "this account allows no keys: use auth.type default"
        case "AuthorizationFailure": "check the account's firewall and network rules"
        case "BlobArchived", "BlobBeingRehydrated": "bring the object back from the archive tier first"
        case "SnapshotsPresent": "delete the object's snapshots first"
        case "LeaseIdMissing": "end the lease on it first"
        default:
            code == .permissionDenied && !usesKey ? "give this identity the role Storage Blob Data Contributor" : nil
        }
    }

    /// A missing source is missing; one that must not be read can still be streamed.
    private func unreadableSource(_ response: AzureErrorResponse, _ request: StoreRequest) -> BackupError {
        guard response.status == 404, let source = request.source else { return byStatus(response, request) }
        return BackupError(
            .notFound,
            "object \"\(source.key.escapingControlCharacters)\" does not exist in container "
                + "\"\(source.bucket)\" at \(server)")
    }

    /// Azure's own words are left out: they repeat the whole string that was to be signed.
    private func refusedCredentials(_ response: AzureErrorResponse) -> BackupError {
        usesKey
            ? BackupError(
                .permissionDenied, "the account key does not belong to the account \"\(account)\" at \(server)",
                hint: "check the storage's accountName and auth.accountKey, and this host's clock")
            : BackupError(
                .permissionDenied, "\(server) does not accept the token for the account \"\(account)\"",
                hint: "check the identity that auth.type default has found, and its tenant")
    }

    // MARK: Words

    private func what(_ request: StoreRequest) -> String {
        guard let key = request.key else { return "container \"\(container)\" at \(server)" }
        return "object \"\(key.escapingControlCharacters)\" in container \"\(container)\" at \(server)"
    }

    private func said(_ response: AzureErrorResponse, _ request: StoreRequest) -> String {
        var text = "cannot \(request.purpose.rawValue) \(what(request))"
        if let source = request.source {
            text += " from \"\(source.key.escapingControlCharacters)\" in container \"\(source.bucket)\""
        }
        switch (response.code.isEmpty, response.message.isEmpty) {
        case (true, _): text += ": the server answered with status \(response.status)"
        case (false, true): text += ": \(response.code)"
        case (false, false): text += ": \(response.message) (\(response.code))"
        }
        while text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
