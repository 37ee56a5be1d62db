#pragma once
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/ioctl.h>

// Variadic functions cannot be called from Swift: one typed function for each use.

/// What a daemon is started with. Strings must live as long as the daemon.
struct cmhd_options {
    /// A listening, non-blocking socket; it stays the caller's.
    MHD_socket listen_socket;
    /// The first argument of every callback.
    void *context;
    MHD_AccessHandlerCallback answer;
    void *(*request_line)(void *context, const char *target, struct MHD_Connection *connection);
    MHD_RequestCompletedCallback request_completed;
    MHD_NotifyConnectionCallback connection_changed;
    MHD_LogCallback log;
    /// Bytes for one connection's buffers: the head of a request, the head of its answer.
    size_t connection_memory;
    unsigned int connections;
    unsigned int connections_per_address;
    /// Seconds without a byte in either direction, for connections that are not suspended.
    unsigned int timeout_seconds;
    /// PEM; both NULL for plain HTTP.
    const char *certificate;
    const char *key;
};

/// Starts a daemon with one epoll thread of its own; NULL when that fails, after `log` was told why.
static inline struct MHD_Daemon *cmhd_start(const struct cmhd_options *options) {
    unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)options->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)options->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
        {MHD_OPTION_END, 0, NULL},
    };
    if (options->certificate)
        flags |= MHD_USE_TLS;
    else
        tls[0] = tls[3];
    return MHD_start_daemon(
        flags, 0, NULL, NULL, options->answer, options->context,
        MHD_OPTION_EXTERNAL_LOGGER, options->log, options->context,
        MHD_OPTION_LISTEN_SOCKET, options->listen_socket,
        MHD_OPTION_URI_LOG_CALLBACK, options->request_line, options->context,
        MHD_OPTION_NOTIFY_COMPLETED, options->request_completed, options->context,
        MHD_OPTION_NOTIFY_CONNECTION, options->connection_changed, options->context,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory,
        MHD_OPTION_CONNECTION_LIMIT, options->connections,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->connections_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, options->timeout_seconds,
        MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_ARRAY, tls,
        MHD_OPTION_END);
}

/// The socket of a connection; -1 when there is none.
static inline int cmhd_descriptor(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/// The address of the peer, or NULL.
static inline const struct sockaddr *cmhd_peer(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

/// What `connection_changed` has set for this connection, or NULL.
static inline void *cmhd_socket_context(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/// Bytes of the head of the current request.
static inline size_t cmhd_header_size(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info ? info->header_size : 0;
}

/// Sends bytes past the daemon, through TLS where there is TLS. To be called on the daemon's thread only. Never waits.
static inline void cmhd_send_now(struct MHD_Connection *connection, const void *bytes, size_t count) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info && info->tls_session)
        gnutls_record_send((gnutls_session_t)info->tls_session, bytes, count);
    else
        (void)!send(cmhd_descriptor(connection), bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/// Whether a certificate (chain) and a key, both PEM, can be used together: 0, or a code for gnutls_strerror.
static inline int cmhd_check_identity(const char *certificate, const char *key) {
    gnutls_certificate_credentials_t credentials;
    int status = gnutls_certificate_allocate_credentials(&credentials);
    if (status < 0) return status;
    gnutls_datum_t certificate_data = {(unsigned char *)certificate, (unsigned int)strlen(certificate)};
    gnutls_datum_t key_data = {(unsigned char *)key, (unsigned int)strlen(key)};
    status = gnutls_certificate_set_x509_key_mem(credentials, &certificate_data, &key_data, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    return status < 0 ? status : 0;
}

/// Bytes that have come in and were not read.
static inline int cmhd_unread_bytes(int descriptor) {
    int count = 0;
    return ioctl(descriptor, FIONREAD, &count) == 0 ? count : 0;
}
