import HTTP
import Support

extension S3ObjectStore: DirectStreaming {
    package var relay: (any HTTPRelay)? { client.relay }

    package func readRequest(
        _ key: String, range: Range<Int64>?, ifMatch: String?
    ) async throws -> DirectRequest<ObjectInfo> {
        try await client.prepare(try readCall(key, range, ifMatch)) { response throws(BackupError) in
            try self.info(of: key, in: response, range, ifMatch)
        }
    }

    package func writeRequest(_ target: WriteTarget, length: Int64) async throws -> DirectRequest<String> {
        var call: S3Call
        switch target {
        case .object(let key):
            try checkSize(length, of: key)
            call = S3Call(method: "PUT", key: try writable(key), request: S3Request(purpose: .write, key: key))
        case .part(let key, let uploadID, let number):
            call = S3Call(
                method: "PUT", key: try checked(key), query: partQuery(uploadID, number),
                request: S3Request(purpose: .upload, key: key))
        }
        call.isRelayed = true
        return try await client.prepare(call) { response in response.headers.etag }
    }
}
