import HTTP
import Support
import Synchronization

/// Answers requests from a list, the last answer for ever, and remembers what was asked.
final class FakeHTTPClient: HTTPClient {
    private struct State {
        var requests: [HTTPRequest] = []
        var answers: [HTTPResponse]
    }

    private let state: Mutex<State>

    init(_ answers: HTTPResponse...) { state = Mutex(State(answers: answers)) }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }

    func send(_ request: HTTPRequest) async throws -> HTTPResponse { answer(request) }

    func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        var response = answer(request)
        guard (200..<300).contains(response.status) else { return response }
        let body = response.body
        response.body = []
        Task {
            try await pipe.write(body)
            pipe.finish()
        }
        return response
    }

    private func answer(_ request: HTTPRequest) -> HTTPResponse {
        state.withLock { state in
            state.requests.append(request)
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
        }
    }
}

extension HTTPRequest {
    subscript(header name: String) -> String? { headers.first { $0.name == name }?.value }
}

extension HTTPResponse {
    init(_ status: Int, _ body: String, headers: HTTPHeaders = [:]) {
        self.init(status: status, headers: headers, body: Array(body.utf8))
    }

    /// An `Error` document.
    static func refusal(_ status: Int, _ code: String, more: String = "", headers: HTTPHeaders = [:]) -> HTTPResponse {
        HTTPResponse(
            status, "<?xml version=\"1.0\"?>\n<Error><Code>\(code)</Code><Message>In words.</Message>\(more)</Error>",
            headers: headers)
    }
}
