import HTTP
import Support
import Synchronization

/// A container of Azure Blob Storage; objects are block blobs.
///
/// ETags are names of versions and say nothing of the content. Listings are in the service's own order, which is that of the
/// bytes for ASCII keys. Accounts with a hierarchical namespace keep directories that have become empty.
package final class AzureObjectStore: ObjectStore {
    package let identity: StoreIdentity
    package let limits: StoreLimits
    let client: AzureClient
    /// Uploads that this process has aborted, or that were found to be ended. The service knows nothing of uploads.
    let endedUploads = Mutex<Set<String>>([])

    package convenience init(_ configuration: AzureConfiguration, http: any HTTPClient) {
        self.init(client: AzureClient(configuration, http: http))
    }

    init(client: AzureClient) {
        self.client = client
        identity = StoreIdentity(
            provider: "azure", endpoint: client.endpoint.description, usesTLS: true,
            bucket: client.configuration.container)
        var limits = StoreLimits()
        // A block has at most 4000 MiB, a blob in one request 5000 MiB.
        limits.maximumPutSize = 4000 << 20
        limits.maximumCopySize = 4000 << 20
        limits.minimumPartSize = 1
        self.limits = limits
    }

    package var etagsTellContent: Bool { false }

    // MARK: Reading

    package func list(
        prefix: String, delimiter: String?, continuation: String?, limit: Int
    ) async throws -> ObjectPage {
        var call = AzureCall(method: "GET", request: StoreRequest(purpose: .list))
        call.query = [("restype", "container"), ("comp", "list"), ("maxresults", String(min(max(limit, 1), 1000)))]
        if !prefix.isEmpty { call.query.append(("prefix", prefix)) }
        if let delimiter { call.query.append(("delimiter", delimiter)) }
        if let continuation { call.query.append(("marker", continuation)) }
        let answer = try await client.send(call).body
        do throws(BackupError) {
            return try BlobListing.page(of: answer)
        } catch {
            throw error.prefixed(client.description(of: call))
        }
    }

    package func head(_ key: String) async throws -> ObjectInfo? {
        let call = AzureCall(method: "HEAD", key: try checked(key), request: StoreRequest(purpose: .read, key: key))
        do {
            let headers = try await client.send(call).headers
            return ObjectInfo(key: key, size: headers["content-length"].flatMap { Int64($0) } ?? 0, etag: headers.etag)
        } catch let error as BackupError where error.code == .notFound {
            return nil
        }
    }

    package func get(_ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe) async throws
        -> ObjectInfo
    {
        if let range, range.isEmpty { return try await getNothing(of: key, ifMatch: ifMatch, into: pipe) }
        let response = try await client.send(try readCall(key, range, ifMatch), into: pipe)
        do throws(BackupError) {
            return try info(of: key, in: response, range)
        } catch {
            pipe.fail(error)
            throw error
        }
    }

    func readCall(_ key: String, _ range: Range<Int64>?, _ ifMatch: String?) throws -> AzureCall {
        var call = AzureCall(method: "GET", key: try checked(key), request: StoreRequest(purpose: .read, key: key))
        if let range { call.headers.append(("x-ms-range", "bytes=\(range.lowerBound)-\(range.upperBound - 1)")) }
        if let ifMatch { call.headers.append(("if-match", "\"\(ifMatch)\"")) }
        return call
    }

    /// What the answer to a read says of the object; its size is that of the whole, also when only a range of it is read.
    func info(
        of key: String, in response: HTTPResponse, _ range: Range<Int64>?
    ) throws(BackupError) -> ObjectInfo {
        let length = response.headers["content-length"].flatMap { Int64($0) } ?? 0
        guard response.status == 206 else {
            // The whole object must not pass for a range of it.
            guard range == nil || range == 0..<length else {
                throw BackupError(.unsupported, "\(description(of: key)) cannot be read in ranges")
            }
            return ObjectInfo(key: key, size: length, etag: response.headers.etag)
        }
        let total = response.headers["content-range"]?.split(separator: "/").last.flatMap { Int64($0) }
        return ObjectInfo(key: key, size: total ?? length, etag: response.headers.etag)
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
        var call = try writeCall(key, size: body.length)
        call.body = body.httpBody
        return StoredObject(etag: try await client.send(call).headers.etag)
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        var call = try writeCall(key, size: body.length)
        call.body = body.httpBody
        switch condition {
        case .absent: call.headers.append(("if-none-match", "*"))
        case .unchanged(let etag): call.headers.append(("if-match", "\"\(etag)\""))
        }
        return StoredObject(etag: try await client.send(call).headers.etag)
    }

    /// Put Blob, without its body.
    func writeCall(_ key: String, size: Int64) throws -> AzureCall {
        guard size <= limits.maximumPutSize else {
            throw BackupError(
                .invalidArgument, "\(description(of: key)) of \(formattedBytes(size)) is too large for one request")
        }
        return AzureCall(
            method: "PUT", key: try writable(key), headers: [blobType, contentType],
            request: StoreRequest(purpose: .write, key: key))
    }

    /// Put Blob From URL: the service reads the source by itself, and answers when it has done so.
    @discardableResult
    package func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        let call = AzureCall(
            method: "PUT", key: try writable(key), headers: [blobType], body: .bytes([]),
            request: StoreRequest(purpose: .copy, key: key, source: source), isServerSide: true)
        return StoredObject(etag: try await client.send(call).headers.etag)
    }

    // MARK: Deletion

    /// One request each: Azure's batches save round trips only, and need a right of their own in some accounts.
    package func delete(_ keys: [String]) async throws {
        guard keys.count <= 1000 else {
            throw BackupError(.invalidArgument, "\(keys.count) objects are too many to be deleted at once")
        }
        for key in keys { _ = try checked(key) }
        let failures = try await mapInParallel(keys, limit: 16) { key -> BackupError? in
            do {
                try await self.deleteOne(key)
                return nil
            } catch {
                return BackupError(wrapping: error)
            }
        }
        try Task.checkCancellation()
        if let first = failures.compactMap({ $0 }).first { throw first }
    }

    private func deleteOne(_ key: String) async throws {
        let call = AzureCall(method: "DELETE", key: key, request: StoreRequest(purpose: .delete, key: key))
        do {
            _ = try await client.send(call)
        } catch let error as BackupError where error.azureResponse?.code == "BlobNotFound" {
            return
        }
    }

    /// The container is there when it can be listed: rights to list are needed in any case.
    package func createBucketIfMissing() async throws {
        do {
            _ = try await list(prefix: "", delimiter: nil, continuation: nil, limit: 1)
            return
        } catch let error as BackupError where error.code == .notFound {}
        var call = AzureCall(method: "PUT", request: StoreRequest(purpose: .createBucket))
        call.query = [("restype", "container")]
        call.body = .bytes([])
        do {
            _ = try await client.send(call)
        } catch let error as BackupError where error.azureResponse?.code == "ContainerAlreadyExists" {
            return
        }
    }
}

