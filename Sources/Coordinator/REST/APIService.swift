import Configuration
import FoundationEssentials
import HTTPServer
import JSON
import Support

/// The routes of the REST interface, and what is behind them.
struct APIService: Sendable {
    let services: Services
    let pool: WorkerPool
    /// Where the server listens.
    let address: HostPort
    let guardian: APIGuardian
    let documentation: APIDocumentation
    let jobs = JobRegistry()

    private typealias Handler = @Sendable (APICall) async throws -> APIReply

    private static let base = "/api/v1"
    /// Their answers have no `data`, not even `null`.
    private static let routesWithoutData: Set = ["/delete", "/cancel"]
    private static let hello = "Hello, This is backup service"

    /// What is behind a path, by method.
    private func handlers(of path: String) -> [String: Handler]? {
        switch path {
        case "/create": ["POST": create]
        case "/list": ["GET": list]
        case "/get_backup": ["GET": getBackup]
        case "/delete": ["DELETE": delete]
        case "/restore": ["POST": restore]
        case "/restore_secondary": ["POST": restoreSecondary]
        case "/get_restore": ["GET": getRestore]
        case "/cancel": ["POST": cancel]
        case "/verify": ["POST": verify, "GET": getVerification]
        case "/limits": ["GET": limits, "POST": setLimits]
        default: nil
        }
    }

    func respond(to request: HTTPServerRequest) async -> HTTPServerResponse {
        if request.path == "/" || request.path == "\(Self.base)/hello" { return .text(Self.hello) }
        // What the interface is like is no secret, and a browser shows no token before its page is there.
        let isDocumentation = APIDocumentation.isAbout(request.path)
        if let refusal = guardian.refusal(of: request, needsToken: !isDocumentation) { return refusal }
        if isDocumentation {
            guard request.method == "GET" || request.method == "HEAD" else {
                return Self.wrongMethod(request, ["GET"])
            }
            return await documentation.response(to: request.path)
        }
        guard request.path.hasPrefix("\(Self.base)/") else { return .text("404 page not found", status: 404) }
        let path = String(request.path.dropFirst(Self.base.count))
        if path == "/check" { return await check(request) }
        guard let handlers = handlers(of: path) else { return .text("404 page not found", status: 404) }
        guard let handler = handlers[request.method] else { return Self.wrongMethod(request, handlers.keys.sorted()) }
        let given = path == "/restore" ? request.requestIDOfRestore : request.givenRequestID
        let call = APICall(request: request, id: given.isEmpty ? UUID().uuidString.lowercased() : given)
        do {
            var reply = try await reply(handler, call)
            if Self.routesWithoutData.contains(path) { reply.hasData = false }
            return .json(try reply.bytes())
        } catch let error as MalformedBody {
            return .error(error.message, status: 400)
        } catch {
            return .error(BackupError(wrapping: error).description, status: 500)
        }
    }

    private func reply(_ handler: Handler, _ call: APICall) async throws -> APIReply {
        do {
            return try await handler(call)
        } catch let error as MalformedBody {
            throw error
        } catch {
            let failure = BackupError(wrapping: error)
            services.logger.info("request failed", ["path": call.request.path, "error": failure.description])
            return APIReply(failure, requestID: call.id)
        }
    }

    private func check(_ request: HTTPServerRequest) async -> HTTPServerResponse {
        guard request.method == "GET" else { return Self.wrongMethod(request, ["GET"]) }
        let asker = PortCheck.Asker.server(agentAddress: pool.address, agents: await pool.dispatcher.workerCount)
        let ports = PortCheck(services.configuration, server: address, http: services.http, asker: asker)
        let report = await ConnectionCheck(services: services, ports: ports).run()
        guard let failure = report.failure else { return .text(report.text) }
        return .error(failure.description, status: 500)
    }

    private static func wrongMethod(_ request: HTTPServerRequest, _ allowed: [String]) -> HTTPServerResponse {
        let methods = allowed.joined(separator: ", ")
        var response = HTTPServerResponse.error("\(request.path) is asked with \(methods)", status: 405)
        response.headers.append(("Allow", methods))
        return response
    }
}

/// A request with the id that its answer carries.
struct APICall: Sendable {
    let request: HTTPServerRequest
    let id: String

    /// Reads a body. Wrong types are malformed; wrong values are errors with a code.
    func body<Body>(_ read: (JSONValue) throws -> Body) throws -> Body {
        let value = try request.json()
        do {
            return try read(value)
        } catch let error as BackupError where error.code == .corrupted {
            throw MalformedBody(error)
        }
    }
}
