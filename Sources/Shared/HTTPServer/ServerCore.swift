import CMicroHTTPD
import Glibc
import Support
import Synchronization

/// What libmicrohttpd's callbacks work on.
final class ServerCore: Sendable {
    private enum Phase: Comparable {
        case running
        /// Requests in progress go on; new ones are refused.
        case draining
        /// Nothing waits for a handler any more.
        case closing
    }

    private struct State {
        var phase = Phase.running
        var connections: [ObjectIdentifier: Connection] = [:]
        var exchanges: [ObjectIdentifier: Exchange] = [:]
    }

    let configuration: HTTPServer.Configuration
    let logger: Logger
    private let handler: HTTPServer.Handler
    private let lingering = LingeringCloses()
    private let state = Mutex(State())
    /// What libmicrohttpd says while it starts: the reason, if it does not.
    private let startMessages = Mutex<[String]?>([])

    init(_ configuration: HTTPServer.Configuration, logger: Logger, handler: @escaping HTTPServer.Handler) {
        self.configuration = configuration
        self.logger = logger
        self.handler = handler
    }

    // MARK: Connections (the daemon's thread)

    func opened(_ connection: Connection) {
        state.withLock { $0.connections[ObjectIdentifier(connection)] = connection }
    }

    func closed(_ connection: Connection) {
        state.withLock { $0.connections[ObjectIdentifier(connection)] = nil }
        connection.closed(lingering: lingering)
    }

    // MARK: Requests (the daemon's thread)

    /// Takes the head of a request.
    ///
    /// - Returns: the exchange, and the answer when the request is refused at once.
    func began(
        method: String, on handle: ConnectionHandle, of connection: Connection
    ) -> (Exchange, HTTPServerResponse?) {
        let target = RequestTarget(parsing: connection.takeTarget())
        let headers = readHeaders(handle)
        let exchange = Exchange(
            HTTPServerRequest(
                method: method, path: target?.path ?? "", query: target?.query ?? [], headers: headers,
                remoteAddress: connection.remoteAddress))
        let isRefused = state.withLock { state in
            guard state.phase == .running else { return true }
            state.exchanges[ObjectIdentifier(exchange)] = exchange
            return false
        }
        connection.began(exchange)
        if isRefused { return (exchange, .text("The server is shutting down.\n", status: 503)) }
        if target == nil { return (exchange, .text("The target of the request cannot be understood.\n", status: 400)) }
        let refusal = RequestRules.refusal(
            headers: headers, headerSize: cmhd_header_size(handle.pointer),
            maximumHeaderSize: configuration.maximumHeaderSize, maximumBodySize: configuration.maximumBodySize)
        return (exchange, refusal)
    }

    private func readHeaders(_ handle: ConnectionHandle) -> HTTPServerHeaders {
        var headers = HTTPServerHeaders()
        // The pointer is used within this call only.
        withUnsafeMutablePointer(to: &headers) { headers in
            _ = MHD_get_connection_values(
                handle.pointer, .HEADER_KIND,
                { context, _, name, value in
                    guard let headers = context?.assumingMemoryBound(to: HTTPServerHeaders.self), let name else {
                        return .YES
                    }
                    headers.pointee.append(String(cString: name), value.map { String(cString: $0) } ?? "")
                    return .YES
                }, headers)
        }
        return headers
    }

    /// Takes a piece of a body.
    ///
    /// - Returns: whether the connection goes on.
    func received(
        _ bytes: UnsafeRawBufferPointer, for exchange: Exchange, on handle: ConnectionHandle, of connection: Connection
    ) -> Bool {
        connection.received(bytes.count)
        if exchange.append(bytes, maximum: configuration.maximumBodySize) { return true }
        // In the middle of a body libmicrohttpd takes no answer, and reads an endless body to its end if it must.
        let refusal = RequestRules.bodyIsTooLarge(configuration.maximumBodySize)
        let message =
            "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
            + "Content-Length: \(refusal.body.count)\r\n\r\n" + String(decoding: refusal.body, as: UTF8.self)
        exchange.isAnswered(with: refusal.status)
        connection.isSending(0, lingers: true)
        let bytes = Array(message.utf8)
        cmhd_send_now(handle.pointer, bytes, bytes.count)
        return false
    }

