import Glibc
import Support

/// Where a server can be reached.
package struct HTTPServerAddress: Sendable, Hashable, CustomStringConvertible {
    /// A name or number without brackets; empty for every address of this machine.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// A socket that listens. Whoever opens it closes it.
struct ListeningSocket: Sendable {
    let descriptor: Int32
    let address: HTTPServerAddress

    private static let backlog: Int32 = 512

    /// Listens on the first address behind the name that can be bound. Blocks for as long as a name server takes.
    ///
    /// - Throws: ``BackupError/Code/unavailable``.
    init(_ wanted: HTTPServerAddress) throws(BackupError) {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | AI_PASSIVE
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(wanted.host.isEmpty ? nil : wanted.host, String(wanted.port), &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        guard status == 0 else {
            throw ListeningSocket.failure(wanted, String(cString: gai_strerror(status)), nil)
        }
        var candidates: [addrinfo] = []
        var entry = first
        while let current = entry?.pointee {
            candidates.append(current)
            entry = current.ai_next
        }
        // On every address of the machine, a socket for IPv6 takes IPv4 as well.
        if wanted.host.isEmpty { candidates.sort { $0.ai_family == AF_INET6 && $1.ai_family != AF_INET6 } }
        var error = EADDRNOTAVAIL
        for candidate in candidates {
            if let descriptor = ListeningSocket.listen(on: candidate, error: &error) {
                self.descriptor = descriptor
                address = ListeningSocket.localAddress(descriptor) ?? wanted
                return
            }
        }
        let hint: String? =
            switch error {
            case EADDRINUSE: "another program listens there: stop it or choose another port"
            case EADDRNOTAVAIL: "this machine has no such address"
            case EACCES: "ports below 1024 are for privileged programs: choose another port"
            default: nil
            }
        throw ListeningSocket.failure(wanted, SystemError(error).text, hint)
    }

    private static func failure(_ address: HTTPServerAddress, _ reason: String, _ hint: String?) -> BackupError {
        BackupError(
            .unavailable, "cannot listen on \(address.description.escapingControlCharacters): \(reason)", hint: hint)
    }

    private static func listen(on candidate: addrinfo, error: inout Int32) -> Int32? {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(candidate.ai_family, kind, 0)
        guard descriptor >= 0 else {
            error = errno
            return nil
        }
        set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if candidate.ai_family == AF_INET6 { set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
        // Accepted sockets inherit this: a request that takes hours keeps its place in the tables of firewalls.
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60)
        set(descriptor, Int32(IPPROTO_TCP), TCP_KEEPINTVL, 30)
        guard bind(descriptor, candidate.ai_addr, candidate.ai_addrlen) == 0, Glibc.listen(descriptor, backlog) == 0
        else {
            error = errno
            close(descriptor)
            return nil
        }
        return descriptor
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    private static func localAddress(_ descriptor: Int32) -> HTTPServerAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { storage in
            storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                getsockname(descriptor, address, &length) == 0 ? HTTPServerAddress(numbersOf: address) : nil
            }
        }
    }
}

extension HTTPServerAddress {
    /// The address in numbers.
    init?(numbersOf address: UnsafePointer<sockaddr>) {
        let length = Int32(address.pointee.sa_family) == AF_INET6 ? sockaddr_in6.size : sockaddr_in.size
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: 32)
        let status = getnameinfo(
            address, length, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV
        )
        guard status == 0 else { return nil }
        var name = text(host)
        // A socket for both families shows IPv4 peers in IPv6 clothes.
        if name.hasPrefix("::ffff:"), name.contains(".") { name.removeFirst("::ffff:".count) }
        self.init(host: name, port: UInt16(text(port)) ?? 0)
    }
}

private func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

extension sockaddr_in {
    fileprivate static var size: socklen_t { socklen_t(MemoryLayout<Self>.size) }
}

extension sockaddr_in6 {
    fileprivate static var size: socklen_t { socklen_t(MemoryLayout<Self>.size) }
}
