import HTTP
import Support

/// Everything that is needed to reach one bucket by Google's own protocol.
package struct GoogleConfiguration: Sendable {
    /// Name or address, without port. Anything but Google's own is taken for an emulator.
    package var host: String
    package var port: Int
    package var useTLS: Bool
    /// Where a new bucket is made; empty for Google's default.
    package var location: String
    package var bucket: String
    package var key: ServiceAccountKey
    package var tls = TLSSettings()
    /// A request that moves no byte for so long is given up.
    package var stallTimeout: Duration = .seconds(60)

    package init(
        host: String, port: Int, useTLS: Bool = true, location: String = "", bucket: String, key: ServiceAccountKey
    ) {
        self.host = host
        self.port = port
        self.useTLS = useTLS
        self.location = location
        self.bucket = bucket
        self.key = key
    }

    var isGoogle: Bool { host == "googleapis.com" || host.hasSuffix(".googleapis.com") }

    /// `https://host:port`.
    var server: String {
        guard !isGoogle else { return "https://storage.googleapis.com" }
        let host = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        return "\(useTLS ? "https" : "http")://\(host):\(port)"
    }
}
