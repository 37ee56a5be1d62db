#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

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

/// An encrypted key is an error, not a question on the terminal.
static inline int ctls_no_passphrase(char *buffer, int size, int writing, void *context) { return 0; }

/// What connections between coordinator and agents want: TLS 1.3 and nothing else, every connection from the beginning, and
/// nobody asked for a passphrase. 1 on success.
static inline int ctls_prepare_strict(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(context, ctls_no_passphrase);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1;
}

/// Lets a session read from memory and write to memory. 1 on success.
static inline int ctls_attach_memory(SSL *session) {
    BIO *incoming = BIO_new(BIO_s_mem()), *outgoing = BIO_new(BIO_s_mem());
    if (!incoming || !outgoing) {
        BIO_free(incoming);
        BIO_free(outgoing);
        return 0;
    }
    SSL_set_bio(session, incoming, outgoing);
    return 1;
}

/// The value that ties what is said over a connection to that connection (RFC 9266). 1 on success.
static inline int ctls_channel_binding(SSL *session, unsigned char *result, size_t size) {
    static const char label[] = "EXPORTER-Channel-Binding";
    static const unsigned char nothing[1] = {0};
    return SSL_export_keying_material(session, result, size, label, sizeof label - 1, nothing, 0, 1);
}

/// Whether the oldest error is an alert of the other side, and which: its number, or -1.
static inline int ctls_alert(unsigned long error) {
    int reason = ERR_GET_REASON(error);
    return ERR_GET_LIB(error) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : -1;
}

/// The number of an error of the operating system; 0 for any other.
static inline int ctls_system_error(unsigned long error) { return ERR_SYSTEM_ERROR(error) ? ERR_GET_REASON(error) : 0; }

static inline int ctls_reason(unsigned long error) { return ERR_GET_REASON(error); }

/// A new key on the curve P-256; NULL when there is no memory or no randomness.
static inline EVP_PKEY *ctls_new_key(void) { return EVP_EC_gen("P-256"); }

/// Adds an extension in the notation of OpenSSL's configuration files. 1 on success.
static inline int ctls_add_extension(X509 *certificate, X509 *issuer, int identifier, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, identifier, value);
    if (!extension) return 0;
    int added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

/// Gives a certificate a random serial number of 16 bytes. 1 on success.
static inline int ctls_set_serial_number(X509 *certificate) {
    BIGNUM *number = BN_new();
    int made = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
               BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return made;
}

/// What a memory BIO holds.
static inline size_t ctls_contents(BIO *memory, const unsigned char **bytes) {
    char *start = NULL;
    long size = BIO_get_mem_data(memory, &start);
    *bytes = (const unsigned char *)start;
    return size > 0 ? (size_t)size : 0;
}

/// The text of an alternative name that is a DNS name; NULL for any other.
static inline const ASN1_STRING *ctls_dns_name(const GENERAL_NAMES *names, int index) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    return name->type == GEN_DNS ? name->d.dNSName : NULL;
}

static inline int ctls_name_count(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }
