import HTTP
import Support

extension S3ObjectStore {
    package func createMultipartUpload(_ key: String) async throws -> String {
        let call = S3Call(
            method: "POST", key: try writable(key), query: [("uploads", "")],
            request: S3Request(purpose: .upload, key: key))
        guard let id = try await sendExpectingDocument(call)["UploadId"], !id.isEmpty else {
            throw BackupError(.protocolViolation, "the store began an upload of \(description(of: key)) without an id")
        }
        return id
    }

    package func uploadPart(_ key: String, uploadID: String, number: Int, body: ObjectBody) async throws -> UploadedPart
    {
        let call = S3Call(
            method: "PUT", key: try checked(key), query: partQuery(uploadID, number), body: body.httpBody,
            request: S3Request(purpose: .upload, key: key))
        return UploadedPart(number: number, etag: try await client.send(call).headers.etag)
    }

    package func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart {
        guard configuration.provider != .gcp else {
            throw BackupError(.unsupported, "Google's storage does not copy parts of objects by itself")
        }
        guard !range.isEmpty else { throw BackupError(.invalidArgument, "an empty part cannot be copied") }
        var call = S3Call(
            method: "PUT", key: try checked(key), query: partQuery(uploadID, number),
            request: S3Request(purpose: .copy, key: key, source: source))
        call.headers = [
            ("x-amz-copy-source", source.copySource),
            ("x-amz-copy-source-range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)"),
        ]
        call.isServerSide = true
        let etag = unquotedETag(try await sendExpectingDocument(call)["ETag"] ?? "")
        return UploadedPart(number: number, etag: etag)
    }

    @discardableResult
    package func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject {
        var call = S3Call(
            method: "POST", key: try checked(key), query: [("uploadId", uploadID)],
            body: .bytes(S3Bodies.completion(of: parts)), request: S3Request(purpose: .upload, key: key))
        call.isServerSide = true
        return StoredObject(etag: unquotedETag(try await sendExpectingDocument(call)["ETag"] ?? ""))
    }

    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {
        let call = S3Call(
            method: "DELETE", key: try checked(key), query: [("uploadId", uploadID)],
            request: S3Request(purpose: .upload, key: key))
        do {
            _ = try await client.send(call)
        } catch let error as BackupError where error.s3Response?.code == "NoSuchUpload" {
            return
        }
    }

    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] {
        var uploads: [PendingUpload] = []
        var marker: (keyMarker: String, uploadIDMarker: String)?
        repeat {
            var call = S3Call(method: "GET", request: S3Request(purpose: .list))
            call.query = [("uploads", ""), ("encoding-type", "url"), ("max-uploads", "1000"), ("prefix", prefix)]
            if let marker {
                call.query += [("key-marker", marker.keyMarker), ("upload-id-marker", marker.uploadIDMarker)]
            }
            let answer = try await client.send(call).body
            let page = try understanding(call) { () throws(BackupError) in try UploadListing(answer) }
            uploads += page.uploads
            if let last = marker, let next = page.next, next == last {
                throw BackupError(.protocolViolation, "the listing of uploads does not go on")
            }
            marker = page.next
        } while marker != nil
        return uploads
    }

    func partQuery(_ uploadID: String, _ number: Int) -> [(name: String, value: String)] {
        [("partNumber", String(number)), ("uploadId", uploadID)]
    }
}
