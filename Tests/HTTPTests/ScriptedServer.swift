import Glibc
import Support
import Synchronization

/// An HTTP/1.1 server on a loopback port that does what a test's script says, one thread per connection.
final class ScriptedServer: Sendable {
    let port: Int
    private let listener: Int32
    private let accepted = Atomic<Int>(0)
    private let open = Atomic<Int>(0)

    /// - Parameter script: called for every connection, which is closed when it returns.
    init(_ script: @escaping @Sendable (ServerConnection) throws -> Void) {
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
    convenience init(answering respond: @escaping @Sendable (ReceivedRequest, ServerConnection) throws -> Void) {
        self.init { connection in
            while let request = try connection.readRequest() { try respond(request, connection) }
        }
    }

    var url: String { "http://127.0.0.1:\(port)" }
    var connectionCount: Int { accepted.load(ordering: .relaxed) }
    var openConnections: Int { open.load(ordering: .relaxed) }

    func stop() { shutdown(listener, Int32(SHUT_RDWR)) }
}

struct ReceivedRequest: Sendable {
    var method: String
    var target: String
    var fields: [(name: String, value: String)]
    var body: [UInt8] = []

    subscript(_ name: String) -> String? { fields.first { $0.name.lowercased() == name.lowercased() }?.value }
}

/// One connection, read and written with blocking calls on the script's thread.
final class ServerConnection {
    struct Closed: Error {}

    /// 1 for the first connection of the server.
    let number: Int
    private var descriptor: Int32
    private var buffer: [UInt8] = []

    init(_ descriptor: Int32, number: Int) {
        self.descriptor = descriptor
        self.number = number
    }

    /// The next request with its body; nil when the client closes the connection.
    func readRequest() throws -> ReceivedRequest? {
        guard var request = try readHead() else { return nil }
        if request["Expect"] != nil { try write("HTTP/1.1 100 Continue\r\n\r\n") }
        request.body = try read(Int(request["Content-Length"] ?? "0") ?? 0)
        return request
    }

    func readHead() throws -> ReceivedRequest? {
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
        let words = lines[0].split(separator: " ")
        let fields = lines.dropFirst().map { line in
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            return (String(line[..<colon]), String(line[colon...].dropFirst().drop { $0 == " " }))
        }
        return ReceivedRequest(method: String(words[0]), target: String(words[1]), fields: fields)
    }

    func read(_ count: Int) throws -> [UInt8] {
        while buffer.count < count { guard try fill() else { throw Closed() } }
        defer { buffer.removeFirst(count) }
        return Array(buffer[..<count])
    }

    func write(_ text: String) throws { try write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw Closed() }
            sent += count
        }
    }

    func respond(_ status: Int = 200, _ fields: [String] = [], body: [UInt8] = [], sendBody: Bool = true) throws {
        let lines = ["HTTP/1.1 \(status) Status", "Content-Length: \(body.count)"] + fields
        try write(Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (sendBody ? body : []))
    }

    /// Waits until the client closes its end; what it sends meanwhile is dropped.
    func waitForClose() {
        var drop = [UInt8](repeating: 0, count: 65536)
        while Glibc.read(descriptor, &drop, drop.count) > 0 {}
    }

    /// Makes `close` send a reset.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }

    func close() {
        guard descriptor >= 0 else { return }
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
