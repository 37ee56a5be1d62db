import Support

/// Scheme, host and port of a URL: where connections go, and all that messages may say of it.
package struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// `http` or `https`.
    package let scheme: String
    /// As in the URL, an IPv6 address in its brackets.
    package let host: String
    package let port: Int

    package var isSecure: Bool { scheme == "https" }
    package var description: String { "\(scheme)://\(authority)" }

    /// Host and port as in a Host header: without the scheme's own port.
    package var authority: String { port == (isSecure ? 443 : 80) ? host : "\(host):\(port)" }

    /// Takes the origin of an absolute URL and returns what follows it: path and query.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument`` for anything but an absolute http or https URL made of printable ASCII.
    package static func split(_ url: String) throws(BackupError) -> (origin: Origin, rest: String) {
        guard url.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw BackupError(.invalidArgument, "a URL contains characters that are not percent-encoded")
        }
        let scheme: String
        let rest: Substring
        if let stripped = url.dropping(prefix: "http://") {
            (scheme, rest) = ("http", stripped)
        } else if let stripped = url.dropping(prefix: "https://") {
            (scheme, rest) = ("https", stripped)
        } else {
            throw BackupError(.invalidArgument, "a URL begins with neither http:// nor https://")
        }
        let end = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let authority = rest[..<end]
        // What comes before an @ is a user's name and password, which no message may repeat.
        let hostAndPort = authority[
            (authority.lastIndex(of: "@").map { authority.index(after: $0) } ?? authority.startIndex)...]
        guard let (host, port) = split(hostAndPort: hostAndPort, defaultPort: scheme == "https" ? 443 : 80) else {
            throw BackupError(.invalidArgument, "a URL has no valid host and port: \(hostAndPort)")
        }
        return (Origin(scheme: scheme, host: host, port: port), String(rest[end...]))
    }

    private static func split(hostAndPort: Substring, defaultPort: Int) -> (host: String, port: Int)? {
        var host = hostAndPort
        var port = defaultPort
        let afterAddress = hostAndPort.lastIndex(of: "]") ?? hostAndPort.startIndex
        if let colon = hostAndPort[afterAddress...].lastIndex(of: ":") {
            host = hostAndPort[..<colon]
            let digits = hostAndPort[hostAndPort.index(after: colon)...]
            if !digits.isEmpty {
                guard let number = Int(digits), (1...65535).contains(number) else { return nil }
                port = number
            }
        }
        return host.isEmpty ? nil : (String(host), port)
    }
}

extension String {
    fileprivate func dropping(prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}
