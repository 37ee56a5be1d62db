import HTTP
import Support

/// Where Milvus is and who we are there.
package struct MilvusConnection: Sendable {
    package enum TLSMode: Sendable, Hashable {
        case disabled
        /// The server's certificate is verified.
        case server
        /// Our own certificate is shown as well.
        case mutual
    }

    /// A host name or address, without scheme and port.
    package var address: String
    package var port: Int
    /// Empty, together with an empty password, when the server asks for nobody.
    package var user: String
    package var password: Secret
    package var tlsMode: TLSMode
    package var tls: TLSSettings

    package init(
        address: String, port: Int, user: String = "", password: Secret = Secret(""), tlsMode: TLSMode = .disabled,
        tls: TLSSettings = TLSSettings()
    ) {
        self.address = address
        self.port = port
        self.user = user
        self.password = password
        self.tlsMode = tlsMode
        self.tls = tls
    }

    /// `host:port`, as people write it.
    package var endpoint: String { "\(host):\(port)" }

    /// `http://host:port`, or `https` when TLS is on.
    package var baseURL: String { "\(tlsMode == .disabled ? "http" : "https")://\(endpoint)" }

    /// What of ``tls`` the mode makes use of.
    package var effectiveTLS: TLSSettings {
        guard tlsMode != .mutual else { return tls }
        var settings = tls
        settings.clientCertPath = ""
        settings.clientKeyPath = ""
        return settings
    }

    var hasCredentials: Bool { !user.isEmpty || !password.isEmpty }

    private var host: String { address.contains(":") && !address.hasPrefix("[") ? "[\(address)]" : address }

    /// - Throws: ``BackupError/Code/configuration`` when address or port cannot be those of a server.
    func validate() throws(BackupError) {
        let isPlain = address.unicodeScalars.allSatisfy { $0.value > 0x20 && !"/?#@\\".unicodeScalars.contains($0) }
        guard !address.isEmpty, isPlain else {
            throw BackupError(
                .configuration, "milvus.grpc.address is not a host name or an address: \"\(address)\"",
                hint: "write the host alone, without http:// and without the port")
        }
        guard (1...65535).contains(port) else {
            throw BackupError(
                .configuration, "milvus.grpc.port is not a port: \(port)", hint: "19530 is Milvus' own default")
        }
    }
}
