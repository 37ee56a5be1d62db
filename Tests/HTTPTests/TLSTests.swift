import HTTPTesting
import Support
import Testing

@testable import HTTP

/// An HTTPS server: GET gives as many bytes as the path says, PUT answers with the length and the sum of the body.
private let serverProgram = """
    import http.server, ssl, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        def log_message(self, *_): pass
        def answer(self, body):
            self.send_response(200)
            self.send_header('Content-Length', str(len(body)))
            self.send_header('X-Host', self.headers['Host'])
            self.end_headers()
            self.wfile.write(body)
        def do_GET(self):
            self.answer(bytes(i % 251 for i in range(int(self.path[1:]))))
        def do_PUT(self):
            body = self.rfile.read(int(self.headers['Content-Length']))
            self.answer(b'%d %d' % (len(body), sum(body)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    if len(sys.argv) > 3:
        context.load_verify_locations(sys.argv[3])
        context.verify_mode = ssl.CERT_REQUIRED
    class Server(http.server.ThreadingHTTPServer):
        def get_request(self):
            connection, address = super().get_request()
            return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address
    server = Server(('127.0.0.1', 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
    """

private let toolsAreThere = ["openssl", "python3"].allSatisfy { ChildProcess.isInstalled($0) }

@Suite(.enabled(if: toolsAreThere)) struct TLSTests {
    private let certificates: Certificates
    private let process: ChildProcess
    private let port: Int
    private let mutual: Bool

    init() async throws { try await self.init(mutual: false) }

    private init(mutual: Bool) async throws {
        let (certificates, process, port) = try await onDedicatedThread {
            let certificates = try #require(Certificates.shared)
            var command = ["python3", "-c", serverProgram, certificates.serverCertificate, certificates.serverKey]
            if mutual { command.append(certificates.authority) }
            let process = try #require(ChildProcess(command))
            return (certificates, process, try #require(Int(process.firstLine())))
        }
        (self.certificates, self.process, self.port, self.mutual) = (certificates, process, port, mutual)
    }

    private func request(_ path: String = "/3", _ change: (inout TLSSettings) -> Void = { _ in }) -> HTTPRequest {
        var request = HTTPRequest("GET", "https://127.0.0.1:\(port)\(path)")
        request.tls.serverName = certificates.serverName
        request.tls.caCertPath = certificates.authority
        change(&request.tls)
        return request
    }

    @Test func aPrivateAuthorityIsTrustedWhenGiven() async throws {
        let response = try await CurlHTTPClient.forTests().send(request())
        #expect(response.status == 200)
        #expect(response.body == [0, 1, 2])
        // The name in the certificate does not change what the server is called.
        #expect(response.headers["X-Host"] == "127.0.0.1:\(port)")
    }

    @Test func anUnknownAuthorityIsNotTrusted() async throws {
        let error = await failure { _ = try await CurlHTTPClient.forTests().send(request { $0.caCertPath = "" }) }
        #expect(error?.message.hasPrefix("TLS: certificate of https://127.0.0.1:\(port) is not trusted: ") == true)
        #expect(error?.hint?.contains("caCertPath") == true)
        #expect(error?.code == .unavailable)
        #expect(error?.isRetryable == false)
    }

    @Test func anotherNameIsNotTrusted() async throws {
        let error = await failure { _ = try await CurlHTTPClient.forTests().send(request { $0.serverName = "" }) }
        #expect(error?.message == "TLS: certificate of https://127.0.0.1:\(port) is not for 127.0.0.1")
        #expect(error?.isRetryable == false)
    }

    @Test func theEnvironmentNamesAuthorities() async throws {
        let directory = TemporaryDirectory()
        #expect(ChildProcess.run(["cp", certificates.authority, "\(directory.path)/company.crt"]))
        for variables in [
            ["SSL_CERT_FILE": certificates.authority], ["SSL_CERT_DIR": "/nonexistent:\(directory.path)"],
        ] {
            let client = CurlHTTPClient.forTests(variables)
            #expect(try await client.send(request { $0.caCertPath = "" }).status == 200)
            #expect(try await client.send(request { $0.caCertPath = "" }).status == 200)
        }
    }

    @Test func missingFilesAreNamed() async throws {
        let client = CurlHTTPClient.forTests()
        let empty = certificates.directory.write("nothing\n", to: "empty.pem")
        let changes: [(String, (inout TLSSettings) -> Void)] = [
            ("cannot read /nonexistent/ca.pem", { $0.caCertPath = "/nonexistent/ca.pem" }),
            ("no certificate authorities in the file \(empty)", { $0.caCertPath = empty }),
            ("cannot read /nonexistent/client.pem", { $0.clientCertPath = "/nonexistent/client.pem" }),
        ]
        for (text, change) in changes {
            let error = await failure { _ = try await client.send(request("/3", change)) }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
        }
    }

    @Test func mutualAuthenticationNeedsTheClientsCertificate() async throws {
        let peer = try await TLSTests(mutual: true)
        let client = CurlHTTPClient.forTests()
        let (certificate, key) = (certificates.clientCertificate, certificates.clientKey)
        let response = try await client.send(
            peer.request {
                $0.clientCertPath = certificate
                $0.clientKeyPath = key
            })
        #expect(response.status == 200)
        #expect(await failure { _ = try await client.send(peer.request()) } != nil)
    }

    @Test func aPlainServerIsRecognized() async throws {
        let server = ScriptedServer { connection in try connection.write("HTTP/1.1 400 Bad Request\r\n\r\n") }
        var request = request()
        request.url = "https://127.0.0.1:\(server.port)/"
        let error = await failure { _ = try await CurlHTTPClient.forTests().send(request) }
        #expect(error?.hint == "the server seems to speak plain http here")
        #expect(error?.isRetryable == false)
    }

    /// The proxy's own answer to CONNECT is not the answer.
    @Test func aProxyIsPassedThroughATunnel() async throws {
        let target = port
        let proxy = ScriptedServer { connection in
            let request = try connection.readHead()
            #expect(request?.method == "CONNECT")
            #expect(request?.target == "minio.test:\(target)")
            try connection.write("HTTP/1.1 200 Connection established\r\nX-Proxy: 1\r\n\r\n")
            try connection.relay(toLoopbackPort: target)
        }
        let client = CurlHTTPClient.forTests(["HTTPS_PROXY": proxy.url])
        var request = request()
        request.url = "https://\(certificates.serverName):\(port)/1000"
        request.tls.serverName = ""
        let pipe = BytePipe()
        let head = try await client.download(request, into: pipe)
        #expect(head.headers["X-Proxy"] == nil)
        #expect(head.headers["Content-Length"] == "1000")
        #expect(try await pipe.collect(limit: 1000) == pattern(1000))
        #expect(proxy.connectionCount == 1)
    }

    /// Pausing and resuming must not lose what OpenSSL has read already.
    @Test(arguments: [1000, 20_000, 256 << 10])
    func copiesPassPipesOfAnySize(capacity: Int) async throws {
        let client = CurlHTTPClient.forTests(loops: 2)
        let size = 2 << 20
        let pipe = BytePipe(capacity: capacity)
        _ = try await client.download(request("/\(size)"), into: pipe)
        var put = request("/copy")
        put.method = "PUT"
        put.body = .pipe(pipe, length: Int64(size))
        let sum = size / 251 * (0..<251).reduce(0, +) + (0..<(size % 251)).reduce(0, +)
        #expect(try await client.send(put).body == Array("\(size) \(sum)".utf8))
    }
}
