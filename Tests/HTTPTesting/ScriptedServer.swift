import Glibc
import Support
import Synchronization

/// An HTTP/1.1 server on a loopback port that does what a test's script says, one thread per connection.
package final class ScriptedServer: Sendable {
    package let port: Int
    private let listener: Int32
    private let accepted = Atomic<Int>(0)
    private let open = Atomic<Int>(0)

    /// - Parameter script: called for every connection, which is closed when it returns.
    package init(_ script: @escaping @Sendable (ServerConnection) throws -> Void) {
        // A client that left must not end the test process.
        signal(SIGPIPE, SIG_IGN)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = listener
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && listen(descriptor, 1024) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        precondition(bound, "no loopback port")
        port = Int(UInt16(bigEndian: address.sin_port))
        startThread { [self] in
            while case let connection = accept(listener, nil, nil), connection >= 0 {
                // Children of other tests must not keep it open.
                _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                let number = accepted.add(1, ordering: .relaxed).newValue
                open.add(1, ordering: .relaxed)
                startThread { [self] in
                    let server = ServerConnection(connection, number: number)
                    try? script(server)
                    server.close()
                    open.subtract(1, ordering: .relaxed)
                }
            }
            close(listener)
        }
    }

    /// A server that answers every request by `respond` and keeps connections alive.
    package convenience init(answering respond: @escaping @Sendable (ReceivedRequest, ServerConnection) throws -> Void)
    {
        self.init { connection in
            while let request = try connection.readRequest() { try respond(request, connection) }
        }
    }

    package var url: String { "http://127.0.0.1:\(port)" }
    package var connectionCount: Int { accepted.load(ordering: .relaxed) }
    package var openConnections: Int { open.load(ordering: .relaxed) }

    package func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}

package struct ReceivedRequest: Sendable {
    package var method: String
    package var target: String
    package var fields: [(name: String, value: String)]
    package var body: [UInt8] = []

    package subscript(_ name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
}

/// One connection, read and written with blocking calls on the script's thread.
package final class ServerConnection {
    package struct Closed: Error { package init() {} }

    /// 1 for the first connection of the server.
    package let number: Int
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    private var resets = false

    package init(_ descriptor: Int32, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    /// The next request with its body; nil when the client closes the connection.
    package func readRequest() throws -> ReceivedRequest? {
        guard var request = try readHead() else { return nil }
        if request["Expect"] != nil { try write("HTTP/1.1 100 Continue\r\n\r\n") }
        request.body = try read(Int(request["Content-Length"] ?? "0") ?? 0)
        return request
    }

    package func readHead() throws -> ReceivedRequest? {
        var end: Int?
        while end == nil {
            if let found = firstIndex(of: Array("\r\n\r\n".utf8)) {
                end = found
            } else if try !fill() {
                return nil
            }
        }
        let head = String(decoding: buffer[..<(end ?? 0)], as: UTF8.self)
        buffer.removeFirst((end ?? 0) + 4)
        let lines = head.split(separator: "\r\n")
        let words = (lines.first ?? "").split(separator: " ")
        guard words.count == 3 else { throw Closed() }
        let fields = lines.dropFirst().map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            return (String(line[..<colon]), String(line[colon...].dropFirst().drop { $0 == " " }))
        }
        return ReceivedRequest(method: String(words[0]), target: String(words[1]), fields: fields)
    }

    package func read(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { guard try fill() else { throw Closed() } }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    package func write(_ text: String) throws { try write(Array(text.utf8)) }

    package func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Closed() }
            sent += count
        }
    }

    package func respond(_ status: Int = 200, _ fields: [String] = [], body: [UInt8] = [], sendBody: Bool = true) throws
    {
        let lines = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.count)"] + fields
        try write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (sendBody ? body : []))
    }

    /// Waits until the client closes its end; what it sends meanwhile is dropped.
    package func waitForClose() {
        var drop = [UInt8](repeating: 0, count: 65536)
        while Glibc.read(descriptor, &drop, drop.count) > 0 {}
    }

    /// Passes bytes in both directions until one side closes.
    package func relay(toLoopbackPort port: Int) throws {
        let target = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { _ = Glibc.close(target) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(target, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Closed() }
        var chunk = [UInt8](repeating: 0, count: 65536)
        var polled = [descriptor, target].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while poll(&polled, 2, -1) > 0 {
            for (index, to) in [(0, target), (1, descriptor)] where polled[index].revents != 0 {
                let count = Glibc.read(polled[index].fd, &chunk, chunk.count)
                guard count > 0, Glibc.write(to, chunk, count) == count else { return }
            }
        }
    }

    /// Makes `close` send a reset.
    package func resetOnClose() {
        resets = true
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    package func close() {
        guard descriptor >= 0 else { return }
        if !resets { shutdown(descriptor, Int32(SHUT_RDWR)) }
        _ = Glibc.close(descriptor)
        descriptor = -1
    }

    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = Glibc.read(descriptor, &chunk, chunk.count)
        guard count >= 0 else { throw Closed() }
        buffer += chunk[..<count]
        return count > 0
    }

    private func firstIndex(of pattern: [UInt8]) -> Int? {
        guard buffer.count >= pattern.count else { return nil }
        return (0...(buffer.count - pattern.count)).first { start in
            pattern.indices.allSatisfy { buffer[start + $0] == pattern[$0] }
        }
    }
}
