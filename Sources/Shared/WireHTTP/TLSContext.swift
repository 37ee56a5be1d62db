import CTLS
import Glibc
import HTTP
import Support
import Synchronization
import TLS

/// OpenSSL contexts, one for each kind of trust, shared by all loops.
final class TLSContexts: Sendable {
    private let environment: ConnectionEnvironment
    private let contexts = Mutex<[TLSSettings: TLSContext]>([:])

    init(_ environment: ConnectionEnvironment) { self.environment = environment }

    /// - Throws: when these settings are better left to libcurl, which also has the words for what is wrong with them.
    func context(for settings: TLSSettings) throws(RelayUnsuited) -> TLSContext {
        let known: Result<TLSContext, RelayUnsuited> = contexts.withLock { contexts in
            if let context = contexts[settings] { return .success(context) }
            guard let context = TLSContext(settings, environment) else {
                return .failure(RelayUnsuited("the TLS settings cannot be used"))
            }
            contexts[settings] = context
            return .success(context)
        }
        return try known.get()
    }
}

/// An OpenSSL context: whom we trust.
final class TLSContext: Sendable {
    /// Records that one system call may read ahead, in bytes.
    private static let readAhead = 128 * 1024

    // Safe: set up before anybody else sees it; afterwards OpenSSL lets any thread make sessions out of it.
    nonisolated(unsafe) let pointer: OpaquePointer

    fileprivate init?(_ settings: TLSSettings, _ environment: ConnectionEnvironment) {
        guard settings.clientCertPath.isEmpty, settings.clientKeyPath.isEmpty,
            let context = SSL_CTX_new(TLS_client_method())
        else { return nil }
        pointer = context
        ctls_prepare(context, TLSContext.readAhead)
        guard TLSContext.trust(settings, environment, context) else { return nil }
    }

    deinit { SSL_CTX_free(pointer) }

    /// The same authorities as those of the HTTP client over libcurl.
    private static func trust(
        _ settings: TLSSettings, _ environment: ConnectionEnvironment, _ context: OpaquePointer
    ) -> Bool {
        if !settings.caCertPath.isEmpty {
            return SSL_CTX_load_verify_locations(context, settings.caCertPath, nil) == 1
        }
        if let certificates = environment.certificates { return TLS.trust(pem: certificates, in: context) > 0 }
        guard let file = environment.certificateFile ?? environment.systemBundle else { return false }
        return SSL_CTX_load_verify_locations(context, file, nil) == 1
    }
}

/// One TLS connection over a socket. Used on the thread of its loop.
final class TLSSession {
    /// Bytes that wait for the socket, at most.
    private static let room = 128 * 1024

    private let session: OpaquePointer
    /// Bytes that count as sent are still on this side.
    private(set) var isUnflushed = false

    /// - Parameter name: what the certificate must be for: a host name or an address.
    init?(_ context: TLSContext, socket: Int32, name: String) {
        guard let session = SSL_new(context.pointer) else { return nil }
        self.session = session
        let host = name.hasPrefix("[") ? String(name.dropFirst().dropLast()) : name
        let parameters = SSL_get0_param(session)
        var isPrepared = ctls_attach(session, socket, TLSSession.room) == 1
        // Addresses are compared as such, and are not asked for by name.
        if X509_VERIFY_PARAM_set1_ip_asc(parameters, host) != 1 {
            ERR_clear_error()
            isPrepared =
                isPrepared && X509_VERIFY_PARAM_set1_host(parameters, host, host.utf8.count) == 1
                && ctls_set_name(session, host) == 1
        }
        SSL_set_connect_state(session)
        guard isPrepared else { return nil }
    }

    deinit { SSL_free(session) }

    /// Goes on with the handshake: `.bytes` when it is complete.
    func shakeHands() -> Transferred { result(of: SSL_do_handshake(session), 1) }

    func receive(into buffer: UnsafeMutableRawBufferPointer) -> Transferred {
        var count = 0
        return result(of: SSL_read_ex(session, buffer.baseAddress, buffer.count, &count), count)
    }

    /// Sends as much as there is room for. Call ``flush()`` when no more follows.
    func send(_ bytes: UnsafeRawBufferPointer) -> Transferred {
        var total = 0
        while total < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[total...])
            var count = 0
            let result = result(of: SSL_write_ex(session, rest.baseAddress, rest.count, &count), count)
            guard case .bytes(let some) = result else { return total > 0 ? .bytes(total) : result }
            isUnflushed = true
            total += some
        }
        return .bytes(total)
    }

    /// Gives the socket what it takes of what was sent.
    func flush() {
        isUnflushed = isUnflushed && ctls_flush(session) != 1
        ERR_clear_error()
    }

    private func result(of status: Int32, _ count: Int) -> Transferred {
        if status == 1 { return .bytes(count) }
        let systemError = SystemError()
        defer { ERR_clear_error() }
        switch SSL_get_error(session, status) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .blocked
        case SSL_ERROR_ZERO_RETURN: return .ended
        case SSL_ERROR_SYSCALL where systemError.number != 0: return .failed(systemError)
        case SSL_ERROR_SYSCALL: return .ended
        default: return .failed(SystemError(EPROTO))
        }
    }
}
