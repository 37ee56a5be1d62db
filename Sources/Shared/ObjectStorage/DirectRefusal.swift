import HTTP
import Support

/// What follows from a refusal.
package enum DirectRefusal: Sendable {
    case failed(BackupError)
    /// The store told what was wrong with the request (its clock, its region, its credentials): a new one will do better. If
    /// not, the error.
    case askAgain(BackupError)
}

/// An answer, and what it means when the store has refused.
typealias JudgedResponse = (response: HTTPResponse, refusal: DirectRefusal?)

/// Makes a request, and makes it once more when its refusal has taught something and its body can be sent again.
///
/// - Returns: an answer of status 2xx.
func accepted(
    _ body: HTTPRequest.Body, _ attempt: () async throws -> JudgedResponse
) async throws -> HTTPResponse {
    var isSecondTry = false
    while true {
        let (response, refusal) = try await attempt()
        switch refusal {
        case nil: return response
        case .askAgain where !isSecondTry && body.canBeRepeated: isSecondTry = true
        case .askAgain(var error):
            // Who has the bytes may send them once more.
            error.isRetryable = error.isRetryable || !isSecondTry
            throw error
        case .failed(let error): throw error
        }
    }
}
