import HTTP
import Support

/// A bucket behind the S3 protocol: Amazon S3, MinIO and everything that speaks like them.
package final class S3ObjectStore: ObjectStore {
    package let identity: StoreIdentity
    package let limits: StoreLimits
    let client: S3Client
    var configuration: S3Configuration { client.configuration }

    package convenience init(_ configuration: S3Configuration, http: any HTTPClient) {
        self.init(client: S3Client(configuration, http: http))
    }

    init(client: S3Client) {
        self.client = client
        let configuration = client.configuration
        identity = StoreIdentity(
            provider: configuration.provider.rawValue,
            endpoint: "\(configuration.host):\(configuration.port)",
            region: configuration.region,
            usesTLS: configuration.useTLS,
            bucket: configuration.bucket)
        var limits = StoreLimits()
        // Google copies objects of any size in one request, and offers no copies of parts.
        if configuration.provider == .gcp { limits.maximumCopySize = 5 << 40 }
        self.limits = limits
    }

    // MARK: Reading

    package func list(
        prefix: String, delimiter: String?, continuation: String?, limit: Int
    ) async throws -> ObjectPage {
        var call = S3Call(method: "GET", request: S3Request(purpose: .list))
        call.query = [("list-type", "2"), ("encoding-type", "url"), ("max-keys", String(min(max(limit, 1), 1000)))]
        call.query.append(("prefix", prefix))
        if let delimiter { call.query.append(("delimiter", delimiter)) }
        if let continuation { call.query.append(("continuation-token", continuation)) }
        let answer = try await client.send(call).body
        return try understanding(call) { () throws(BackupError) in try ObjectListing.page(of: answer) }
    }

    package func head(_ key: String) async throws -> ObjectInfo? {
        let call = S3Call(method: "HEAD", key: try checked(key), request: S3Request(purpose: .read, key: key))
        do {
            let headers = try await client.send(call).headers
            return ObjectInfo(key: key, size: headers["content-length"].flatMap { Int64($0) } ?? 0, etag: headers.etag)
        } catch let error as BackupError where error.code == .notFound {
            return nil
        }
    }

    /// - Returns: the size of the whole object, also when only a range of it is read.
    package func get(_ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe) async throws
        -> ObjectInfo
    {
        if let range, range.isEmpty { return try await getNothing(of: key, ifMatch: ifMatch, into: pipe) }
        let call = try readCall(key, range, ifMatch)
        let response = try await client.send(call, into: pipe)
        do throws(BackupError) {
            return try info(of: key, in: response, range, ifMatch)
        } catch {
            pipe.fail(error)
            throw error
        }
    }

    func readCall(_ key: String, _ range: Range<Int64>?, _ ifMatch: String?) throws -> S3Call {
        var call = S3Call(method: "GET", key: try checked(key), request: S3Request(purpose: .read, key: key))
        if let range { call.headers.append(("range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")) }
        if let ifMatch { call.headers.append(("if-match", "\"\(ifMatch)\"")) }
        return call
    }

    /// What the answer to a read says of the object; its size is that of the whole, also when only a range of it is read.
    func info(
        of key: String, in response: HTTPResponse, _ range: Range<Int64>?, _ ifMatch: String?
    ) throws(BackupError) -> ObjectInfo {
        let etag = response.headers.etag
        if let ifMatch, etag != ifMatch, !etag.isEmpty {
            // A store that knows no conditions sends what is there now.
            throw BackupError(.notFound, "\(description(of: key)) has changed since it was listed")
        }
        let length = response.headers["content-length"].flatMap { Int64($0) } ?? 0
        guard let range, response.status != 206 else {
            let total = response.headers["content-range"]?.split(separator: "/").last.flatMap { Int64($0) }
            return ObjectInfo(key: key, size: total ?? length, etag: etag)
        }
        guard range == 0..<length else {
            // The whole object is on its way instead: it must not pass for the range.
            throw BackupError(.unsupported, "\(description(of: key)) cannot be read in ranges")
        }
        return ObjectInfo(key: key, size: length, etag: etag)
    }

    /// HTTP cannot ask for an empty range.
    private func getNothing(of key: String, ifMatch: String?, into pipe: BytePipe) async throws -> ObjectInfo {
        guard let info = try await head(key) else {
            throw BackupError(.notFound, "\(description(of: key)) does not exist")
        }
        guard ifMatch == nil || ifMatch == info.etag else {
            throw BackupError(.notFound, "\(description(of: key)) has changed since it was listed")
        }
        pipe.finish()
        return info
    }

    // MARK: Writing

    @discardableResult
    package func put(_ key: String, body: ObjectBody) async throws -> StoredObject {
        try checkSize(body.length, of: key)
        let call = S3Call(
            method: "PUT", key: try writable(key), body: body.httpBody, request: S3Request(purpose: .write, key: key))
        return StoredObject(etag: try await client.send(call).headers.etag)
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        try checkSize(body.length, of: key)
        var call = S3Call(
            method: "PUT", key: try writable(key), body: body.httpBody, request: S3Request(purpose: .write, key: key))
        switch condition {
        case .absent: call.headers = [("if-none-match", "*")]
        case .unchanged(let etag): call.headers = [("if-match", "\"\(etag)\"")]
        }
        return StoredObject(etag: try await client.send(call).headers.etag)
    }

    func checkSize(_ size: Int64, of key: String) throws(BackupError) {
        guard size <= limits.maximumPutSize else {
            throw BackupError(
                .invalidArgument, "\(description(of: key)) of \(formattedBytes(size)) is too large for one request")
        }
    }

    @discardableResult
    package func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        var call = S3Call(
            method: "PUT", key: try writable(key), request: S3Request(purpose: .copy, key: key, source: source))
        call.headers = [("x-amz-copy-source", source.copySource)]
        call.isServerSide = true
        return StoredObject(etag: unquotedETag(try await sendExpectingDocument(call)["ETag"] ?? ""))
    }

    /// Sends a call whose answer may begin with status 200 and turn out to be a refusal.
    func sendExpectingDocument(_ call: S3Call) async throws -> FlatDocument {
        let answer = try await client.send(call).body
        let document = try understanding(call) { () throws(BackupError) in try FlatDocument(answer) }
        if let refusal = S3ErrorResponse(document) {
            var error = try await client.error(for: refusal, in: call)
            // Nothing but a fault on the way ends a copy that had been accepted.
            if error.code == .remoteFailure { error.isRetryable = true }
            throw error
        }
        return document
    }
}

