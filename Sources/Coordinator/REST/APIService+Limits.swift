import Configuration
import HTTPServer
import JSON
import ShardProtocol
import Support

/// What the copying may use, while jobs run.
extension APIService {
    func limits(_ call: APICall) async throws -> APIReply { reply(call) }

    func setLimits(_ call: APICall) async throws -> APIReply {
        let body = try call.body(LimitsBody.init)
        services.limits.change { body.apply(to: &$0) }
        services.logLimits("limits changed")
        return reply(call)
    }

    private func reply(_ call: APICall) -> APIReply {
        let limits = services.limits.value
        return APIReply(requestID: call.id, message: "success") { writer in
            try writer.object { writer in
                try writer.member("bandwidth", limits.bandwidth ?? 0)
                try writer.member("requestsPerSecond", Int64(limits.requestsPerSecond ?? 0))
            }
        }
    }
}

/// The body of `POST /limits`. What it does not name stays.
struct LimitsBody: Sendable {
    private enum Change<Value: Sendable>: Sendable {
        case none
        case to(Value?)
    }

    private var bandwidth = Change<Int64>.none
    private var requestsPerSecond = Change<Double>.none

    /// - Throws: `invalidArgument` that names the key.
    init(_ body: JSONValue) throws {
        switch body["bandwidth"] {
        case nil, .null: break
        case .int64(let bytes): bandwidth = .to(try TransferSettings.bandwidth(String(bytes)))
        default: bandwidth = .to(try TransferSettings.bandwidth(try body.string("bandwidth") ?? ""))
        }
        if let requests = try body.int64("requestsPerSecond") {
            guard (0...Int64(Int32.max)).contains(requests) else {
                throw BackupError(
                    .invalidArgument, "requestsPerSecond must be between 0 and \(Int32.max), not \(requests)")
            }
            requestsPerSecond = .to(requests > 0 ? Double(requests) : nil)
        }
    }

    func apply(to limits: inout TransferLimits) {
        if case .to(let value) = bandwidth { limits.bandwidth = value }
        if case .to(let value) = requestsPerSecond { limits.requestsPerSecond = value }
    }
}
