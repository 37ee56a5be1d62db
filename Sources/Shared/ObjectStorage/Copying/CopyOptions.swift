import Support

/// How an ``ObjectCopier`` goes about it. Sizes in bytes.
package struct CopyOptions: Sendable {
    /// Objects of at least this size are copied by the store in parts; the original's `multipartCopyThresholdMiB`.
    ///
    /// Larger than any object for a store that copies in one request only.
    package var multipartCopyThreshold: Int64 = 500 << 20
    /// Parts of a store-side copy are at least this large.
    package var minimumCopyPartSize: Int64 = 10 << 20
    /// Parts of one object that the store copies at the same time.
    package var copyPartsPerObject = 10
    /// Copy requests under way at the same time, over all objects.
    package var maximumStoreCopies = 128

    /// Objects of at least this size are streamed in parts.
    package var multipartStreamThreshold: Int64 = 64 << 20
    /// Part size of a streamed object whose source does not tell its own.
    package var streamPartSize: Int64 = 64 << 20
    /// Parts of one object that are streamed at the same time.
    package var streamPartsPerObject = 4
    /// Streams under way at the same time, over all objects and parts. It bounds memory: each one holds a pipe. Of objects
    /// that need no whole pipe there may be more, up to ``streamShares`` times as many: where every answer is far away, only
    /// their number keeps the wire busy.
    package var maximumStreams = 64
    /// Copies at a time that an endpoint is left with, however often it asks to slow down.
    package var minimumRequests = 1
    /// Bytes a stream holds at most.
    package var pipeCapacity = 256 << 10

    /// For every request or stream by itself.
    package var retry = RetryPolicy.standard
    /// A stream that moves no byte for so long is ended and tried again.
    package var stallTimeout = Duration.seconds(60)
    /// Bytes per second that a store surely reaches when it copies by itself: such a request shows no progress, so it is
    /// given `stallTimeout` and the time this takes.
    package var slowestStoreCopy: Int64 = 8 << 20
    /// For ending an upload that has failed.
    package var abortTimeout = Duration.seconds(30)
    /// For what must be put in order when a copy is cancelled. A store that does not answer may be why.
    package var cancellationGrace = Duration.seconds(3)

    /// Whether bytes may go from socket to socket where both stores allow it.
    package var fastPath = FastPath.auto

    package init() {}

    /// Into how many shares a stream's memory is divided.
    static let streamShares = 16

    /// Shares that a stream of `length` bytes takes.
    func streamShares(_ length: Int64) -> Int {
        let capacity = max(1, pipeCapacity)
        let held = max(1, min(Int(clamping: length), capacity))
        return (held * CopyOptions.streamShares + capacity - 1) / capacity
    }

    /// How long a request that moves `size` bytes inside the store may take.
    func storeTimeout(_ size: Int64) -> Duration { stallTimeout + .seconds(size / max(1, slowestStoreCopy)) }
}

/// How streamed bytes go where both stores speak HTTP through a relay.
package enum FastPath: String, Sendable, Hashable, CaseIterable {
    /// From socket to socket; unseen by this process where the ETags will prove the copy, else with a checksum.
    case auto
    /// From socket to socket, always with a checksum.
    case checksummed
    /// Through a pipe in this process, one HTTP client reading and one writing.
    case off
}

/// Who moves the bytes of an object.
package enum CopyMode: Sendable, Hashable {
    /// ``directOrStreaming`` when both stores are one backend as they are reached here, else ``streaming``.
    case auto
    /// The store; when it refuses, the bytes are streamed.
    case directOrStreaming
    /// The store; when it refuses, the copy fails.
    case direct
    /// This process.
    case streaming
}

/// What is copied.
package struct CopySource: Sendable {
    package var store: any ObjectStore
    package var key: String
    /// Bytes, as listed.
    package var size: Int64
    /// As listed; nil when unknown. The object must still have it.
    package var etag: String?

    package init(store: any ObjectStore, key: String, size: Int64, etag: String? = nil) {
        self.store = store
        self.key = key
        self.size = size
        self.etag = etag?.isEmpty == true ? nil : etag
    }

    var reference: ObjectReference { ObjectReference(bucket: store.identity.bucket, key: key) }
}

/// Where it goes.
package struct CopyDestination: Sendable {
    package var store: any ObjectStore
    package var key: String

    package init(store: any ObjectStore, key: String) {
        self.store = store
        self.key = key
    }
}

/// How a copy went.
package struct CopyOutcome: Sendable, Hashable {
    /// ETag of the new object; empty when the store told none.
    package var etag: String
    /// Whether no byte passed this process.
    package var copiedByStore: Bool
    /// MD5 of the content, hexadecimal, when both stores agree on it.
    package var md5: String?
    /// CRC-32C of the content, when it was computed on the way.
    package var crc32c: UInt32?
    /// Why the store did not copy although it might have; nil when it did, or was not asked to.
    package var fallback: String?

    package init(
        etag: String, copiedByStore: Bool, md5: String? = nil, crc32c: UInt32? = nil, fallback: String? = nil
    ) {
        self.etag = etag
        self.copiedByStore = copiedByStore
        self.md5 = md5
        self.crc32c = crc32c
        self.fallback = fallback
    }
}
