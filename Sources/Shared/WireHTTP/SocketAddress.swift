import Glibc
import HTTP
import Support

/// An address to connect to.
struct SocketAddress: Sendable {
    /// ``lookUp(_:isNumeric:)``, or what a test has in its place.
    typealias LookUp = @Sendable (_ origin: Origin, _ isNumeric: Bool) throws(BackupError) -> [SocketAddress]

    private var storage = sockaddr_storage()
    private let length: socklen_t

    private init(_ address: UnsafePointer<sockaddr>, length: socklen_t) {
        withUnsafeMutableBytes(of: &storage) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: address, count: min(Int(length), $0.count)))
        }
        self.length = length
    }

    /// Begins to connect a socket of its own, which does not block.
    ///
    /// - Throws: `errno`.
    func connect() throws(SystemError) -> Int32 {
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let descriptor = socket(Int32(storage.ss_family), kind, 0)
        guard descriptor >= 0 else { throw SystemError() }
        set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY)
        set(descriptor, SOL_SOCKET, SO_KEEPALIVE)
        let status = withUnsafePointer(to: storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.connect(descriptor, $0, length) }
        }
        guard status == 0 || errno == EINPROGRESS else {
            let error = SystemError()
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private func set(_ descriptor: Int32, _ level: Int32, _ option: Int32) {
        var value: Int32 = 1
        setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The addresses behind a name. Blocks unless `isNumeric` says that only an address in numbers is meant.
    ///
    /// - Throws: ``BackupError/Code/unavailable``, retryable.
    static func lookUp(_ origin: Origin, isNumeric: Bool = false) throws(BackupError) -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | (isNumeric ? AI_NUMERICHOST : AI_ADDRCONFIG)
        let host = origin.host.hasPrefix("[") ? String(origin.host.dropFirst().dropLast()) : origin.host
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, String(origin.port), &hints, &first)
        defer { if let first { freeaddrinfo(first) } }
        guard status == 0 else {
            throw BackupError(
                .unavailable, "cannot resolve host \(origin.host)", hint: "check the address and the name service",
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

extension SocketAddress: Hashable {
    private var bytes: [UInt8] { withUnsafeBytes(of: storage) { Array($0.prefix(Int(length))) } }

    static func == (one: SocketAddress, other: SocketAddress) -> Bool { one.bytes == other.bytes }

    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
}
