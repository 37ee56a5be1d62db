import CTLS
import Support

/// PEM files for connections between coordinator and agents, and the section of the configuration that names them.
package struct TLSFiles: Sendable, Hashable {
    /// `coordinator.tls` or `agent.tls`, for messages.
    package var section: String
    /// The certificate that is shown, with those between it and the authority; empty for none.
    package var certificate: String
    /// The certificate's key; it has no passphrase.
    package var key: String
    /// Whom we trust; empty for nobody.
    package var authorities: String

    package init(section: String, certificate: String = "", key: String = "", authorities: String = "") {
        self.section = section
        self.certificate = certificate
        self.key = key
        self.authorities = authorities
    }
}

/// What one side of connections between coordinator and agents shows and whom it trusts. TLS 1.3 and nothing else, and no
/// connection is resumed.
package final class TLSContext: Sendable {
    package enum Role: Sendable, Hashable {
        /// Dials; the other side's certificate must be for this name or address.
        case agent(serverName: String)
        /// Is dialled; may ask for certificates.
        case coordinator(asksForCertificates: Bool)
    }

    package let role: Role
    // Safe: set up before anybody else sees it; afterwards OpenSSL lets any thread make sessions out of it.
    nonisolated(unsafe) let pointer: OpaquePointer

    /// An agent's side. It trusts the authorities of `files` and no others, and shows the certificate if there is one.
    ///
    /// - Throws: `configuration`, naming the key and the file that cannot be used.
    package static func agent(_ files: TLSFiles, serverName: String) throws(BackupError) -> TLSContext {
        let context = try TLSContext(.agent(serverName: serverName), TLS_client_method())
        try context.trust(files)
        if !files.certificate.isEmpty { try context.show(files) }
        SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER, nil)
        return context
    }

    /// The coordinator's side. It asks for certificates when `files` names authorities.
    ///
    /// - Throws: `configuration`, naming the key and the file that cannot be used.
    package static func coordinator(_ files: TLSFiles) throws(BackupError) -> TLSContext {
        let asks = !files.authorities.isEmpty
        let context = try TLSContext(.coordinator(asksForCertificates: asks), TLS_server_method())
        try context.show(files)
        if asks {
            try context.trust(files)
            SSL_CTX_set_verify(context.pointer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        return context
    }

    private init(_ role: Role, _ method: OpaquePointer?) throws(BackupError) {
        guard let context = SSL_CTX_new(method) else {
            throw BackupError(.internalError, "TLS cannot be set up: \(OpenSSLError.takeReason())")
        }
        self.role = role
        pointer = context
        guard ctls_prepare_strict(context) == 1 else {
            throw BackupError(.internalError, "TLS 1.3 cannot be set up: \(OpenSSLError.takeReason())")
        }
    }

    deinit { SSL_CTX_free(pointer) }

    /// Days until the certificate that is shown runs out, negative when it has; nil when none is shown.
    package var daysLeft: Int? {
        guard let certificate = SSL_CTX_get0_certificate(pointer) else { return nil }
        var (days, seconds): (Int32, Int32) = (0, 0)
        guard ASN1_TIME_diff(&days, &seconds, nil, X509_get0_notAfter(certificate)) == 1 else { return nil }
        return seconds < 0 ? Int(days) - 1 : Int(days)
    }

    /// What to tell when ``daysLeft`` are few.
    package static func expiryWarning(_ key: String, _ days: Int) -> String {
        days < 0
            ? "the certificate in \(key) has run out" : "the certificate in \(key) runs out in \(days) days"
    }

    private func show(_ files: TLSFiles) throws(BackupError) {
        try use(files.certificate, "\(files.section).certPath") {
            SSL_CTX_use_certificate_chain_file(pointer, files.certificate)
        }
        try use(files.key, "\(files.section).keyPath") {
            SSL_CTX_use_PrivateKey_file(pointer, files.key, SSL_FILETYPE_PEM)
        }
        try use(files.key, "\(files.section).keyPath") { SSL_CTX_check_private_key(pointer) }
    }

    private func trust(_ files: TLSFiles) throws(BackupError) {
        try use(files.authorities, "\(files.section).caPath") {
            SSL_CTX_load_verify_locations(pointer, files.authorities, nil)
        }
    }

    private func use(_ path: String, _ key: String, _ body: () -> Int32) throws(BackupError) {
        ERR_clear_error()
        guard body() != 1 else { return }
        throw BackupError(
            .configuration, "\(key): cannot use \(path.escapingControlCharacters): \(OpenSSLError.takeReason())",
            hint: "it must be a PEM file without a passphrase; \"milvus-backup certs\" makes them")
    }
}
