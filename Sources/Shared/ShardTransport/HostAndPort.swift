import Support

/// A network address as a person writes it: `coordinator.example:7000`, `10.0.0.7:7000`, `[::1]:7000`, `:7000`.
package struct HostAndPort: Sendable, Hashable, CustomStringConvertible {
    /// A name or number without brackets; empty for every address of this host.
    package var host: String
    package var port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// - Throws: ``BackupError/Code/configuration`` when `text` is not of the form host:port.
    package init(parsing text: String) throws(BackupError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            throw HostAndPort.malformed(text)
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") || host.contains("[") {
            throw HostAndPort.malformed(text)
        }
        self.init(host: String(host), port: port)
    }

    private static func malformed(_ text: String) -> BackupError {
        BackupError(
            .configuration, "\"\(text.escapingControlCharacters)\" is not an address",
            hint: "write host:port, with an IPv6 address in brackets as in [::1]:7000")
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
