import CTLS
import Support

/// What is known of the other end of a TLS connection.
package struct TLSPeer: Sendable, Hashable {
    /// Ties what is said over this connection to this connection (`tls-exporter`, RFC 9266).
    package var binding: [UInt8]
    /// The names in its certificate: alternative DNS names, then the common name. nil when it has shown none.
    package var certificateNames: [String]?

    package init(binding: [UInt8], certificateNames: [String]?) {
        self.binding = binding
        self.certificateNames = certificateNames
    }
}

/// One TLS connection without its socket: bytes of the network go in and come out in memory. One caller at a time.
package final class TLSSession {
    private static let bindingSize = 32

    private let session: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let role: TLSContext.Role
    /// Whether the handshake is over, and the other side's certificate was accepted.
    package private(set) var isOpen = false
    /// Whether anything has come from the network.
    package private(set) var hasReceived = false

    package init(_ context: TLSContext) throws(BackupError) {
        guard let session = SSL_new(context.pointer), ctls_attach_memory(session) == 1,
            let incoming = SSL_get_rbio(session), let outgoing = SSL_get_wbio(session)
        else { throw BackupError(.internalError, "no TLS session: \(OpenSSLError.takeReason())") }
        (self.session, self.incoming, self.outgoing, role) = (session, incoming, outgoing, context.role)
        switch context.role {
        case .agent(let name):
            guard TLSSession.expect(name, of: session) else {
                throw BackupError(
                    .configuration, "\"\(name.escapingControlCharacters)\" is no name of a TLS server",
                    hint: "check agent.tls.serverName and agent.coordinator")
            }
            SSL_set_connect_state(session)
        case .coordinator: SSL_set_accept_state(session)
        }
    }

    deinit { SSL_free(session) }

    /// The certificate must be for this name or address.
    private static func expect(_ name: String, of session: OpaquePointer) -> Bool {
        let parameters = SSL_get0_param(session)
        // Addresses are compared as such, and are not asked for by name.
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 { return true }
        ERR_clear_error()
        return !name.isEmpty && X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1
            && ctls_set_name(session, name) == 1
    }

    // MARK: The network's side

    /// Takes what has come from the network.
    package func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress else { return }
        hasReceived = true
        // Memory takes all that fits into it.
        BIO_write(incoming, start, Int32(clamping: bytes.count))
    }

    package var hasOutgoing: Bool { BIO_ctrl_pending(outgoing) > 0 }

    /// What is to be sent now.
    package func takeOutgoing() -> [UInt8] {
        let size = BIO_ctrl_pending(outgoing)
        return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            count = size == 0 ? 0 : Int(max(0, BIO_read(outgoing, buffer.baseAddress, Int32(clamping: size))))
        }
    }

    // MARK: The user's side

    /// Goes on with the handshake. True when it is over.
    ///
    /// - Throws: why the two sides do not come together; what is to be sent then tells the other side.
    package func shakeHands() throws(BackupError) -> Bool {
        if isOpen { return true }
        ERR_clear_error()
        isOpen = try isDone(SSL_do_handshake(session)) != .waiting
        return isOpen
    }

    /// The next bytes that the other side has said: how many, 0 at the end, nil when more must come from the network first.
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(BackupError) -> Int? {
        ERR_clear_error()
        var count = 0
        return switch try isDone(SSL_read_ex(session, buffer.baseAddress, buffer.count, &count)) {
        case .done: count
        case .ended: 0
        case .waiting: nil
        }
    }

    /// Says something; ``takeOutgoing()`` has it.
    package func write(_ bytes: [UInt8]) throws(BackupError) {
        ERR_clear_error()
        var count = 0
        guard try isDone(SSL_write_ex(session, bytes, bytes.count, &count)) == .done, count == bytes.count else {
            throw BackupError(.unavailable, "the TLS connection takes no more", isRetryable: true)
        }
    }

    /// Says that nothing follows.
    package func end() {
        guard isOpen else { return }
        SSL_shutdown(session)
        ERR_clear_error()
    }

    /// Who is at the other end; the handshake is over.
    package func peer() throws(BackupError) -> TLSPeer {
        var binding = [UInt8](repeating: 0, count: TLSSession.bindingSize)
        guard ctls_channel_binding(session, &binding, binding.count) == 1 else {
            throw BackupError(.internalError, "no TLS channel binding: \(OpenSSLError.takeReason())")
        }
        let names = SSL_get0_peer_certificate(session).map(TLSSession.names)
        return TLSPeer(binding: binding, certificateNames: names)
    }

    private static func names(of certificate: OpaquePointer) -> [String] {
        var names: [String] = []
        if let alternatives = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) {
            let alternatives = OpaquePointer(alternatives)
            defer { GENERAL_NAMES_free(alternatives) }
            for index in 0..<ctls_name_count(alternatives) {
                if let name = ctls_dns_name(alternatives, index) { names.append(text(of: name)) }
            }
        }
        let subject = X509_get_subject_name(certificate)
        let position = X509_NAME_get_index_by_NID(subject, NID_commonName, -1)
        if position >= 0, let name = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, position)) {
            names.append(text(of: name))
        }
        return names
    }

    private static func text(of string: UnsafePointer<ASN1_STRING>) -> String {
        let bytes = UnsafeBufferPointer(
            start: ASN1_STRING_get0_data(string), count: Int(max(0, ASN1_STRING_length(string))))
        return String(decoding: bytes, as: UTF8.self)
    }

    // MARK: Errors

    private enum Progress {
        case done
        case waiting
        case ended
    }

    private func isDone(_ status: Int32) throws(BackupError) -> Progress {
        if status == 1 { return .done }
        defer { ERR_clear_error() }
        switch SSL_get_error(session, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .waiting
        case SSL_ERROR_ZERO_RETURN: return .ended
        default: throw failure(ERR_peek_error())
        }
    }

    private func failure(_ error: UInt) -> BackupError {
        let reason = OpenSSLError.reason(of: error)
        let verification = SSL_get_verify_result(session)
        if !isOpen, verification != Int(X509_V_OK) { return unaccepted(verification) }
        switch (role, ctls_alert(error)) {
        case (_, SSL_AD_CERTIFICATE_REQUIRED):
            return BackupError(
                .permissionDenied, "TLS: the coordinator asks for a certificate, and this agent has none",
                hint: "set agent.tls.certPath and agent.tls.keyPath")
        case (_, SSL_AD_BAD_CERTIFICATE...SSL_AD_CERTIFICATE_UNKNOWN), (_, SSL_AD_UNKNOWN_CA):
            return BackupError(.permissionDenied, "TLS: the other side does not accept our certificate: \(reason)")
        case (.coordinator, -1) where ctls_reason(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return BackupError(
                .permissionDenied, "TLS: it shows no certificate, and coordinator.tls.caPath asks for one",
                hint: "set agent.tls.certPath and agent.tls.keyPath there")
        case (.coordinator, -1) where ctls_reason(error) == SSL_R_UNSUPPORTED_PROTOCOL:
            return BackupError(.unsupported, "TLS: it speaks an older version than 1.3")
        default:
            return BackupError(.unavailable, "TLS: \(reason)", isRetryable: true)
        }
    }

    private func unaccepted(_ verification: Int) -> BackupError {
        let reason = String(cString: X509_verify_cert_error_string(verification))
        switch role {
        case .coordinator:
            return BackupError(.permissionDenied, "TLS: the agent's certificate is not accepted: \(reason)")
        case .agent(let name):
            let isOther = [X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH].contains(Int32(verification))
            let isOld = Int32(verification) == X509_V_ERR_CERT_HAS_EXPIRED
            return BackupError(
                .permissionDenied, "TLS: the coordinator's certificate is not accepted: \(reason)",
                hint: isOther
                    ? "it is not for \(name): set agent.tls.serverName to a name that is in it"
                    : isOld ? "make a new one" : "agent.tls.caPath must hold the authority that has signed it")
        }
    }
}
