import BackupFormat
import Configuration
import FoundationEssentials
import JSON
import Support

/// The routes of the REST interface, and what is behind them.
struct APIService: Sendable {
    let services: Services
    let pool: WorkerPool
    let jobs = JobRegistry()

    private typealias Handler = @Sendable (APIRequest) async throws -> APIReply

    /// What is behind a path, by method.
    private func handlers(of path: String) -> [String: Handler]? {
        switch path {
        case "/create": ["POST": create]
        case "/list": ["GET": list]
        case "/get_backup": ["GET": getBackup]
        case "/delete": ["DELETE": delete]
        case "/restore": ["POST": restore]
        case "/get_restore": ["GET": getRestore]
        case "/cancel": ["POST": cancel]
        default: nil
        }
    }

    func respond(to request: APIRequest) async -> APIResponse {
        let base = "/api/v1"
        let hello = "Hello, This is backup service"
        if request.path == "/" { return .text(hello) }
        guard request.path.hasPrefix("\(base)/") else { return .text("404 page not found", status: 404) }
        let path = String(request.path.dropFirst(base.count))
        if path == "/hello" { return .text(hello) }
        if path == "/check" { return await check() }
        guard let handlers = handlers(of: path) else { return .text("404 page not found", status: 404) }
        guard let handler = handlers[request.method] else {
            var response = APIResponse.error("\(request.method) is not allowed here", status: 405)
            response.headers = [("Allow", handlers.keys.sorted().joined(separator: ", "))]
            return response
        }
        do {
            return APIResponse(body: try (await reply(handler, request)).bytes())
        } catch let error as MalformedBody {
            return .error(error.message, status: 400)
        } catch {
            return .error(BackupError(wrapping: error).description, status: 500)
        }
    }

    private func reply(_ handler: Handler, _ request: APIRequest) async throws -> APIReply {
        do {
            return try await handler(request)
        } catch let error as MalformedBody {
            throw error
        } catch {
            let failure = BackupError(wrapping: error)
            services.logger.info("request failed", ["path": request.path, "error": failure.description])
            return APIReply(failure, requestID: request.requestID)
        }
    }

    /// Reads a body. Wrong types are malformed; wrong values are errors with a code.
    func parse<Body>(_ request: APIRequest, _ body: (JSONValue) throws -> Body) throws -> Body {
        let value = try request.json()
        do {
            return try body(value)
        } catch let error as BackupError where error.code == .corrupted {
            throw MalformedBody(error)
        }
    }
}
