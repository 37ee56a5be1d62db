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
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, 0);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, read_ahead);
}

/// The name to ask for (SNI). 1 on success.
static inline int ctls_set_name(SSL *session, const char *name) { return (int)SSL_set_tlsext_host_name(session, name); }