    /// Hands a complete request to the handler, or sends the handler's answer.
    ///
    /// - Returns: whether the connection goes on.
    func proceed(_ exchange: Exchange, on handle: ConnectionHandle, of connection: Connection) -> Bool {
        let response = exchange.answer(on: handle, by: handler) { connection.isHandling() }
        guard let response else { return true }
        let closes = state.withLock { $0.phase != .running }
        return send(response, for: exchange, on: handle, of: connection, closes: closes, lingers: false)
    }

    /// - Parameter lingers: whether the request may be incomplete.
    func send(
        _ response: HTTPServerResponse, for exchange: Exchange, on handle: ConnectionHandle, of connection: Connection,
        closes: Bool, lingers: Bool
    ) -> Bool {
        var response = response
        if let reason = response.reasonNotToSend {
            logger.error(
                "an answer cannot be sent",
                ["method": exchange.method, "path": exchange.path, "reason": reason])
            response = HTTPServerResponse(status: 500)
        }
        exchange.isAnswered(with: response.status)
        connection.isSending(response.body.count, lingers: lingers)
        let copy = response.body.withUnsafeBytes { body in
            // It is copied, not written to.
            MHD_create_response_from_buffer(
                body.count, UnsafeMutableRawPointer(mutating: body.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let copy else { return false }
        defer { MHD_destroy_response(copy) }
        var fields = response.ownHeaders
        if closes { fields.append(("Connection", "close")) }
        for (name, value) in fields where MHD_add_response_header(copy, name, value) != .YES {
            // It takes no empty value.
            logger.debug("a header field is left out", ["path": exchange.path, "name": name])
        }
        return MHD_queue_response(handle.pointer, UInt32(response.status), copy) == .YES
    }

    func ended(_ exchange: Exchange, of connection: Connection?) {
        exchange.end()
        connection?.ended(exchange)
        state.withLock { _ = $0.exchanges.removeValue(forKey: ObjectIdentifier(exchange)) }
        let duration = ContinuousClock.now - exchange.begin
        logger.debug(
            "request",
            [
                "method": exchange.method, "path": exchange.path,
                "status": exchange.status.map { String($0) } ?? "none", "from": connection?.remoteAddress ?? "",
                "duration": duration,
            ])
    }

    // MARK: Watching

    /// Cuts slow peers and, if asked for, cancels requests whose client has left.
    func inspect(at now: ContinuousClock.Instant) {
        for connection in connections {
            if let complaint = connection.cutIfOverdue(at: now) {
                logger.debug("connection cut", ["from": connection.remoteAddress, "reason": complaint])
            }
            if configuration.cancelsWhenClientLeaves { connection.abandonedExchange()?.cancel() }
        }
    }

    // MARK: The end

    /// The requests in progress.
    var exchanges: [Exchange] { state.withLock { Array($0.exchanges.values) } }
    var connections: [Connection] { state.withLock { Array($0.connections.values) } }

    /// From now on requests are refused and connections close after their answer.
    func drain() { state.withLock { $0.phase = max($0.phase, .draining) } }

    /// Tells all handlers to come to an end.
    func cancelRequests() {
        for exchange in exchanges { exchange.cancel() }
    }

    /// Answers what is left; when this returns no connection is suspended, and none will be.
    func close() {
        let exchanges = state.withLock { state in
            state.phase = .closing
            return Array(state.exchanges.values)
        }
        for exchange in exchanges { exchange.finish(.text("The server is shutting down.\n", status: 503)) }
    }

    // MARK: libmicrohttpd's own words

    func log(_ message: String) {
        startMessages.withLock { $0?.append(message) }
        logger.debug("libmicrohttpd", ["message": message])
    }

    /// What was said during the start.
    func endOfStart() -> [String] {
        startMessages.withLock { messages in
            defer { messages = nil }
            return messages ?? []
        }
    }
}
