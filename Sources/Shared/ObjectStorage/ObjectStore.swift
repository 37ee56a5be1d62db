import Support

/// One bucket (or directory) of objects.
///
/// The contract, held by every implementation and checked by one conformance suite:
/// - A key is any non-empty Unicode text of at most 1024 UTF-8 bytes; it is used as it is. A store that cannot hold a key
///   says so with `unsupported` or `invalidArgument`, and never stores it under another name.
/// - Calls are safe from any task, any number at a time, and end soon after their task is cancelled.
/// - `put`, `completeMultipartUpload` and `copy` are atomic: a reader sees the old object or the whole new one. Doing one
///   of them twice with the same bytes is harmless.
/// - A missing object or bucket is `notFound`; refused credentials or rights are `permissionDenied`; a wish to slow down
///   is `throttled` and retryable, as are resets, time-outs and 5xx; a missing feature is `unsupported`. Messages name
///   store, bucket and key, and never a credential.
/// - Implementations retry nothing: ``RetryingObjectStore`` does.
package protocol ObjectStore: Sendable {
    /// Who and where this is, for messages and for comparing two stores.
    var identity: StoreIdentity { get }

    /// One page of the objects whose keys begin with `prefix`, in the order of their UTF-8 bytes.
    ///
    /// - Parameters:
    ///   - delimiter: when given (`/`), keys that have it after the prefix are folded into `commonPrefixes`.
    ///   - continuation: from the page before; nil for the first page.
    ///   - limit: entries wished for, 1...1000; a page may have fewer and still not be the last.
    func list(prefix: String, delimiter: String?, continuation: String?, limit: Int) async throws -> ObjectPage

    /// Size and ETag of an object, nil when it is not there.
    func head(_ key: String) async throws -> ObjectInfo?

    /// Lengths of the parts that an object was uploaded in, in their order; nil when it was not uploaded in several, or when
    /// the store does not tell.
    func partLengths(of key: String) async throws -> [Int64]?

    /// Reads an object, or `range` of it, into `pipe`. Returns when the first bytes are on their way; the pipe is finished
    /// at the end and failed when the transfer breaks. When this call throws, the pipe is untouched.
    ///
    /// - Parameter ifMatch: the ETag that the object must still have, else `notFound` with a message that it has changed.
    /// - Returns: the size of the whole object, also when only a range of it is read.
    func get(_ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe) async throws -> ObjectInfo

    /// Writes an object of exactly the body's length. At most ``StoreLimits/maximumPutSize``.
    @discardableResult
    func put(_ key: String, body: ObjectBody) async throws -> StoredObject

    /// Writes an object if what is at `key` is as `condition` says, else throws `alreadyExists`. A store may ignore the
    /// condition and write in any case: who relies on it tries it first. One that cannot be asked throws `unsupported`.
    @discardableResult
    func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject

    /// Copies inside the backend, without the bytes passing here. `source` may be another bucket of the same backend.
    ///
    /// One request; at most ``StoreLimits/maximumCopySize``.
    @discardableResult
    func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject

    /// Begins an upload in parts and returns its id. Nothing is visible until it is completed.
    func createMultipartUpload(_ key: String) async throws -> String

    /// - Parameter number: 1...10000. Parts may come in any order and again; the last one of a number counts.
    func uploadPart(_ key: String, uploadID: String, number: Int, body: ObjectBody) async throws -> UploadedPart

    /// A part whose bytes are `range` of an object in the same backend.
    func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart

    /// Makes the object out of its parts, which are given in ascending order of number.
    @discardableResult
    func completeMultipartUpload(_ key: String, uploadID: String, parts: [UploadedPart]) async throws -> StoredObject

    /// Ends an upload and frees its parts; harmless when it is gone already.
    func abortMultipartUpload(_ key: String, uploadID: String) async throws

    /// Uploads below `prefix` that were neither completed nor aborted.
    func listMultipartUploads(prefix: String) async throws -> [PendingUpload]

    /// Deletes objects, at most 1000; those that are not there count as deleted. All are tried; the first failure is thrown.
    func delete(_ keys: [String]) async throws

    /// Makes the bucket when it is not there.
    func createBucketIfMissing() async throws

    var limits: StoreLimits { get }

    /// Whether ETags may be made of the content, and equal ones prove a copy. Else nothing is expected of them.
    var etagsTellContent: Bool { get }
}

