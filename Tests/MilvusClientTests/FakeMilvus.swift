import HTTP
import Support
import Synchronization

@testable import MilvusClient

/// An HTTP client behind which there is a scripted Milvus, for gRPC, REST and management alike.
final class FakeMilvus: HTTPClient {
    enum Reply: Sendable {
        case message([UInt8])
        /// A gRPC status, in the trailers or, with nothing else in the answer, in the headers.
        case status(Int, String, trailersOnly: Bool = true)
        case http(HTTPResponse)
        case failure(BackupError)

        static func answer(_ message: some ProtobufMessage) -> Reply { .message(message.serialized()) }

        static func milvusError(code: Int32, reason: String, errorCode: Int32 = 1) -> Reply {
            var status = Milvus.Status()
            status.code = code
            status.errorCode = errorCode
            status.reason = reason
            // A response whose first field is the status, as most are.
            var writer = ProtobufWriter()
            writer.write(bytes: status.serialized(), field: 1)
            return .message(writer.bytes)
        }

        static func json(_ text: String, status: Int = 200) -> Reply {
            .http(HTTPResponse(status: status, body: Array(text.utf8)))
        }
    }

    /// One request as it arrived.
    struct Call: Sendable {
        var request: HTTPRequest
        /// The last part of the path: the method of gRPC.
        var method: String
        /// The message without its frame; the whole body where there is no frame.
        var message: [UInt8]

        func header(_ name: String) -> String? { request.headers.first { $0.name == name }?.value }
        var url: String { request.url }
    }

    private struct State {
        var calls: [Call] = []
        var counts: [String: Int] = [:]
    }

    private let state = Mutex(State())
    private let script: @Sendable (_ call: Call, _ index: Int) -> Reply

    /// - Parameter script: answers a call; `index` counts the calls of the same method from 0.
    init(_ script: @escaping @Sendable (_ call: Call, _ index: Int) -> Reply) { self.script = script }

    var calls: [Call] { state.withLock { $0.calls } }
    func calls(of method: String) -> [Call] { calls.filter { $0.method == method } }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try Task.checkCancellation()
        var body: [UInt8] = []
        if case .bytes(let bytes) = request.body { body = bytes }
        let isFramed = request.headers.contains { $0.value == "application/grpc" }
        let path = request.url.split(separator: "?").first ?? ""
        let call = Call(
            request: request, method: String(path.split(separator: "/").last ?? ""),
            message: isFramed ? Array(body.dropFirst(5)) : body)
        let index = state.withLock { state in
            state.calls.append(call)
            defer { state.counts[call.method, default: 0] += 1 }
            return state.counts[call.method, default: 0]
        }
        switch script(call, index) {
        case .message(let message):
            return HTTPResponse(
                status: 200, headers: ["content-type": "application/grpc"], trailers: ["grpc-status": "0"],
                body: GRPCChannel.framed(message))
        case .status(let code, let text, let trailersOnly):
            let fields: HTTPHeaders = ["grpc-status": "\(code)", "grpc-message": text]
            return trailersOnly
                ? HTTPResponse(status: 200, headers: fields) : HTTPResponse(status: 200, trailers: fields)
        case .http(let response): return response
        case .failure(let error): throw error
        }
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        throw BackupError(.unsupported, "not scripted")
    }
}

/// A clock on which nobody waits: every sleep is over at once, and the time goes on by its length.
final class SkippingClock: Sendable {
    private let state = Mutex((now: ContinuousClock.now, sleeps: [Duration]()))

    var sleeps: [Duration] { state.withLock { $0.sleeps } }
    var total: Duration { sleeps.reduce(.zero, +) }

    var clock: MonotonicClock {
        MonotonicClock(
            now: { self.state.withLock { $0.now } },
            sleep: { deadline in
                try Task.checkCancellation()
                self.state.withLock { state in
                    state.sleeps.append(state.now.duration(to: deadline))
                    state.now = max(state.now, deadline)
                }
                await Task.yield()
            })
    }
}

extension FakeMilvus {
    /// A client of this Milvus, and the clock it waits on.
    func client(
        user: String = "", password: String = "", logger: Logger = .silent
    ) -> (client: MilvusClient, time: SkippingClock) {
        let time = SkippingClock()
        let connection = MilvusConnection(address: "milvus", port: 19530, user: user, password: Secret(password))
        return (
            MilvusClient(connection: connection, http: self, logger: logger, version: "1.2", clock: time.clock), time
        )
    }
}
