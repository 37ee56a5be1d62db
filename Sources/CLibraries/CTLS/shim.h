#pragma once
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

/// What a client needs of a context: TLS 1.2 at least, the peer verified, partial writes from moving buffers, and reads of
/// several records in one system call.
static inline void ctls_prepare(SSL_CTX *context, size_t read_ahead) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    // As good as AES-256 for this purpose, and a quarter cheaper.
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, 0);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, read_ahead);
}

/// Joins a session to a socket, with `size` bytes of room between the two on the way out: OpenSSL makes a system call for each
/// record of 16 KiB, and so one for many. 1 on success.
static inline int ctls_attach(SSL *session, int socket, long size) {
    BIO *connection = BIO_new_socket(socket, BIO_NOCLOSE), *buffer = BIO_new(BIO_f_buffer());
    if (!connection || !buffer || BIO_set_write_buffer_size(buffer, size) != 1 || BIO_up_ref(connection) != 1) {
        BIO_free(connection);
        BIO_free(buffer);
        return 0;
    }
    // The session owns one reference through each of the two.
    SSL_set_bio(session, connection, BIO_push(buffer, connection));
    return 1;
}

/// Sends what is in the room between; 1 when nothing is left there.
static inline int ctls_flush(SSL *session) { return BIO_flush(SSL_get_wbio(session)) == 1; }

/// The name to ask for (SNI). 1 on success.
static inline int ctls_set_name(SSL *session, const char *name) { return (int)SSL_set_tlsext_host_name(session, name); }
