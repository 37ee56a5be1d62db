import Support

/// An HTTP/1.1 server.
///
/// Requests come to the handler when they are complete; bodies are bounded, so they are arrays. While the handler works its
/// connection is suspended: no thread waits, and no time-out cuts it, so that a request may take hours. Connections that
/// send or read too slowly are cut. All of the network's work is done by one thread of libmicrohttpd's; handlers run as tasks.
///
/// Every method is passed to the handler, known or not. Malformed requests are answered here: 400, 413 and 431 for what is
/// too large, 501 for a transfer coding other than `chunked`; the connection is then closed.
///
/// The query, headers and bodies never get into the log.
package final class HTTPServer: Sendable {
    /// Answers a request. Its task is cancelled when the server shuts down and the grace period is over.
    package typealias Handler = @Sendable (HTTPServerRequest) async -> HTTPServerResponse

    package struct Configuration: Sendable {
        /// A name or number; empty for every address of this machine, IPv6 included where there is one.
        package var host: String
        /// 0 for one that the system chooses.
        package var port: UInt16
        /// PEM files of the server's certificate (with the chain, if any) and its key; nil for plain HTTP.
        package var tls: (certificatePath: String, keyPath: String)?
        /// Larger bodies are refused with 413 and not read to their end.
        package var maximumBodySize = 1 << 20
        /// Larger heads, first line included, and heads of more than some hundred fields are refused with 431 (414 when
        /// not even the first line fits).
        package var maximumHeaderSize = 16 << 10
        /// How long a connection may do nothing, and the head of a request may take from the end of the one before.
        /// Bodies and answers get a second more for each KiB. Never applies while a handler works.
        package var idleTimeout = Duration.seconds(60)
        /// Further connections wait in the kernel's queue.
        package var maximumConnections = 512
        /// Further connections from the same address are closed at once.
        package var maximumConnectionsPerAddress = 256
        /// Whether the handler's task is cancelled when the client closes its side of the connection before it is answered.
        ///
        /// libmicrohttpd does not look at suspended connections, so their sockets are asked about twice a second. Off by
        /// default: who closes a terminal does not mean to stop a backup.
        package var cancelsWhenClientLeaves = false
        /// What requests in progress get to come to their end when the server shuts down.
        package var gracePeriod = Duration.seconds(10)

        package init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    let daemon: Daemon

    /// Begins to serve.
    ///
    /// - Throws: ``BackupError/Code/unavailable`` when the port is taken or the address is not one of this machine;
    ///   ``BackupError/Code/configuration`` when the TLS files are missing, unreadable or do not belong together.
    package init(
        _ configuration: Configuration, logger: Logger = .silent, handler: @escaping Handler
    ) async throws(BackupError) {
        let core = ServerCore(configuration, logger: logger, handler: handler)
        do {
            // Names are looked up and files are read.
            daemon = try await onDedicatedThread { try Daemon(core: core) }
        } catch {
            throw BackupError(wrapping: error)
        }
    }

    /// Where it listens, with the port the system has chosen when 0 was asked for.
    package var localAddress: HTTPServerAddress { daemon.localAddress }

    /// Stops accepting, refuses further requests with 503, lets those in progress come to their end within the grace
    /// period, then cancels their handlers, and closes all connections. What handlers say after that is dropped.
    ///
    /// May be called more than once; each call returns when all is over.
    package func shutDown() async { await daemon.shutDown(gracePeriod: daemon.core.configuration.gracePeriod) }

    /// A server that was not shut down ends at once.
    deinit { Task.detached { [daemon] in await daemon.shutDown(gracePeriod: .zero) } }
}
