import Glibc
import HTTP
import Support
import Testing

@testable import HTTPServer

private let opensslIsThere = (getenv("PATH").map { String(cString: $0) } ?? "").split(separator: ":").contains {
    access("\($0)/openssl", X_OK) == 0
}

@Suite(.enabled(if: opensslIsThere)) struct TLSTests {
    private let files: PEMFiles

    init() async throws { files = try await onDedicatedThread { try #require(PEMFiles.shared) } }

    private func configure(_ configuration: inout HTTPServer.Configuration) {
        configuration.tls = (files.certificate, files.key)
    }

    private func request(_ server: HTTPServer, _ method: String = "GET", _ body: HTTPRequest.Body = .none)
        -> HTTPRequest
    {
        var request = HTTPRequest(method, "https://\(server.localAddress)/secure", body: body)
        request.tls.caCertPath = files.certificate
        return request
    }

    @Test func requestsPassThroughTLS() async throws {
        let upload = pattern(3 << 20)
        try await withServer(
            {
                configure(&$0)
                $0.maximumBodySize = 4 << 20
            },
            handler: { request in
                try? await Task.sleep(for: .milliseconds(50))
                return .json(Array(request.path.utf8) + request.body)
            }
        ) { server in
            let client = CurlHTTPClient(loops: 1)
            #expect(try await client.send(request(server)).body == Array("/secure".utf8))
            let response = try await client.send(request(server, "POST", .bytes(upload)))
            #expect(response.body == Array("/secure".utf8) + upload)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<40 { group.addTask { try await client.send(request(server)).status } }
                for try await status in group { #expect(status == 200) }
            }
        }
    }

    @Test func whoDoesNotTrustTheCertificateGoesAway() async throws {
        try await withServer(configure) { server in
            var request = request(server)
            request.tls.caCertPath = ""
            let client = CurlHTTPClient(loops: 1)
            let error = await failure { _ = try await client.send(request) }
            #expect(error?.code == .unavailable)
            let response = try await client.send(self.request(server))
            #expect(response.status == 200)
        }
    }

    @Test(arguments: ["GET / HTTP/1.1\r\nHost: t\r\n\r\n", "\u{16}\u{3}\u{1}", ""])
    func whoSpeaksNoTLSIsCut(text: String) async throws {
        try await withServer({
            configure(&$0)
            $0.idleTimeout = .seconds(3)
        }) { server in
            let client = try await server.connect()
            await client.send(text)
            #expect(!String(decoding: await client.everything(), as: UTF8.self).contains("200"))
            let response = try await CurlHTTPClient(loops: 1).send(request(server))
            #expect(response.status == 200)
        }
    }

    @Test func anEndlessBodyIsRefusedInsideTLS() async throws {
        try await withServer({
            configure(&$0)
            $0.maximumBodySize = 1000
        }) { server in
            let port = "\(server.localAddress.port)"
            let script = """
                (printf 'PUT / HTTP/1.1\\r\\nHost: t\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'
                printf '800\\r\\n%2048d\\r\\n' 1; sleep 2) |
                openssl s_client -quiet -ign_eof -connect 127.0.0.1:\(port) 2>/dev/null > \(files.directory)/\(port)
                grep -q 'HTTP/1.1 413 ' \(files.directory)/\(port)
                """
            let isRefused = try await onDedicatedThread { PEMFiles.run(script) }
            #expect(isRefused)
        }
    }

    @Test func itEndsWithConnectionsInEveryState() async throws {
        for _ in 0..<10 {
            weak var core: ServerCore?
            do {
                let server = try await serve(configure)
                core = server.daemon.core
                let silent = try await server.connect()
                let client = CurlHTTPClient(loops: 1)
                #expect(try await client.send(request(server)).status == 200)
                await server.shutDown()
                withExtendedLifetime((silent, client)) {}
            }
            #expect(await eventually { core == nil })
        }
    }

    // MARK: Files

    @Test func aMissingFileIsNamed() async throws {
        for (certificate, key, missing) in [
            ("/no/such/cert.pem", files.key, "/no/such/cert.pem"),
            (files.certificate, "/no/such/key.pem", "/no/such/key.pem"),
            (files.directory, files.key, files.directory),
        ] {
            let error = await failure { _ = try await serve { $0.tls = (certificate, key) } }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("file \(missing): ") == true)
        }
    }

    @Test func filesThatDoNotBelongTogetherAreNamed() async throws {
        for (certificate, key) in [
            (files.certificate, files.otherKey), (files.key, files.certificate), (files.certificate, files.garbage),
            (files.garbage, files.key),
        ] {
            let error = await failure { _ = try await serve { $0.tls = (certificate, key) } }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("certificate \(certificate) and key \(key) cannot be used: ") == true)
            #expect(error?.hint?.contains("PEM") == true)
        }
    }

    @Test func emptyAndBinaryFilesAreNamed() async throws {
        for path in ["/dev/null", "/bin/sh"] {
            let error = await failure { _ = try await serve { $0.tls = (path, files.key) } }
            #expect(error?.code == .configuration)
            #expect(error?.message.contains("the certificate file \(path): it is not PEM") == true)
        }
    }
}

/// Certificates and keys in a directory of their own.
private final class PEMFiles: Sendable {
    let directory: String
    var certificate: String { "\(directory)/server.pem" }
    var key: String { "\(directory)/server.key" }
    var otherKey: String { "\(directory)/other.key" }
    var garbage: String { "\(directory)/garbage.pem" }

    /// Made once for all tests: making keys takes a while.
    static let shared = PEMFiles()

    private init?() {
        var template = Array("/tmp/http-server-tests-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { return nil }
        directory = String(cString: made)
        let script = """
            cd \(directory) || exit 1
            trap 'exit 1' ERR
            for name in server other; do
                openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=$name \
                    -addext subjectAltName=IP:127.0.0.1 -keyout $name.key -out $name.pem 2>/dev/null
            done
            echo '-----BEGIN NOTHING-----' > garbage.pem
            """
        guard PEMFiles.run(script) else { return nil }
        // The one object of the process goes with the process.
        atexit { PEMFiles.shared.map { _ = PEMFiles.run("rm -rf \($0.directory)") } }
    }

    /// Runs a shell script to its end; whether it succeeded. Blocks.
    static func run(_ script: String) -> Bool {
        let words: [String] = ["bash", "-c", script]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        guard posix_spawnp(&child, "bash", nil, nil, &arguments, environ) == 0 else { return false }
        var status: Int32 = -1
        return waitpid(child, &status, 0) == child && status == 0
    }
}
