import HTTP
import Support

/// A request as it goes on the wire.
struct WireRequest {
    let peer: Peer
    let method: String
    /// Request line and fields, with the empty line.
    let head: [UInt8]
    /// Never more than the whole request has: every address is to have its part of it.
    let connectTimeout: Duration

    /// - Parameter length: bytes of the body; nil for a request without one.
    /// - Throws: ``BackupError/Code/invalidArgument`` for what cannot be sent.
    init(_ request: HTTPRequest, length: Int64?) throws(BackupError) {
        let (origin, target) = try Origin.split(request.url)
        guard !target.utf8.contains(UInt8(ascii: "#")) else {
            throw BackupError(.invalidArgument, "\(origin): a request has no use for a fragment")
        }
        try request.validate(for: origin)
        peer = Peer(origin, request.tls)
        method = request.method
        connectTimeout = min(request.connectTimeout, request.totalTimeout ?? request.connectTimeout)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(768)
        bytes.append(contentsOf: request.method.utf8)
        bytes.append(UInt8(ascii: " "))
        if !target.hasPrefix("/") { bytes.append(UInt8(ascii: "/")) }
        bytes.append(contentsOf: target.utf8)
        bytes.append(contentsOf: " HTTP/1.1\r\n".utf8)
        if !request.headers.contains(where: { equalsIgnoringCase($0.name, "host") }) {
            WireRequest.append("host", origin.authority, to: &bytes)
        }
        for (name, value) in request.headers { WireRequest.append(name, value, to: &bytes) }
        if let length { WireRequest.append("content-length", String(length), to: &bytes) }
        bytes.append(contentsOf: "\r\n".utf8)
        head = bytes
    }

    private static func append(_ name: String, _ value: String, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: name.utf8)
        bytes.append(contentsOf: ": ".utf8)
        bytes.append(contentsOf: value.utf8)
        bytes.append(contentsOf: "\r\n".utf8)
    }
}

extension HTTPRequest {
    /// Whether this module can carry the request out at all; libcurl does all others.
    func isPlainEnough(_ environment: ConnectionEnvironment) -> Bool {
        guard version == .http1, method != "CONNECT", tls.clientCertPath.isEmpty, tls.clientKeyPath.isEmpty else {
            return false
        }
        guard !headers.contains(where: { HTTPRequest.rulesConnection($0.name) }) else { return false }
        guard environment.hasProxies else { return true }
        guard let (origin, _) = try? Origin.split(url) else { return false }
        return environment.proxy(for: origin).isEmpty || environment.noProxy == "*" || origin.isThisMachine
    }

    /// Fields that say how a connection is to be used: nobody who sets them means what this module does.
    private static func rulesConnection(_ name: String) -> Bool {
        switch name.utf8.count {
        case 2: equalsIgnoringCase(name, "te")
        case 6: equalsIgnoringCase(name, "expect")
        case 7: equalsIgnoringCase(name, "upgrade")
        case 10: equalsIgnoringCase(name, "connection")
        case 14: equalsIgnoringCase(name, "content-length")
        case 17: equalsIgnoringCase(name, "transfer-encoding")
        default: false
        }
    }
}

extension Origin {
    /// Never reached through a proxy.
    fileprivate var isThisMachine: Bool { host == "localhost" || host == "127.0.0.1" || host == "[::1]" }
}
