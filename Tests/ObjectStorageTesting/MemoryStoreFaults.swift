import ObjectStorage
import Support

/// A call of the ``ObjectStore`` contract.
package enum StoreOperation: String, Sendable, Hashable, CaseIterable {
    case list, head, get, put, copy
    case createMultipartUpload, uploadPart, copyPart, completeMultipartUpload, abortMultipartUpload
    case listMultipartUploads, delete, createBucket
}

/// One call that a ``MemoryObjectStore`` was asked for.
package struct StoreCall: Sendable, Hashable {
    package var operation: StoreOperation
    /// The key, or the prefix of a listing; the first key of a deletion.
    package var key: String
    /// Of a ranged read or of a part that is copied.
    package var range: Range<Int64>?
    /// Of an uploaded or copied part.
    package var partNumber: Int?

    package init(_ operation: StoreOperation, key: String = "", range: Range<Int64>? = nil, partNumber: Int? = nil) {
        self.operation = operation
        self.key = key
        self.range = range
        self.partNumber = partNumber
    }
}

/// What goes wrong with the bytes of a read.
package enum BodyFault: Sendable, Hashable {
    /// The stream ends after so many bytes, as if the object were shorter, and nobody says so.
    case truncated(after: Int64)
    /// So many bytes more come than the object has.
    case extended(by: Int64)
    /// The first byte is another one.
    case corrupted
    /// The transfer breaks after so many bytes with a retryable error.
    case broken(after: Int64)
    /// After so many bytes nothing more comes, for ever.
    case stalled(after: Int64)
}

/// What a ``MemoryObjectStore`` does wrong, on demand. By default nothing.
package struct MemoryStoreFaults: Sendable {
    /// Called before each operation; throws to make it fail, sleeps to make it slow.
    package var before: @Sendable (StoreCall) async throws -> Void = { _ in }
    /// Asked at each read.
    package var bodyFault: @Sendable (StoreCall) -> BodyFault? = { _ in nil }
    /// Asked at each write of a body: the stored bytes get one wrong byte when it says true.
    package var damagesWrite: @Sendable (StoreCall) -> Bool = { _ in false }
    /// Asked at each write of a whole object: the ETag in the answer instead of the object's.
    package var garbledETag: @Sendable (StoreCall) -> String? = { _ in nil }
    /// Called after each piece of a body that is taken out of a pipe.
    package var betweenPieces: @Sendable () async throws -> Void = {}
    /// What listings say that every object has, instead of its size.
    package var listedSize: Int64?
    /// Thrown by `copy` and `copyPart`.
    package var copyRefusal: BackupError?
    /// Thrown by `createMultipartUpload`.
    package var multipartRefusal: BackupError?
    /// Conditions of writes are ignored silently, as by MinIO's older servers.
    package var ignoresConditions = false
    /// The store tells in which parts an object was uploaded, as S3 does and many others do not.
    package var tellsParts = false
    /// ETags look like MD5 and are none, as on S3 with a key of KMS.
    package var hasOpaqueETags = false
    /// ETags do not even look like MD5, as on Azure.
    package var hasForeignETags = false

    package init() {}
}

/// How often each operation was called, and how many were under way at the same time at most.
package struct StoreCallCounts: Sendable {
    package fileprivate(set) var calls: [StoreCall] = []
    package fileprivate(set) var peak: [StoreOperation: Int] = [:]
    private var running: [StoreOperation: Int] = [:]

    package func count(_ operation: StoreOperation) -> Int { calls.count { $0.operation == operation } }
    package func count(_ operation: StoreOperation, key: String) -> Int {
        calls.count { $0.operation == operation && $0.key == key }
    }

    mutating func begin(_ call: StoreCall) {
        calls.append(call)
        let now = running[call.operation, default: 0] + 1
        running[call.operation] = now
        peak[call.operation] = max(peak[call.operation, default: 0], now)
    }

    mutating func end(_ call: StoreCall) { running[call.operation, default: 0] -= 1 }
}
