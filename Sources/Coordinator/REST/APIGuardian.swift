import Configuration
import HTTPServer
import ShardProtocol
import Support

/// Decides who may ask for anything: whoever shows the token, and no web page of somebody else.
struct APIGuardian: Sendable {
    private let token: Secret
    /// Whether only this machine can reach the server: then nobody has a reason to call it by another name.
    private let isLocal: Bool

    init(_ settings: ServerSettings, address: HostPort) {
        token = settings.token
        isLocal = address.isLoopback
    }

    /// The answer to a request that is not let in; nil for one that is.
    func refusal(of request: HTTPServerRequest, needsToken: Bool = true) -> HTTPServerResponse? {
        let host = request.headers["host"] ?? ""
        // A name that somebody else's DNS leads here.
        if isLocal, !Self.isLocalName(host) {
            return .error("this server is called by the name localhost or its address, not \"\(host)\"", status: 403)
        }
        // A page of another site that makes a browser ask.
        if let origin = request.headers["origin"], !Self.isSame(origin, host) {
            return .error("requests of other sites are refused", status: 403)
        }
        guard !needsToken || token.isEmpty || shows(request.headers["authorization"] ?? "") else {
            var response = HTTPServerResponse.error("a token is required: Authorization: Bearer TOKEN", status: 401)
            response.headers.append(("WWW-Authenticate", "Bearer"))
            return response
        }
        return nil
    }

    private func shows(_ authorization: String) -> Bool {
        let scheme = "bearer "
        guard authorization.lowercased().hasPrefix(scheme) else { return false }
        let given = authorization.dropFirst(scheme.count)
        return isEqualInConstantTime(Array(given.utf8), Array(token.exposed.utf8))
    }

    private static func isLocalName(_ host: String) -> Bool {
        let name = HostPort(host)?.host ?? host
        return HostPort(host: name, port: 0).isLoopback || name == "[::1]"
    }

    /// Whether an origin, which has a scheme, is the host that was asked.
    private static func isSame(_ origin: String, _ host: String) -> Bool {
        ["http://\(host)", "https://\(host)"].contains(origin)
    }
}
