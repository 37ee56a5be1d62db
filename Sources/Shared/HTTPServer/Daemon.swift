import CMicroHTTPD
import Glibc
import Support
import Synchronization

/// A running libmicrohttpd daemon: its start and its end.
final class Daemon: Sendable {
    /// libmicrohttpd's handle of the daemon.
    ///
    /// Safe to send: it is a number to us, and the calls made with it (quiesce, stop) may come from any thread but the
    /// daemon's own; ``Daemon/stop()`` makes each of them once.
    private struct Handle: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    let core: ServerCore
    private let socket: ListeningSocket
    private let handle: Handle
    private let watch: Task<Void, Never>
    /// The one shutdown, when it has begun.
    private let shutdown = Mutex<Task<Void, Never>?>(nil)

    var localAddress: HTTPServerAddress { socket.address }

    /// What is left to handlers after they were cancelled, and to answers on their way.
    private static let lastTime = Duration.seconds(1)

    /// Blocks: for a thread of its own.
    init(core: ServerCore) throws(BackupError) {
        let configuration = core.configuration
        let identity: TLSIdentity? =
            if let tls = configuration.tls {
                try TLSIdentity(certificatePath: tls.certificatePath, keyPath: tls.keyPath)
            } else {
                nil
            }
        let socket = try ListeningSocket(HTTPServerAddress(host: configuration.host, port: configuration.port))
        // The daemon's callbacks use it unretained; released when the daemon has stopped, or did not start.
        let context = Unmanaged.passRetained(core)
        // The daemon has read its certificate and key when this returns.
        let pointer = Daemon.start(configuration, socket.descriptor, identity, context.toOpaque())
        let messages = core.endOfStart()
        guard let pointer else {
            context.release()
            close(socket.descriptor)
            throw BackupError(
                .internalError,
                "cannot start the HTTP server on \(socket.address)"
                    + (messages.last.map { ": \($0.escapingControlCharacters)" } ?? ""))
        }
        self.core = core
        self.socket = socket
        handle = Handle(pointer: pointer)
        let interval = max(.milliseconds(10), min(configuration.idleTimeout / 4, .milliseconds(500)))
        watch = Task.detached {
            while (try? await Task.sleep(for: interval)) != nil { core.inspect(at: .now) }
        }
    }

    private static func start(
        _ configuration: HTTPServer.Configuration, _ socket: Int32, _ identity: TLSIdentity?,
        _ context: UnsafeMutableRawPointer
    ) -> OpaquePointer? {
        func start(_ certificate: UnsafePointer<CChar>?, _ key: UnsafePointer<CChar>?) -> OpaquePointer? {
            // Half of it is for reading. Each header field takes 64 bytes of the other half, which leaves room for 700.
            let memory = 4 * configuration.maximumHeaderSize + 2 * HTTPServerResponse.maximumHeaderSize
            var options = cmhd_options(
                listen_socket: socket, context: context, answer: answer, request_line: requestLine,
                request_completed: requestCompleted, connection_changed: connectionChanged, log: logMessage,
                connection_memory: memory, connections: UInt32(clamping: configuration.maximumConnections),
                connections_per_address: UInt32(clamping: configuration.maximumConnectionsPerAddress),
                timeout_seconds: UInt32(clamping: configuration.idleTimeout.components.seconds + 1),
                certificate: certificate, key: key)
            return cmhd_start(&options)
        }
        guard let identity else { return start(nil, nil) }
        return identity.certificate.withUnsafeBufferPointer { certificate in
            identity.key.withUnsafeBufferPointer { key in start(certificate.baseAddress, key.baseAddress) }
        }
    }

    /// Stops once, however often and from however many tasks it is called; returns when it has stopped.
    ///
    /// - Parameter gracePeriod: what requests in progress get to come to their end by themselves.
    func shutDown(gracePeriod: Duration) async {
        let task = shutdown.withLock { shutdown in
            // A task of its own: the cancellation of a caller does not make it hasty.
            let task = shutdown ?? Task.detached { [self] in await stop(gracePeriod) }
            shutdown = task
            return task
        }
        await task.value
    }

    private func stop(_ gracePeriod: Duration) async {
        core.drain()
        _ = MHD_quiesce_daemon(handle.pointer)
        // Ends the listening without freeing the number, which the daemon's thread may be about to use.
        Glibc.shutdown(socket.descriptor, Int32(SHUT_RDWR))
        await wait(gracePeriod) { $0.isEmpty }
        core.cancelRequests()
        // What has not come by now is not waited for.
        await wait(Daemon.lastTime) { !$0.contains { $0.isComplete } }
        core.close()
        await wait(Daemon.lastTime) { !$0.contains { $0.isComplete } }
        watch.cancel()
        // Joins the daemon's thread.
        await withCheckedContinuation { continuation in
            startThread { [self] in
                MHD_stop_daemon(handle.pointer)
                close(socket.descriptor)
                // The end of what `init` has retained: there are no callbacks any more.
                Unmanaged.passUnretained(core).release()
                continuation.resume()
            }
        }
    }

    /// Returns when the requests in progress satisfy `condition`, after `limit` at the latest.
    private func wait(_ limit: Duration, until condition: ([Exchange]) -> Bool) async {
        let end = ContinuousClock.now + limit
        while !condition(core.exchanges), ContinuousClock.now < end { try? await Task.sleep(for: .milliseconds(5)) }
    }
}
