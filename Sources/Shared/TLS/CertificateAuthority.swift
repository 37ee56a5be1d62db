import CTLS
import Support

/// A certificate with its key, as PEM.
package struct CertificateAndKey: Sendable {
    package var certificate: [UInt8]
    package var key: [UInt8]

    package init(certificate: [UInt8], key: [UInt8]) {
        self.certificate = certificate
        self.key = key
    }
}

/// The authority of one cluster: makes the certificates by which coordinator and agents know each other. Keys are on the
/// curve P-256, signatures with SHA-256.
package final class CertificateAuthority {
    /// From when until when a certificate holds.
    package struct Validity: Sendable {
        /// Seconds from now, negative for the past.
        package var begins: Int
        package var ends: Int

        /// - Parameter days: from now. It begins a little earlier, because clocks differ.
        package init(days: Int) { self.init(begins: -3600, ends: days * 86400) }

        package init(begins: Int, ends: Int) {
            self.begins = begins
            self.ends = ends
        }
    }

    private let certificate: OpaquePointer
    private let key: OpaquePointer

    /// A new authority.
    ///
    /// - Parameter name: at most 64 bytes.
    package init(name: String, validity: Validity) throws(BackupError) {
        key = try newKey()
        let unsigned = try newCertificate(name: name, key: key, validity: validity)
        certificate = unsigned
        guard X509_set_issuer_name(unsigned, X509_get_subject_name(unsigned)) == 1,
            ctls_add_extension(unsigned, unsigned, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") == 1,
            ctls_add_extension(unsigned, unsigned, NID_key_usage, "critical,keyCertSign,cRLSign") == 1,
            ctls_add_extension(unsigned, unsigned, NID_subject_key_identifier, "hash") == 1,
            X509_sign(unsigned, key, EVP_sha256()) > 0
        else { throw failure("an authority") }
    }

    /// An authority that was made earlier.
    ///
    /// - Throws: `configuration` when the PEM texts cannot be read, do not belong together or are not an authority's.
    package init(_ pem: CertificateAndKey) throws(BackupError) {
        let certificate = withMemory(pem.certificate) { PEM_read_bio_X509($0, nil, nil, nil) }
        let key = withMemory(pem.key) { PEM_read_bio_PrivateKey($0, nil, ctls_no_passphrase, nil) }
        // Both belong to this object from here on, also when it is given up.
        guard let certificate, let key else {
            X509_free(certificate)
            EVP_PKEY_free(key)
            throw BackupError(
                .configuration, "the authority cannot be read: \(OpenSSLError.takeReason())",
                hint: "both files must be PEM, without a passphrase")
        }
        self.certificate = certificate
        self.key = key
        guard X509_check_private_key(certificate, key) == 1, X509_check_ca(certificate) == 1 else {
            ERR_clear_error()
            throw BackupError(.configuration, "certificate and key are not those of one authority")
        }
    }

    deinit {
        X509_free(certificate)
        EVP_PKEY_free(key)
    }

    /// The authority's own certificate and key.
    package func pem() throws(BackupError) -> CertificateAndKey { try encoded(certificate, key) }

    /// What a coordinator shows.
    ///
    /// - Parameter hosts: the names and addresses by which agents dial it; each passes ``isHost(_:)``.
    package func coordinator(hosts: [String], validity: Validity) throws(BackupError) -> CertificateAndKey {
        let names = hosts.map { isAddress($0) ? "IP:\($0)" : "DNS:\($0)" }.joined(separator: ",")
        return try issue("milvus-backup coordinator", alternatives: names, usage: "serverAuth", validity)
    }

    /// What an agent shows.
    ///
    /// - Parameter name: passes ``isAgentName(_:)``.
    package func agent(name: String, validity: Validity) throws(BackupError) -> CertificateAndKey {
        try issue(name, alternatives: "DNS:\(name)", usage: "clientAuth", validity)
    }

    /// Whether a text is a host name or an address, and nothing that means more to OpenSSL.
    package static func isHost(_ text: String) -> Bool {
        isAddress(text) || (isPlain(text) && text.utf8.count <= 253)
    }

    /// Whether a text can be an agent's name in a certificate.
    package static func isAgentName(_ text: String) -> Bool { isPlain(text) && text.utf8.count <= 64 }

    private static func isPlain(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { isLetterOrDigit($0) || [0x2D, 0x2E, 0x5F].contains($0) }
            && isLetterOrDigit(text.utf8.first ?? 0)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }

    private func issue(
        _ name: String, alternatives: String, usage: String, _ validity: Validity
    ) throws(BackupError) -> CertificateAndKey {
        let key = try newKey()
        defer { EVP_PKEY_free(key) }
        let issued = try newCertificate(name: name, key: key, validity: validity)
        defer { X509_free(issued) }
        guard X509_set_issuer_name(issued, X509_get_subject_name(certificate)) == 1,
            ctls_add_extension(issued, certificate, NID_basic_constraints, "critical,CA:FALSE") == 1,
            ctls_add_extension(issued, certificate, NID_key_usage, "critical,digitalSignature") == 1,
            ctls_add_extension(issued, certificate, NID_ext_key_usage, usage) == 1,
            ctls_add_extension(issued, certificate, NID_subject_alt_name, alternatives) == 1,
            ctls_add_extension(issued, certificate, NID_subject_key_identifier, "hash") == 1,
            ctls_add_extension(issued, certificate, NID_authority_key_identifier, "keyid:always") == 1,
            X509_sign(issued, self.key, EVP_sha256()) > 0
        else { throw failure("the certificate of \(name)") }
        return try encoded(issued, key)
    }
}

private func isAddress(_ text: String) -> Bool {
    guard let address = a2i_IPADDRESS(text) else {
        ERR_clear_error()
        return false
    }
    ASN1_OCTET_STRING_free(address)
    return true
}

private func newKey() throws(BackupError) -> OpaquePointer {
    guard let key = ctls_new_key() else { throw failure("a key") }
    return key
}

/// A certificate without issuer, extensions and signature.
private func newCertificate(
    name: String, key: OpaquePointer, validity: CertificateAuthority.Validity
) throws(BackupError) -> OpaquePointer {
    guard let certificate = X509_new() else { throw failure("a certificate") }
    guard X509_set_version(certificate, 2) == 1, ctls_set_serial_number(certificate) == 1,
        X509_gmtime_adj(X509_getm_notBefore(certificate), validity.begins) != nil,
        X509_gmtime_adj(X509_getm_notAfter(certificate), validity.ends) != nil,
        X509_NAME_add_entry_by_NID(
            X509_get_subject_name(certificate), NID_commonName, MBSTRING_FLAG | 1, Array(name.utf8),
            Int32(clamping: name.utf8.count), -1, 0) == 1,
        X509_set_pubkey(certificate, key) == 1
    else {
        X509_free(certificate)
        throw failure("the certificate of \(name)")
    }
    return certificate
}

/// A certificate and its key as PEM, the key in PKCS #8 and not encrypted.
private func encoded(
    _ certificate: OpaquePointer, _ key: OpaquePointer
) throws(BackupError) -> CertificateAndKey {
    guard let certificate = written({ PEM_write_bio_X509($0, certificate) }),
        let key = written({ PEM_write_bio_PKCS8PrivateKey($0, key, nil, nil, 0, nil, nil) })
    else { throw failure("PEM") }
    return CertificateAndKey(certificate: certificate, key: key)
}

private func written(_ body: (OpaquePointer?) -> Int32) -> [UInt8]? {
    guard let memory = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(memory) }
    guard body(memory) == 1 else { return nil }
    var bytes: UnsafePointer<UInt8>?
    let size = ctls_contents(memory, &bytes)
    return Array(UnsafeBufferPointer(start: bytes, count: size))
}

private func withMemory<Result>(_ bytes: [UInt8], _ body: (OpaquePointer?) -> Result) -> Result {
    let memory = BIO_new_mem_buf(bytes, Int32(clamping: bytes.count))
    defer { BIO_free(memory) }
    return body(memory)
}

private func failure(_ what: String) -> BackupError {
    BackupError(.internalError, "cannot make \(what): \(OpenSSLError.takeReason())")
}
