import HTTP
import Support

/// A store whose reads and writes are single HTTP requests, so that a relay can join the read of one store to the write of
/// another: the bytes then go from socket to socket, and no ``Support/BytePipe`` is needed.
///
/// A part of a store's own choice: whoever copies uses it where both stores offer it, and ``ObjectStore`` where not.
package protocol DirectStreaming: ObjectStore {
    /// What carries such requests out; nil when there is nothing that can.
    var relay: (any HTTPRelay)? { get }

    /// The request behind ``ObjectStore/get(_:range:ifMatch:into:)``. `range` is not empty.
    func readRequest(
        _ key: String, range: Range<Int64>?, ifMatch: String?
    ) async throws -> DirectRequest<ObjectInfo>

    /// The request behind ``ObjectStore/put(_:body:)`` or ``ObjectStore/uploadPart(_:uploadID:number:body:)``, without its body.
    ///
    /// Its answer is the ETag, without quotes; empty when the store told none.
    func writeRequest(_ target: WriteTarget, length: Int64) async throws -> DirectRequest<String>
}

/// What the bytes of one request become.
package enum WriteTarget: Sendable, Hashable {
    case object(key: String)
    case part(key: String, uploadID: String, number: Int)
}

/// A signed request, and what its answers mean.
package struct DirectRequest<Answer: Sendable>: Sendable {
    package var http: HTTPRequest
    /// Reads the head of an answer of status 2xx.
    package var understand: @Sendable (HTTPResponse) throws(BackupError) -> Answer
    /// Reads any other answer.
    package var refusal: @Sendable (HTTPResponse) -> DirectRefusal

    package init(
        http: HTTPRequest, understand: @escaping @Sendable (HTTPResponse) throws(BackupError) -> Answer,
        refusal: @escaping @Sendable (HTTPResponse) -> DirectRefusal
    ) {
        self.http = http
        self.understand = understand
        self.refusal = refusal
    }
}
