import Glibc
import Support

/// An address that sockets understand.
struct SocketAddress: Sendable {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    init(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(Int(length), $0.count)))
        }
        self.length = length
    }

    /// Calls `body` to fill in an address; nil when that gives anything but 0.
    init?(filling body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) {
        var length = self.length
        let status = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, &length) }
        }
        guard status == 0 else { return nil }
        self.length = length
    }

    var family: Int32 { Int32(storage.ss_family) }

    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>) -> Result) -> Result {
        withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0) }
        }
    }

    /// The address in numbers.
    var hostAndPort: HostAndPort {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: 32)
        let status = withPointer {
            getnameinfo(
                $0, length, &host, socklen_t(host.count), &port, socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV)
        }
        guard status == 0 else { return HostAndPort(host: "unknown", port: 0) }
        var name = text(host)
        // A socket for both families shows IPv4 peers in IPv6 clothes.
        if name.hasPrefix("::ffff:"), name.contains(".") { name.removeFirst("::ffff:".count) }
        return HostAndPort(host: name, port: UInt16(text(port)) ?? 0)
    }

    private func text(_ characters: [CChar]) -> String {
        String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension HostAndPort {
    /// The addresses behind the name, asked for on a thread of its own.
    ///
    /// - Throws: ``BackupError/Code/unavailable`` when the name is not known, ``BackupError/Code/timedOut``.
    func resolve(forListening: Bool, timeout: Duration) async throws -> [SocketAddress] {
        let name = self
        // The look-up itself cannot be stopped: when it takes too long its thread is left to itself.
        let box = ContinuationBox<[SocketAddress]>()
        return try await withCheckedThrowingContinuation { continuation in
            box.set(continuation)
            let timer = EventLoop.shared.schedule(after: timeout) {
                box.resume(.failure(BackupError(.timedOut, "looking up \(name.host) took too long", isRetryable: true)))
            }
            startThread {
                box.resume(Result { try name.lookUp(forListening: forListening) })
                EventLoop.shared.cancel(timer)
            }
        }
    }

    private func lookUp(forListening: Bool) throws(BackupError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (forListening ? AI_PASSIVE : 0)
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        guard status == 0 else {
            throw BackupError(
                .unavailable,
                "cannot look up \(host.escapingControlCharacters): \(String(cString: gai_strerror(status)))",
                isRetryable: true)
        }
        var addresses: [SocketAddress] = []
        var entry = first
        while let current = entry?.pointee {
            if let address = current.ai_addr { addresses.append(SocketAddress(address, length: current.ai_addrlen)) }
            entry = current.ai_next
        }
        return addresses
    }
}
