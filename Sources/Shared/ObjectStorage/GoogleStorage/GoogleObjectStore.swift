import HTTP
import Support

/// A bucket of Google Cloud Storage, by its JSON API.
///
/// Objects of any size go in one request, and are copied by the store in one call: uploads in parts are not offered. Conditions
/// of writes are heeded (generations). A write that breaks leaves nothing behind.
package final class GoogleObjectStore: ObjectStore {
    package let identity: StoreIdentity
    package let limits: StoreLimits
    let client: GoogleClient
    private var configuration: GoogleConfiguration { client.configuration }

    /// - Parameter credentials: gives the tokens; nil for those of the configuration's key.
    package init(
        _ configuration: GoogleConfiguration, http: any HTTPClient, credentials: (any CredentialsProvider)? = nil
    ) {
        client = GoogleClient(configuration, http: http, credentials: credentials)
        identity = StoreIdentity(
            provider: "gcpnative", endpoint: String(configuration.server.split(separator: "/").last ?? ""),
            usesTLS: configuration.server.hasPrefix("https"), bucket: configuration.bucket)
        var limits = StoreLimits()
        limits.maximumPutSize = 5 << 40
        limits.maximumCopySize = 5 << 40
        self.limits = limits
    }

    // MARK: Reading

    package func list(
        prefix: String, delimiter: String?, continuation: String?, limit: Int
    ) async throws -> ObjectPage {
        var call = GoogleCall("GET", "/storage/v1/b/\(client.bucket)/o", S3Request(purpose: .list))
        call.query = [("maxResults", String(min(max(limit, 1), 1000))), ("prefix", prefix)]
        call.query.append(("fields", "items(\(GoogleObject.fields)),prefixes,nextPageToken"))
        if let delimiter { call.query.append(("delimiter", delimiter)) }
        if let continuation { call.query.append(("pageToken", continuation)) }
        let page = try await client.document(GooglePage.self, call)
        return ObjectPage(
            objects: try (page.items ?? []).map { object in try object.info() }, commonPrefixes: page.prefixes ?? [],
            continuation: page.nextPageToken.flatMap { $0.isEmpty ? nil : $0 })
    }

    package func head(_ key: String) async throws -> ObjectInfo? { try await object(key)?.info() }

    private func object(_ key: String) async throws -> GoogleObject? {
        var call = GoogleCall("GET", try client.path(of: key), S3Request(purpose: .read, key: key))
        call.query = [("fields", GoogleObject.fields)]
        do {
            return try await client.document(GoogleObject.self, call)
        } catch let error as BackupError where error.code == .notFound {
            return nil
        }
    }

    /// Google knows no conditions on the content: so what is there is looked at first, and then that version is read.
    package func get(
        _ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe
    ) async throws -> ObjectInfo {
        var call = GoogleCall("GET", try client.path(of: key), S3Request(purpose: .read, key: key))
        call.query = [("alt", "media")]
        // Else what somebody has stored compressed would come as something else than its size and checksum say.
        call.headers = [("accept-encoding", "gzip")]
        var known: ObjectInfo?
        if ifMatch != nil || range?.isEmpty == true {
            guard let object = try await object(key) else {
                throw BackupError(.notFound, "\(client.description(of: key)) does not exist")
            }
            guard ifMatch == nil || object.etag == ifMatch else {
                throw BackupError(.notFound, "\(client.description(of: key)) has changed since it was listed")
            }
            known = try object.info()
            if let generation = object.generation { call.query.append(("generation", generation)) }
        }
        if let range {
            if range.isEmpty, let known {
                pipe.finish()
                return known
            }
            call.headers.append(("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)"))
        }
        let response = try await client.send(call, into: pipe)
        do throws(BackupError) {
            let found = try info(of: key, response, range)
            return known.map { ObjectInfo(key: key, size: found.size, etag: $0.etag) } ?? found
        } catch {
            pipe.fail(error)
            throw error
        }
    }

    private func info(
        of key: String, _ response: HTTPResponse, _ range: Range<Int64>?
    ) throws(BackupError) -> ObjectInfo {
        let headers = response.headers
        let hashes = (headers["x-goog-hash"] ?? "").split(separator: ",").map(\.withoutBlanks)
        let md5 = hashes.first { $0.hasPrefix("md5=") }.map { String($0.dropFirst(4)) }
        let object = GoogleObject(
            name: key, size: nil, md5Hash: md5, generation: headers["x-goog-generation"])
        let length = headers["content-length"].flatMap { Int64($0) } ?? 0
        if response.status == 206 {
            let total = headers["content-range"]?.split(separator: "/").last.flatMap { Int64($0) }
            return ObjectInfo(key: key, size: total ?? length, etag: object.etag)
        }
        guard range == nil || range == 0..<length else {
            // The whole object is on its way instead: it must not pass for the range.
            throw BackupError(.unsupported, "\(client.description(of: key)) cannot be read in ranges")
        }
        return ObjectInfo(key: key, size: length, etag: object.etag)
    }

    // MARK: Writing

    @discardableResult
    package func put(_ key: String, body: ObjectBody) async throws -> StoredObject {
        try await upload(key, body, generation: nil)
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        switch condition {
        case .absent: return try await upload(key, body, generation: "0")
        case .unchanged(let etag):
            guard let found = try await object(key), found.etag == etag, let generation = found.generation else {
                throw BackupError(
                    .alreadyExists, "\(client.description(of: key)) was changed or removed by somebody else")
            }
            return try await upload(key, body, generation: generation)
        }
    }

    /// - Parameter generation: the version that must be there, 0 for none; nil for whatever is there.
    private func upload(_ key: String, _ body: ObjectBody, generation: String?) async throws -> StoredObject {
        guard body.length <= limits.maximumPutSize else {
            throw BackupError(
                .invalidArgument,
                "\(client.description(of: key)) of \(formattedBytes(body.length)) is too large for one request")
        }
        var call = GoogleCall(
            "POST", "/upload/storage/v1/b/\(client.bucket)/o", S3Request(purpose: .write, key: key))
        call.query = [("uploadType", "media"), ("name", try client.checked(key)), ("fields", GoogleObject.fields)]
        if let generation { call.query.append(("ifGenerationMatch", generation)) }
        call.headers = [("content-type", "application/octet-stream")]
        call.body = body.httpBody
        return try await client.document(GoogleObject.self, call).stored
    }

    /// A large object, or one that goes to another place, is copied in several calls, each of which goes on with the one before.
    @discardableResult
    package func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        let destination = try client.path(of: key).dropFirst(GoogleClient.apiPath.count)
        let path = "\(try client.path(of: source.key, in: source.bucket))/rewriteTo\(destination)"
        var token: String?
        while true {
            try Task.checkCancellation()
            var call = GoogleCall("POST", path, S3Request(purpose: .copy, key: key, source: source))
            call.query = [("fields", "done,rewriteToken,resource(\(GoogleObject.fields))")]
            if let token { call.query.append(("rewriteToken", token)) }
            call.body = .bytes([])
            let answer = try await client.document(GoogleRewrite.self, call)
            if answer.done { return answer.resource?.stored ?? StoredObject(etag: "") }
            guard let next = answer.rewriteToken, !next.isEmpty else {
                throw BackupError(
                    .protocolViolation, "the copy of \(client.description(of: key)) does not say how to go on")
            }
            token = next
        }
    }

    package func delete(_ keys: [String]) async throws {
        let paths = try keys.map { key in (key, try self.client.path(of: key)) }
        let client = client
        let failures = try await mapInParallel(paths, limit: 16) { key, path -> BackupError? in
            do {
                _ = try await client.send(GoogleCall("DELETE", path, S3Request(purpose: .delete, key: key)))
                return nil
            } catch {
                let failure = BackupError(wrapping: error)
                let isGone = failure.code == .notFound && failure.s3Response?.code != "NoSuchBucket"
                return isGone ? nil : failure
            }
        }
        try Task.checkCancellation()
        if let first = failures.compactMap({ $0 }).first { throw first }
    }

    package func createBucketIfMissing() async throws {
        do {
            return try await lookAtBucket()
        } catch let error as BackupError where error.code == .notFound {}
        guard !configuration.key.project.isEmpty else {
            throw BackupError(
                .configuration,
                "the credentials file names no project_id for the new bucket \"\(configuration.bucket)\"",
                hint: "make the bucket by hand")
        }
        var call = GoogleCall("POST", "/storage/v1/b", S3Request(purpose: .createBucket))
        call.query = [("project", configuration.key.project)]
        call.headers = [("content-type", "application/json")]
        call.body = .bytes(try client.newBucket())
        do {
            _ = try await client.send(call)
        } catch let error as BackupError where error.code == .alreadyExists {
            // Somebody else was faster; if it is one of our own, it can be listed.
            do {
                try await lookAtBucket()
            } catch {
                throw error
            }
        }
    }

    private func lookAtBucket() async throws {
        _ = try await list(prefix: "", delimiter: nil, continuation: nil, limit: 1)
    }

    // MARK: Uploads in parts

    package func createMultipartUpload(_ key: String) async throws -> String { throw noUploads }

    package func uploadPart(
        _ key: String, uploadID: String, number: Int, body: ObjectBody
    ) async throws -> UploadedPart { throw noUploads }

    package func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart { throw noUploads }

    @discardableResult
    package func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject { throw noUploads }

    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {}

    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] { [] }

    private var noUploads: BackupError {
        BackupError(.unsupported, "Google Cloud Storage takes objects as a whole only, by this protocol")
    }
}
