import Glibc
import HTTP
import Support
import Synchronization
import Testing

/// A fake of a metadata service, or of another one, that answers by method and URL.
final class FakeCredentialService: HTTPClient {
    typealias Answer = @Sendable (HTTPRequest) throws -> HTTPResponse?
    private let answer: Answer
    private let state = Mutex<[HTTPRequest]>([])

    init(_ answer: @escaping Answer) { self.answer = answer }

    var requests: [HTTPRequest] { state.withLock { $0 } }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        state.withLock { $0.append(request) }
        return try answer(request) ?? HTTPResponse(status: 404)
    }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse { try await send(request) }
}

extension HTTPRequest {
    func value(_ name: String) -> String? { headers.first { $0.name == name }?.value }
    var text: String {
        if case .bytes(let bytes) = body { String(decoding: bytes, as: UTF8.self) } else { "" }
    }
}

extension HTTPResponse {
    init(_ text: String, status: Int = 200) { self.init(status: status, body: Array(text.utf8)) }
}

/// A small file while `body` runs.
func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
    let path = "/tmp/milvus-backup-credentials-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let file = try #require(fopen(path, "w"))
    fputs(text, file)
    fclose(file)
    defer { unlink(path) }
    try await body(path)
}
