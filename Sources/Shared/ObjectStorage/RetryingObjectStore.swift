import Support

/// Makes every call of another store again when that can help.
///
/// What cannot be repeated surfaces at once: `put` and `uploadPart` out of a pipe, whose bytes are gone, and `get` after its
/// first byte. A store that has never answered is given up sooner.
package struct RetryingObjectStore: ObjectStore {
    package let base: any ObjectStore
    private let policy: RetryPolicy
    private let contact: FirstContact
    private let clock: any Clock<Duration>
    private let logger: Logger

    /// - Parameter contact: that with the server behind this store; stores of one server share it.
    package init(
        _ base: any ObjectStore, policy: RetryPolicy = .standard, contact: FirstContact = FirstContact(),
        logger: Logger = .silent, clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.base = base
        self.policy = policy
        self.contact = contact
        self.clock = clock
        self.logger = logger
    }

    package var identity: StoreIdentity { base.identity }
    package var limits: StoreLimits { base.limits }
    package var etagsTellContent: Bool { base.etagsTellContent }

    private func retrying<Result>(
        _ call: String, _ subject: String, _ operation: () async throws -> Result
    ) async throws -> Result {
        do {
            let result = try await withRetries(
                clock: clock,
                onRetry: { error, attempt in
                    logger.debug(
                        "store call is made again",
                        ["call": call, "subject": subject, "attempt": attempt, "error": error.message])
                },
                pause: { error, attempt in
                    contact.delay(beforeAttempt: attempt, after: error, jitter: .random(in: 0..<1), policy: policy)
                }, operation)
            contact.succeeded()
            return result
        } catch let error as BackupError {
            throw contact.explaining(error)
        }
    }

    package func list(
        prefix: String, delimiter: String?, continuation: String?, limit: Int
    ) async throws -> ObjectPage {
        try await retrying("list", prefix) {
            try await base.list(prefix: prefix, delimiter: delimiter, continuation: continuation, limit: limit)
        }
    }

    package func head(_ key: String) async throws -> ObjectInfo? {
        try await retrying("head", key) { try await base.head(key) }
    }

    package func partLengths(of key: String) async throws -> [Int64]? {
        try await retrying("partLengths", key) { try await base.partLengths(of: key) }
    }

    package func get(_ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe) async throws
        -> ObjectInfo
    {
        // A call that throws has left the pipe untouched: so says the contract.
        try await retrying("get", key) { try await base.get(key, range: range, ifMatch: ifMatch, into: pipe) }
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody) async throws -> StoredObject {
        guard body.canBeRepeated else { return try await base.put(key, body: body) }
        return try await retrying("put", key) { try await base.put(key, body: body) }
    }

    /// When an answer is lost the next try is refused, though the object is there: the caller looks whose it is.
    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        guard body.canBeRepeated else { return try await base.put(key, body: body, if: condition) }
        return try await retrying("put", key) { try await base.put(key, body: body, if: condition) }
    }

    @discardableResult
    package func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        try await retrying("copy", key) { try await base.copy(source, to: key) }
    }

    package func createMultipartUpload(_ key: String) async throws -> String {
        try await retrying("createMultipartUpload", key) { try await base.createMultipartUpload(key) }
    }

    package func uploadPart(_ key: String, uploadID: String, number: Int, body: ObjectBody) async throws -> UploadedPart
    {
        guard body.canBeRepeated else {
            return try await base.uploadPart(key, uploadID: uploadID, number: number, body: body)
        }
        return try await retrying("uploadPart", key) {
            try await base.uploadPart(key, uploadID: uploadID, number: number, body: body)
        }
    }

    package func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart {
        try await retrying("copyPart", key) {
            try await base.copyPart(key, uploadID: uploadID, number: number, source: source, range: range)
        }
    }

    @discardableResult
    package func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject {
        var attempts = 0
        return try await retrying("completeMultipartUpload", key) {
            attempts += 1
            do {
                return try await base.completeMultipartUpload(key, uploadID: uploadID, parts: parts)
            } catch let error as BackupError where error.code == .notFound && attempts > 1 {
                // The first try may have succeeded and only its answer been lost.
                guard let object = try await completedObject(key, parts) else { throw error }
                return object
            }
        }
    }

    /// The object at `key` when its ETag proves that it was made out of `parts`.
    private func completedObject(_ key: String, _ parts: [UploadedPart]) async throws -> StoredObject? {
        guard let expected = multipartETag(of: parts), let info = try await base.head(key), info.etag == expected else {
            return nil
        }
        return StoredObject(etag: info.etag)
    }

    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {
        try await retrying("abortMultipartUpload", key) { try await base.abortMultipartUpload(key, uploadID: uploadID) }
    }

    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] {
        try await retrying("listMultipartUploads", prefix) { try await base.listMultipartUploads(prefix: prefix) }
    }

    package func delete(_ keys: [String]) async throws {
        try await retrying("delete", keys.first ?? "") { try await base.delete(keys) }
    }

    package func createBucketIfMissing() async throws {
        try await retrying("createBucketIfMissing", identity.bucket) { try await base.createBucketIfMissing() }
    }
}

extension ObjectBody {
    /// A pipe cannot be rewound.
    fileprivate var canBeRepeated: Bool {
        switch self {
        case .bytes: true
        case .pipe: false
        }
    }
}

/// The ETag S3 gives an object of these parts: the MD5 of their MD5s, and their number. nil when the parts' ETags are no MD5s.
package func multipartETag(of parts: [UploadedPart]) -> String? {
    var digests: [UInt8] = []
    for part in parts {
        guard let digest = [UInt8](hexadecimal: part.etag), digest.count == 16 else { return nil }
        digests += digest
    }
    return Digests.md5(digests).map { "\($0.hexadecimal)-\(parts.count)" }
}
