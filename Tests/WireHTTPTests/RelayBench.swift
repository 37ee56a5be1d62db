import Glibc
import HTTP
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import WireHTTP

/// The error `operation` throws, which must be a ``BackupError``.
func failure(_ operation: () async throws -> Void) async -> BackupError? {
    do {
        try await operation()
        Issue.record("no error was thrown")
    } catch let error as BackupError {
        return error
    } catch {
        Issue.record("not a BackupError: \(error)")
    }
    return nil
}

/// An ``HTTPClient`` that is not to be asked, or whose requests are counted.
final class CountingClient: HTTPClient {
    private let requests = Atomic<Int>(0)

    var count: Int { requests.load(ordering: .relaxed) }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        requests.add(1, ordering: .relaxed)
        return HTTPResponse(status: 299)
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse { try await send(request) }
}

/// What a receiving server has got.
final class Received: Sendable {
    private let bodies = Mutex<[[UInt8]]>([])

    var all: [[UInt8]] { bodies.withLock { $0 } }

    /// A server that takes everything and answers `status`.
    func server(_ status: Int = 200, _ fields: [String] = ["ETag: \"new\""]) -> ScriptedServer {
        ScriptedServer(answering: { [self] request, connection in
            bodies.withLock { $0.append(request.body) }
            try connection.respond(status, fields)
        })
    }
}

/// One client with one loop, and nothing from the environment of the test.
struct RelayBench {
    let fallback = CountingClient()
    let client: WireHTTPClient

    init(_ variables: [String: String] = [:]) {
        client = WireHTTPClient(fallback: fallback, loops: 1, environment: { variables[$0] })
    }

    func request(
        from source: ScriptedServer, to destination: ScriptedServer, length: Int, path: RelayPath = .unseen,
        meter: RelayMeter = RelayMeter(), _ change: (inout RelayRequest) -> Void = { _ in }
    ) -> RelayRequest {
        var request = RelayRequest(
            from: HTTPRequest("GET", source.url + "/from"), to: HTTPRequest("PUT", destination.url + "/to"),
            length: Int64(length), meter: meter
        ) { _ in path }
        change(&request)
        return request
    }

    /// Relays, and expects success.
    func relay(_ request: RelayRequest) async throws -> (source: HTTPResponse, destination: HTTPResponse, crc: UInt32?)
    {
        switch try await client.relay(request) {
        case .relayed(let source, let destination, let crc): return (source, destination, crc)
        case .sourceRefused(let answer), .destinationRefused(let answer):
            Issue.record("refused with \(answer.status)")
            throw BackupError(.internalError, "refused")
        }
    }

    static func server(of body: [UInt8], _ fields: [String] = ["ETag: \"old\""]) -> ScriptedServer {
        ScriptedServer(answering: { _, connection in try connection.respond(200, fields, body: body) })
    }
}
