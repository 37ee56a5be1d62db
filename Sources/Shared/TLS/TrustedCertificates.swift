import CTLS

/// Adds any number of PEM certificates that are in memory to those a context trusts.
///
/// - Returns: how many there were.
package func trust(pem certificates: [UInt8], in context: OpaquePointer) -> Int {
    guard let source = BIO_new_mem_buf(certificates, Int32(clamping: certificates.count)) else { return 0 }
    defer { BIO_free(source) }
    let store = SSL_CTX_get_cert_store(context)
    var count = 0
    while let certificate = PEM_read_bio_X509(source, nil, nil, nil) {
        if X509_STORE_add_cert(store, certificate) == 1 { count += 1 }
        X509_free(certificate)
    }
    ERR_clear_error()
    return count
}