extension ObjectStore {
    package var etagsTellContent: Bool { true }

    package func partLengths(of key: String) async throws -> [Int64]? { nil }

    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        throw BackupError(.unsupported, "this store knows no conditional writes")
    }
}

/// What must be so for an object to be written.
package enum WriteCondition: Sendable, Hashable {
    /// There is no object of this key.
    case absent
    /// There is one that has this ETag.
    case unchanged(etag: String)
}

/// Who and where a store is.
package struct StoreIdentity: Sendable, Hashable {
    /// `minio`, `aws`, `azure`, `local`, … as in the configuration.
    package var provider: String
    /// `host:port`, or empty for a local directory.
    package var endpoint: String
    package var region: String
    package var usesTLS: Bool
    package var bucket: String

    package init(provider: String, endpoint: String, region: String = "", usesTLS: Bool = false, bucket: String) {
        self.provider = provider
        self.endpoint = endpoint
        self.region = region
        self.usesTLS = usesTLS
        self.bucket = bucket
    }

    /// Whether a copy from one to the other can be done by the store itself: everything but the bucket is the same.
    package func isSameBackend(as other: StoreIdentity) -> Bool {
        provider == other.provider && endpoint == other.endpoint && region == other.region && usesTLS == other.usesTLS
    }
}

/// An object as a listing or a HEAD shows it.
package struct ObjectInfo: Sendable, Hashable {
    package var key: String
    /// Bytes.
    package var size: Int64
    /// Without its quotes; empty when the store has none.
    package var etag: String

    package init(key: String, size: Int64, etag: String = "") {
        self.key = key
        self.size = size
        self.etag = etag
    }
}

/// A page of a listing.
package struct ObjectPage: Sendable {
    package var objects: [ObjectInfo]
    /// Prefixes that end with the delimiter, in order.
    package var commonPrefixes: [String]
    /// To be given to the next call; nil on the last page.
    package var continuation: String?

    package init(objects: [ObjectInfo] = [], commonPrefixes: [String] = [], continuation: String? = nil) {
        self.objects = objects
        self.commonPrefixes = commonPrefixes
        self.continuation = continuation
    }
}

/// What is written.
package enum ObjectBody: Sendable {
    case bytes([UInt8])
    /// Exactly `length` bytes out of the pipe.
    case pipe(BytePipe, length: Int64)

    package var length: Int64 {
        switch self {
        case .bytes(let bytes): Int64(bytes.count)
        case .pipe(_, let length): length
        }
    }
}

/// What the store said of an object it has just stored.
package struct StoredObject: Sendable, Hashable {
    /// Without its quotes; empty when the store told none.
    package var etag: String
    package init(etag: String) { self.etag = etag }
}

/// An object of this or another bucket of the same backend.
package struct ObjectReference: Sendable, Hashable {
    package var bucket: String
    package var key: String
    package init(bucket: String, key: String) {
        self.bucket = bucket
        self.key = key
    }
}

/// A finished part of a multipart upload.
package struct UploadedPart: Sendable, Hashable, Codable {
    package var number: Int
    package var etag: String
    package init(number: Int, etag: String) {
        self.number = number
        self.etag = etag
    }
}

/// A multipart upload that nobody has ended.
package struct PendingUpload: Sendable, Hashable {
    package var key: String
    package var uploadID: String
    package init(key: String, uploadID: String) {
        self.key = key
        self.uploadID = uploadID
    }
}

/// Sizes in bytes a store accepts.
package struct StoreLimits: Sendable, Hashable {
    /// S3: 5 GiB for one PUT.
    package var maximumPutSize: Int64 = 5 << 30
    /// S3: 5 GiB for one CopyObject.
    package var maximumCopySize: Int64 = 5 << 30
    /// S3: 5 MiB for every part but the last.
    package var minimumPartSize: Int64 = 5 << 20
    package var maximumParts: Int = 10_000
    package init() {}
}
