import Configuration
import HTTPServer
import Support
import Testing

@testable import Coordinator

@Suite struct APIGuardianTests {
    private let token = "a token that nobody knows"

    private func status(
        listen: String = "127.0.0.1", token: String = "", host: String = "127.0.0.1:8080",
        _ headers: (String, String)...
    ) -> Int? {
        var settings = ServerSettings()
        settings.token = Secret(token)
        var request = HTTPServerRequest(method: "POST", path: "/api/v1/create")
        request.headers.append("Host", host)
        for (name, value) in headers { request.headers.append(name, value) }
        return APIGuardian(settings, address: HostPort(host: listen, port: 8080)).refusal(of: request)?.status
    }

    @Test(arguments: [
        "localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3:1", "[::1]", "[::1]:8080",
    ])
    func aLocalServerIsCalledByLocalNames(host: String) { #expect(status(host: host) == nil) }

    /// Names that the DNS of somebody else leads to this machine.
    @Test(arguments: [
        "", "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example:8080", "128.0.0.1",
        "127.0.0.1@evil.example", "localhost:8080:8080", "localhost\u{0}.evil.example", "[::1].evil.example", "::1:x",
    ])
    func aLocalServerIsNotCalledByOtherNames(host: String) {
        #expect(status(host: host) == 403)
        #expect(status(listen: "localhost", host: host) == 403)
        // Whoever has the token has not got it from a name.
        #expect(status(token: token, host: host, ("Authorization", "Bearer \(token)")) == 403)
    }

    @Test func aServerForOthersHasAnyName() {
        #expect(status(listen: "0.0.0.0", host: "backup.example:8080") == nil)
        #expect(status(listen: "", host: "backup.example") == nil)
    }

    /// Browsers tell from which site a page came that asks.
    @Test(arguments: [
        "http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:8081", "http://localhost:8080",
        "http://127.0.0.1:8080.evil.example", "ftp://127.0.0.1:8080", "127.0.0.1:8080",
    ])
    func pagesOfOtherSitesAreRefused(origin: String) {
        #expect(status(("Origin", origin)) == 403)
        #expect(status(token: token, ("Origin", origin), ("Authorization", "Bearer \(token)")) == 403)
    }

    @Test func ourOwnPageMayAsk() {
        #expect(status(("Origin", "http://127.0.0.1:8080")) == nil)
        #expect(status(listen: "", host: "b.example", ("Origin", "https://b.example")) == nil)
    }

    @Test(arguments: [
        "", "Bearer", "Bearer ", "Bearer x", "Basic a token that nobody knows", "a token that nobody knows",
        "Bearer a token that nobody know", "Bearer a token that nobody knows ", "Bearer A token that nobody knows",
    ])
    func theTokenMustBeRight(authorization: String) {
        #expect(status(token: token, ("Authorization", authorization)) == 401)
        #expect(status(token: token, ("authorization", "bearer \(token)")) == nil)
    }
}
