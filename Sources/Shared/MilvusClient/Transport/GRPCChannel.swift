import HTTP
import Support

/// Unary gRPC calls to one server over HTTP/2.
struct GRPCChannel: Sendable {
    let http: any HTTPClient
    /// `http://host:port` or `https://host:port`.
    let baseURL: String
    let tls: TLSSettings
    let userAgent: String

    /// Servers send at most 512 MiB when they are not configured otherwise.
    static let maximumMessageSize = 512 << 20

    /// Calls `/service/method` with one message and returns the one that comes back.
    ///
    /// - Parameters:
    ///   - metadata: sent as header fields, names in lower case.
    ///   - deadline: how long server and network may take together.
    /// - Throws: ``GRPCStatus`` when the call ended otherwise than well; ``BackupError`` when there is no usable answer.
    func unary(
        _ path: String, _ message: [UInt8], metadata: [(name: String, value: String)], deadline: Duration
    ) async throws -> [UInt8] {
        var request = HTTPRequest(
            "POST", baseURL + path, headers: headers(metadata, deadline: deadline), body: .bytes(Self.framed(message)))
        request.version = .http2
        request.tls = tls
        // The server works in silence, so silence alone is no failure before the deadline.
        request.stallTimeout = deadline
        // The server is to end it first, because its answer says more.
        request.totalTimeout = deadline + .seconds(5)
        request.maximumResponseSize = Self.maximumMessageSize + 5
        let response = try await http.send(request)
        let status = GRPCStatus(of: response)
        guard status.code == .ok else { throw status }
        return try Self.unframed(response.body)
    }

    private func headers(_ metadata: [(name: String, value: String)], deadline: Duration) -> [(
        name: String, value: String
    )] {
        // At most eight digits are allowed, which in milliseconds is a day.
        let milliseconds = min(Int(deadline.seconds * 1000), 99_999_999)
        return [
            ("content-type", "application/grpc"), ("te", "trailers"), ("grpc-timeout", "\(milliseconds)m"),
            ("user-agent", userAgent),
        ] + metadata
    }

    /// `message` after the five bytes that stand before it: whether it is compressed, and its length.
    static func framed(_ message: [UInt8]) -> [UInt8] {
        let length = UInt32(message.count)
        var bytes: [UInt8] = [0]
        bytes.reserveCapacity(message.count + 5)
        for shift in stride(from: 24, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: length >> UInt32(shift)))
        }
        return bytes + message
    }

    /// - Throws: ``BackupError/Code/protocolViolation`` when the body is not one uncompressed message.
    static func unframed(_ body: [UInt8]) throws(BackupError) -> [UInt8] {
        guard body.count >= 5 else { throw BackupError(.protocolViolation, "the answer has no gRPC message in it") }
        guard body[0] == 0 else {
            throw BackupError(.protocolViolation, "the answer is compressed, though no compression was offered")
        }
        let length = body[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard body.count == length + 5 else {
            throw BackupError(
                .protocolViolation,
                "the answer is not one gRPC message: it announces \(length) bytes and has \(body.count - 5)")
        }
        return [UInt8](body[5...])
    }
}