extension AzureObjectStore {
    var blobType: (name: String, value: String) { ("x-ms-blob-type", "BlockBlob") }
    var contentType: (name: String, value: String) { ("content-type", "application/octet-stream") }

    /// `object "k" in container "b" at https://h`.
    func description(of key: String) -> String {
        "object \"\(key.escapingControlCharacters)\" in container \"\(identity.bucket)\" at https://\(identity.endpoint)"
    }

    /// `key`, when it is one at all.
    func checked(_ key: String) throws(BackupError) -> String {
        guard !key.isEmpty, key.utf8.count <= 1024 else {
            let beginning = String(key.prefix(80)).escapingControlCharacters
            throw BackupError(.invalidArgument, "a key has 1 to 1024 bytes: \"\(beginning)\"")
        }
        return key
    }

    /// `key`, unless the service would refuse it or keep the blob under another name: it takes `\` for `/`, drops dots and
    /// slashes at the end, and knows no control characters.
    func writable(_ key: String) throws(BackupError) -> String {
        let parts = try checked(key).utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isKept = parts.allSatisfy { $0.last != UInt8(ascii: ".") } && parts.last?.isEmpty == false
        let isText = key.unicodeScalars.allSatisfy { scalar in
            switch scalar.value {
            case 0..<0x20, 0x7f..<0xa0, 0x5c, 0xfffe, 0xffff: false
            default: true
            }
        }
        guard isKept && isText else {
            throw BackupError(.invalidArgument, "\(description(of: key)) cannot be kept: Azure would change its key")
        }
        return key
    }
}
