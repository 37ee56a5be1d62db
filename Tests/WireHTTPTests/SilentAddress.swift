import Glibc
import HTTP
import HTTPTesting
import Support

@testable import WireHTTP

/// Addresses that swallow connections: listeners whose queues are full, so that the kernel drops what more comes.
///
/// They stay to the end of the process, so that no test has to hold them.
enum SilentAddress {
    /// False when the machine does not have the address, or the port is taken there.
    static func open(_ host: String, port: Int) -> Bool {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST
        var found: UnsafeMutablePointer<addrinfo>?
        let bare = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        guard getaddrinfo(bare, String(port), &hints, &found) == 0, let found else { return false }
        defer { freeaddrinfo(found) }
        let (address, length) = (found.pointee.ai_addr, found.pointee.ai_addrlen)
        let listener = newSocket(found.pointee.ai_family)
        guard bind(listener, address, length) == 0, listen(listener, 0) == 0 else {
            close(listener)
            return false
        }
        // This one fills the queue, and has when it is connected.
        guard connect(newSocket(found.pointee.ai_family), address, length) == 0 else { return false }
        // In case there was room for more.
        for _ in 0..<3 { connect(newSocket(found.pointee.ai_family, SOCK_NONBLOCK.rawValue), address, length) }
        return true
    }

    private static func newSocket(_ family: Int32, _ flags: UInt32 = 0) -> Int32 {
        socket(family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | flags), 0)
    }

    static let hasIPv6: Bool = {
        let descriptor = newSocket(AF_INET6)
        defer { close(descriptor) }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        // ::1
        withUnsafeMutableBytes(of: &address.sin6_addr) { $0[15] = 1 }
        return withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
            }
        }
    }()
}

/// A server whose port is silent at other addresses.
struct PartlySilentServer {
    let server: ScriptedServer

    /// - Parameter hosts: the addresses that are to be silent.
    init(_ hosts: [String], _ makeServer: () -> ScriptedServer) {
        for _ in 0..<100 {
            let server = makeServer()
            if hosts.allSatisfy({ SilentAddress.open($0, port: server.port) }) {
                self.server = server
                return
            }
            // The port is taken there.
            server.stop()
        }
        preconditionFailure("no port is free at \(hosts)")
    }

    /// By a name, as only a client that was made with addresses knows it.
    var url: String { "http://store.test:\(server.port)" }
}

extension WireHTTPClient {
    /// A client with one loop, for which every name has these addresses.
    convenience init(addresses: [String], maximumConnections: Int = 256) {
        self.init(
            fallback: CountingClient(), loops: 1, maximumConnectionsPerHost: maximumConnections,
            environment: { _ in nil },
            lookUp: { (origin: Origin, isNumeric: Bool) throws(BackupError) -> [SocketAddress] in
                guard !isNumeric else { throw BackupError(.unavailable, "a name") }
                var found: [SocketAddress] = []
                for address in addresses {
                    let (numeric, _) = try Origin.split("http://\(address):\(origin.port)")
                    found += try SocketAddress.lookUp(numeric, isNumeric: true)
                }
                return found
            })
    }
}
