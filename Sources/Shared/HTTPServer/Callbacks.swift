import CMicroHTTPD
import Glibc
import Support

// libmicrohttpd calls all of these on the daemon's thread (at its end on the thread that stops it). The first argument is
// the ServerCore, which `Daemon` retains before the start and releases after the daemon has stopped: unretained here.

private func core(_ context: UnsafeMutableRawPointer?) -> ServerCore? {
    context.map { Unmanaged<ServerCore>.fromOpaque($0).takeUnretainedValue() }
}

/// The connection's own object, retained by its first notification and released by its last: unretained here.
private func connection(_ handle: OpaquePointer?) -> Connection? {
    cmhd_socket_context(handle).map { Unmanaged<Connection>.fromOpaque($0).takeUnretainedValue() }
}

/// A connection begins or ends. Each beginning has its end, even for connections that fail in between.
let connectionChanged: MHD_NotifyConnectionCallback = { context, handle, slot, event in
    guard let core = core(context), let handle, let slot else { return }
    if event == .CONNECTION_NOTIFY_STARTED {
        let address = cmhd_peer(handle).flatMap { HTTPServerAddress(numbersOf: $0) }
        let connection = Connection(
            descriptor: cmhd_descriptor(handle), remoteAddress: address?.host ?? "unknown",
            idleTime: core.configuration.idleTimeout)
        // Held by the slot until the connection's end, below.
        slot.pointee = Unmanaged.passRetained(connection).toOpaque()
        core.opened(connection)
    } else if let opaque = slot.pointee {
        slot.pointee = nil
        // The end of what was retained above.
        core.closed(Unmanaged<Connection>.fromOpaque(opaque).takeRetainedValue())
    }
}

/// The first line of a request has come. What this returns would be the request's object: none yet.
let requestLine:
    @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<CChar>?, OpaquePointer?) -> UnsafeMutableRawPointer? = {
        _, target, handle in
        guard let target, let connection = connection(handle) else { return nil }
        connection.requestLine(UnsafeRawBufferPointer(start: target, count: strlen(target)).map { $0 })
        return nil
    }

/// The head of a request has come, or a piece of its body, or its end, or its connection was resumed.
let answer: MHD_AccessHandlerCallback = { context, handle, _, method, _, data, count, slot in
    guard let core = core(context), let connection = connection(handle), let handle, let method, let count, let slot
    else { return .NO }
    let handle_ = ConnectionHandle(pointer: handle)
    guard let opaque = slot.pointee else {
        let (exchange, refusal) = core.began(method: String(cString: method), on: handle_, of: connection)
        // Held by the slot until `requestCompleted`, which follows for each request that came here.
        slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
        guard let refusal else { return .YES }
        return core.send(refusal, for: exchange, on: handle_, of: connection, closes: true, lingers: true)
            ? .YES : .NO
    }
    // The slot goes on holding it.
    let exchange = Unmanaged<Exchange>.fromOpaque(opaque).takeUnretainedValue()
    if count.pointee > 0 {
        let bytes = UnsafeRawBufferPointer(start: data, count: count.pointee)
        count.pointee = 0
        return core.received(bytes, for: exchange, on: handle_, of: connection) ? .YES : .NO
    }
    return core.proceed(exchange, on: handle_, of: connection) ? .YES : .NO
}

/// A request is over: answered, broken off or refused.
let requestCompleted: MHD_RequestCompletedCallback = { context, handle, slot, _ in
    guard let core = core(context), let opaque = slot?.pointee else { return }
    slot?.pointee = nil
    // The end of what `answer` has retained.
    core.ended(Unmanaged<Exchange>.fromOpaque(opaque).takeRetainedValue(), of: connection(handle))
}

/// Also called by a start that fails.
let logMessage: MHD_LogCallback = { context, format, arguments in
    // Optional or not: that depends on the processor.
    guard let core = core(context), let format, let arguments = arguments as CVaListPointer? else { return }
    var text = [CChar](repeating: 0, count: 512)
    vsnprintf(&text, text.count, format, arguments)
    var message = String(
        decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    while message.last == "\n" { message.removeLast() }
    core.log(message)
}
