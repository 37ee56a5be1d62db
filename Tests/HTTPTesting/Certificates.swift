import Support

/// A private certificate authority, a server's and a client's certificate, made with the `openssl` command.
package struct Certificates: Sendable {
    package let directory = TemporaryDirectory()

    /// The name in the server's certificate.
    package let serverName = "minio.test"

    package var authority: String { "\(directory.path)/ca.pem" }
    package var serverCertificate: String { "\(directory.path)/server.pem" }
    package var serverKey: String { "\(directory.path)/server.key" }
    package var clientCertificate: String { "\(directory.path)/client.pem" }
    package var clientKey: String { "\(directory.path)/client.key" }

    /// Made once for all tests: making keys takes a while.
    package static let shared: Certificates? = Certificates()

    private init?() {
        guard make("ca", "/CN=test authority", []),
            make("server", "/CN=server", ["-addext", "subjectAltName=DNS:minio.test"]),
            make("client", "/CN=client", [])
        else { return nil }
    }

    private func make(_ name: String, _ subject: String, _ extensions: [String]) -> Bool {
        let issuer = name == "ca" ? [] : ["-CA", authority, "-CAkey", "\(directory.path)/ca.key"]
        let constraints = ["-addext", "basicConstraints=critical,CA:\(name == "ca" ? "TRUE" : "FALSE")"]
        return ChildProcess.run(
            [
                "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                "2",
                "-subj", subject, "-keyout", "\(directory.path)/\(name).key", "-out", "\(directory.path)/\(name).pem",
            ] + issuer + constraints + extensions)
    }
}
