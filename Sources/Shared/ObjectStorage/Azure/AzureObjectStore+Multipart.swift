import HTTP
import Support
import Synchronization

/// An upload in parts is blocks of a blob and then a list of them. It has no beginning and no id of its own: the id is ours,
/// and the names of the blocks begin with it, so that two uploads of one object do not mix.
extension AzureObjectStore {
    package func createMultipartUpload(_ key: String) async throws -> String {
        _ = try writable(key)
        let digits = String(UInt64.random(in: 0...UInt64.max), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    package func uploadPart(_ key: String, uploadID: String, number: Int, body: ObjectBody) async throws -> UploadedPart
    {
        var call = try partCall(key, uploadID, number)
        call.headers = [contentType]
        call.body = body.httpBody
        _ = try await client.send(call)
        return UploadedPart(number: number, etag: blockName(uploadID, number))
    }

    /// Put Block From URL.
    package func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart {
        guard !range.isEmpty else { throw BackupError(.invalidArgument, "an empty part cannot be copied") }
        var call = try partCall(key, uploadID, number)
        call.request = StoreRequest(purpose: .copy, key: key, source: source)
        call.headers = [("x-ms-source-range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")]
        call.body = .bytes([])
        call.isServerSide = true
        _ = try await client.send(call)
        return UploadedPart(number: number, etag: blockName(uploadID, number))
    }

    @discardableResult
    package func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject {
        try checkUpload(key, uploadID)
        for part in parts where part.etag != blockName(uploadID, part.number) {
            throw BackupError(
                .invalidArgument, "part \(part.number) of \(description(of: key)) is not the one that was uploaded")
        }
        var call = AzureCall(
            method: "PUT", key: try checked(key), query: [("comp", "blocklist")],
            headers: [("content-type", "application/xml"), ("x-ms-blob-content-type", contentType.value)],
            request: StoreRequest(purpose: .upload, key: key), isServerSide: true)
        call.body = .bytes(AzureBodies.blockList(parts.map { Array($0.etag.utf8).base64 }))
        do {
            return StoredObject(etag: try await client.send(call).headers.etag)
        } catch let error as BackupError where error.azureResponse?.code == "InvalidBlockList" {
            // The blocks do not come back. The next try finds the upload gone, and looks whether the object is there.
            endedUploads.withLock { _ = $0.insert(uploadID) }
            throw error
        }
    }

    /// Blocks cannot be taken back. Those that no list names are dropped when another one of the same blob is written, or
    /// by themselves after a week; they are paid for until then.
    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {
        endedUploads.withLock { _ = $0.insert(uploadID) }
    }

    /// None: what was left behind goes by itself after a week, and nobody else could end it.
    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] { [] }

    /// Put Block, without its body.
    func partCall(_ key: String, _ uploadID: String, _ number: Int) throws(BackupError) -> AzureCall {
        try checkUpload(key, uploadID)
        guard (1...limits.maximumParts).contains(number) else {
            throw BackupError(.invalidArgument, "a part's number is 1 to \(limits.maximumParts), not \(number)")
        }
        return AzureCall(
            method: "PUT", key: try checked(key),
            query: [("comp", "block"), ("blockid", Array(blockName(uploadID, number).utf8).base64)],
            request: StoreRequest(purpose: .upload, key: key))
    }

    /// All names of a blob's blocks have to be of one length.
    private func blockName(_ uploadID: String, _ number: Int) -> String { "\(uploadID)-\(padded(number, 7))" }

    private func checkUpload(_ key: String, _ uploadID: String) throws(BackupError) {
        guard !endedUploads.withLock({ $0.contains(uploadID) }) else {
            throw BackupError(.notFound, "the upload of \(description(of: key)) has ended or never began")
        }
    }
}

extension AzureObjectStore: DirectStreaming {
    package var relay: (any HTTPRelay)? { client.relay }

    package func readRequest(
        _ key: String, range: Range<Int64>?, ifMatch: String?
    ) async throws -> DirectRequest<ObjectInfo> {
        try await client.prepare(try readCall(key, range, ifMatch)) { response throws(BackupError) in
            try self.info(of: key, in: response, range)
        }
    }

    package func writeRequest(_ target: WriteTarget, length: Int64) async throws -> DirectRequest<String> {
        switch target {
        case .object(let key):
            var call = try writeCall(key, size: length)
            call.relayedLength = length
            return try await client.prepare(call) { response in response.headers.etag }
        case .part(let key, let uploadID, let number):
            var call = try partCall(key, uploadID, number)
            call.headers = [contentType]
            call.relayedLength = length
            let name = blockName(uploadID, number)
            return try await client.prepare(call) { _ in name }
        }
    }
}
