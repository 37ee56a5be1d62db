import CCurl
import Glibc
import Support

/// What libcurl's `code` means for the caller. Says where and why, never what was sent.
///
/// - Parameter certificateFile: the authorities named by the environment.
func transferError(
    _ code: CURLcode, _ submission: Submission, _ handle: EasyHandle?, _ certificateFile: String? = nil
) -> BackupError {
    let origin = submission.origin
    let systemError = handle?.systemError ?? 0
    let reason =
        systemError != 0 ? SystemError(systemError).text : String(cString: curl_easy_strerror(code))
    if let status = handle?.proxyStatus, status >= 300 {
        return BackupError(
            .unavailable, "cannot connect to \(origin): the proxy answers with status \(status)",
            hint: "check the environment variables of the proxy, such as HTTPS_PROXY", isRetryable: status >= 500)
    }
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST:
        return unavailable("cannot resolve host \(origin.host)", hint: "check the address and the name service")
    case CURLE_COULDNT_RESOLVE_PROXY:
        return unavailable(
            "cannot resolve the proxy for \(origin)",
            hint: "check the environment variables of the proxy, such as HTTPS_PROXY")
    case CURLE_PROXY:
        return unavailable("cannot connect to \(origin): the proxy refuses")
    case CURLE_COULDNT_CONNECT:
        return unavailable("cannot connect to \(origin): \(reason)")
    case CURLE_OPERATION_TIMEDOUT:
        let limit = submission.request.connectTimeout.text
        return .noConnection("cannot connect to \(origin) within \(limit)")
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM,
        CURLE_SSL_CIPHER, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_ENGINE_SETFAILED:
        return tlsError(code, submission, handle?.errorMessage ?? "", certificateFile ?? "")
    case CURLE_PARTIAL_FILE:
        return unavailable("\(origin): the connection ended before the answer was complete")
    case CURLE_GOT_NOTHING:
        return unavailable("\(origin): the connection was closed without an answer")
    case CURLE_SEND_ERROR:
        return unavailable("\(origin): the connection was closed while the request was being sent")
    case CURLE_SEND_FAIL_REWIND:
        return unavailable("\(origin): the connection was closed when a part of the body had been sent")
    case CURLE_RECV_ERROR:
        return unavailable("\(origin): the connection broke while the answer was awaited")
    case CURLE_HTTP2, CURLE_HTTP2_STREAM:
        return unavailable("\(origin): HTTP/2: \(reason)")
    case CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY:
        return BackupError(
            .protocolViolation, "\(origin) does not speak HTTP", hint: "check the port, and whether TLS is to be used")
    case CURLE_URL_MALFORMAT:
        return BackupError(.invalidArgument, "\(origin): the URL is not valid")
    case CURLE_OUT_OF_MEMORY:
        return BackupError(.internalError, "\(origin): out of memory")
    default:
        return unavailable("\(origin): \(reason)")
    }
}

private func unavailable(_ message: String, hint: String? = nil) -> BackupError {
    BackupError(.unavailable, message, hint: hint, isRetryable: true)
}

private func tlsError(
    _ code: CURLcode, _ submission: Submission, _ detail: String, _ certificateFile: String
) -> BackupError {
    let origin = submission.origin
    let tls = submission.request.tls
    let files = [
        tls.caCertPath, tls.clientCertPath, tls.clientKeyPath,
        tls.caCertPath.isEmpty ? certificateFile : "",
    ]
    for path in files where !path.isEmpty && access(path, R_OK) != 0 {
        return BackupError(.configuration, "TLS: cannot read \(path): \(SystemError().text)")
    }
    switch code {
    case CURLE_SSL_CACERT_BADFILE:
        let file = [tls.caCertPath, certificateFile].first { !$0.isEmpty } ?? "of the system"
        return BackupError(
            .configuration, "TLS: no certificate authorities in the file \(file)",
            hint: "give a PEM file as caCertPath or in SSL_CERT_FILE, or install ca-certificates")
    case CURLE_SSL_CERTPROBLEM:
        return BackupError(
            .configuration,
            "TLS: the client certificate \(tls.clientCertPath) with key \(tls.clientKeyPath) cannot be used",
            hint: "both must be PEM files and belong together")
    case CURLE_PEER_FAILED_VERIFICATION where detail.contains("subject name") || detail.contains("subjectAltName"):
        let name = tls.serverName.isEmpty ? origin.host : tls.serverName
        return BackupError(
            .unavailable, "TLS: certificate of \(origin) is not for \(name)",
            hint: "use a name that is in the certificate as address or as serverName")
    case CURLE_PEER_FAILED_VERIFICATION:
        let reason = detail.split(separator: ": ", maxSplits: 1).last.map { ": \($0)" } ?? ""
        return BackupError(
            .unavailable, "TLS: certificate of \(origin) is not trusted\(reason)",
            hint: "give the certificate of its authority as caCertPath or in SSL_CERT_FILE")
    default:
        let reason = detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
        // A connection lost during the handshake may come back; a disagreement about TLS stays.
        let isTransient = ["SSL_ERROR_SYSCALL", "unexpected eof", "reset by peer"].contains { detail.contains($0) }
        return BackupError(
            .unavailable, "TLS: handshake with \(origin) failed: \(reason)",
            hint: detail.contains("wrong version number") ? "the server seems to speak plain http here" : nil,
            isRetryable: isTransient)
    }
}