extension S3ObjectStore {
    /// Reads an answer; what is wrong with it is told along with what was asked.
    func understanding<Document>(
        _ call: S3Call, _ read: () throws(BackupError) -> Document
    ) throws(BackupError) -> Document {
        do throws(BackupError) {
            return try read()
        } catch {
            throw error.prefixed(client.description(of: call))
        }
    }

    /// `object "k" in bucket "b" at http://h:p`.
    func description(of key: String) -> String {
        let scheme = configuration.useTLS ? "https" : "http"
        return "object \"\(key.escapingControlCharacters)\" in bucket \"\(configuration.bucket)\""
            + " at \(scheme)://\(configuration.host):\(configuration.port)"
    }

    /// `key`, when it is one at all.
    func checked(_ key: String) throws -> String {
        guard !key.isEmpty, key.utf8.count <= 1024 else {
            throw BackupError(.invalidArgument, "a key has 1 to 1024 bytes: \"\(key.prefix(80).escaped)\"")
        }
        return key
    }

    /// `key`, unless the store would keep the object under another name: MinIO's servers clean keys like paths.
    func writable(_ key: String) throws -> String {
        guard configuration.provider == .minio else { return try checked(key) }
        let parts = try checked(key).utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isClean = parts.dropLast().allSatisfy { !$0.isEmpty }
        let hasDots = parts.contains { $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8) }
        guard isClean && !hasDots else {
            throw BackupError(.invalidArgument, "\(description(of: key)) cannot be kept: MinIO would change its key")
        }
        return key
    }
}

extension Substring {
    fileprivate var escaped: String { String(self).escapingControlCharacters }
}

extension ObjectBody {
    var httpBody: HTTPRequest.Body {
        switch self {
        case .bytes(let bytes): .bytes(bytes)
        case .pipe(let pipe, let length): .pipe(pipe, length: length)
        }
    }
}

extension ObjectReference {
    /// The value of `x-amz-copy-source`.
    var copySource: String { "\(bucket.percentEncodedPath)/\(key.percentEncodedPath)" }
}

extension HTTPHeaders {
    /// Without its quotes.
    var etag: String { unquotedETag(self["etag"] ?? "") }
}
