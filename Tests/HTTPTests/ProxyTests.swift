import HTTPTesting
import Support
import Testing

@testable import HTTP

/// Requests through the proxy that the environment names.
@Suite struct ProxyTests {
    private let proxy = ScriptedServer(answering: { request, connection in
        if request.method == "CONNECT" {
            try connection.write("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        } else {
            try connection.respond(200, body: Array(request.target.utf8))
        }
    })

    @Test func aPlainRequestIsHandedToTheProxy() async throws {
        let client = CurlHTTPClient.forTests(["http_proxy": proxy.url])
        let response = try await client.send(HTTPRequest("GET", "http://minio.invalid:9000/a?b"))
        #expect(response.body == Array("http://minio.invalid:9000/a?b".utf8))
    }

    @Test(arguments: [["NO_PROXY": "other.invalid, minio.invalid"], ["NO_PROXY": ".invalid"], ["NO_PROXY": "*"]])
    func exceptionsGoStraight(exceptions: [String: String]) async throws {
        let client = CurlHTTPClient.forTests(["http_proxy": proxy.url].merging(exceptions) { $1 })
        let error = await failure { _ = try await client.send(HTTPRequest("GET", "http://minio.invalid:9000/a")) }
        #expect(error?.message == "cannot resolve host minio.invalid")
    }

    @Test func thisMachineIsReachedWithoutProxy() async throws {
        let client = CurlHTTPClient.forTests(["http_proxy": "http://127.0.0.1:1"])
        #expect(try await client.send(HTTPRequest("GET", proxy.url + "/a")).body == Array("/a".utf8))
    }

    @Test func aProxyThatRefusesIsNamed() async throws {
        let client = CurlHTTPClient.forTests(["HTTPS_PROXY": proxy.url])
        let error = await failure { _ = try await client.send(HTTPRequest("GET", "https://minio.invalid/a")) }
        #expect(error?.message == "cannot connect to https://minio.invalid: the proxy answers with status 407")
    }
}
