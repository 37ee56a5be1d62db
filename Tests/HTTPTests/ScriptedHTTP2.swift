import HTTPTesting
/// The server's side of HTTP/2 on a connection, as far as tests need it: header fields of requests are not looked at, and
/// flow control is obeyed by granting the client what it sends and by sending less than its first window.
struct ScriptedHTTP2 {
    enum Event {
        /// A stream's request is complete.
        case request(stream: UInt32, body: [UInt8])
        case reset(stream: UInt32)
    }

    private enum Kind: UInt8 { case data, headers, priority, reset, settings, push, ping, goAway, window, continuation }

    private let connection: ServerConnection
    private var bodies: [UInt32: [UInt8]] = [:]

    /// Exchanges the prefaces.
    init(_ connection: ServerConnection) throws {
        self.connection = connection
        let preface = try connection.read(24)
        guard preface == Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) else { throw ServerConnection.Closed() }
        // SETTINGS_MAX_CONCURRENT_STREAMS = 1000
        try write(.settings, payload: [0, 3, 0, 0, 3, 0xe8])
    }

    mutating func nextEvent() throws -> Event {
        while true {
            let head = try connection.read(9)
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            let stream = number(head[5...]) & 0x7fff_ffff
            let payload = try connection.read(length)
            switch Kind(rawValue: head[3]) {
            case .settings where head[4] & 1 == 0: try write(.settings, flags: 1)
            case .ping where head[4] & 1 == 0: try write(.ping, flags: 1, payload: payload)
            case .reset: return .reset(stream: stream)
            case .headers: bodies[stream] = []
            case .data where length > 0:
                bodies[stream]? += payload
                for id in [0, stream] { try write(.window, stream: id, payload: bytes(UInt32(length))) }
            default: break
            }
            if head[3] <= 1, head[4] & 1 != 0 {
                return .request(stream: stream, body: bodies.removeValue(forKey: stream) ?? [])
            }
        }
    }

    /// Sends a head with status 200 and `fields`.
    func sendHead(_ stream: UInt32, _ fields: [(String, String)] = [], ends: Bool = false) throws {
        try write(.headers, flags: ends ? 5 : 4, stream: stream, payload: [0x88] + block(fields))
    }

    func sendData(_ stream: UInt32, _ data: [UInt8]) throws {
        for start in stride(from: 0, to: data.count, by: 16384) {
            try write(.data, stream: stream, payload: Array(data[start..<min(start + 16384, data.count)]))
        }
    }

    func sendTrailers(_ stream: UInt32, _ fields: [(String, String)]) throws {
        try write(.headers, flags: 5, stream: stream, payload: block(fields))
    }

    func sendReset(_ stream: UInt32, code: UInt32) throws { try write(.reset, stream: stream, payload: bytes(code)) }

    func sendGoAway(last stream: UInt32) throws { try write(.goAway, payload: bytes(stream) + bytes(0)) }

    /// Literal header fields without indexing and without Huffman coding.
    private func block(_ fields: [(String, String)]) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields {
            block += [0, UInt8(name.utf8.count)] + Array(name.utf8)
            block += [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        return block
    }

    private func write(_ kind: Kind, flags: UInt8 = 0, stream: UInt32 = 0, payload: [UInt8] = []) throws {
        try connection.write(
            Array(bytes(UInt32(payload.count))[1...]) + [kind.rawValue, flags] + bytes(stream) + payload)
    }

    private func bytes(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }

    private func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) } }
}

extension ScriptedServer {
    /// A gRPC server that sends back what it gets, with `grpc-status: 0` behind it.
    static func echoingGRPC() -> ScriptedServer {
        ScriptedServer { connection in
            var http = try ScriptedHTTP2(connection)
            while true {
                guard case .request(let stream, let body) = try http.nextEvent() else { continue }
                try http.sendHead(stream, [("content-type", "application/grpc")])
                try http.sendData(stream, body)
                try http.sendTrailers(stream, [("grpc-status", "0"), ("grpc-message", "fine")])
            }
        }
    }
}
