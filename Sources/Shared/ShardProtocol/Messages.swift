import Support

/// The two object stores that are configured. Nothing on the wire names a store in any other way.
package enum StorageID: String, Sendable, Hashable, Codable, CaseIterable {
    case milvus
    case backup
}

/// One object, or one byte range of a large object, to be copied.
package struct CopyTask: Sendable, Hashable {
    /// Key below the shard's `sourcePrefix`.
    package var source: String
    /// Key below the shard's `destinationPrefix`; absent when it is the same as `source`.
    package var destination: String?
    /// Bytes of the whole object, as listed.
    package var size: Int64
    /// ETag that the source must still have; nil when unknown. When it is verified: one that the bytes are to be compared with.
    package var etag: String?
    /// Nil means the whole object.
    package var part: PartRange?

    package init(source: String, destination: String? = nil, size: Int64, etag: String? = nil, part: PartRange? = nil) {
        self.source = source
        self.destination = destination
        self.size = size
        self.etag = etag
        self.part = part
    }

    /// Bytes this task moves.
    package var bytes: Int64 { part?.length ?? size }
    /// 1; of an object in parts the first part counts for all of them.
    package var objects: Int { part.map { $0.number == 1 } ?? true ? 1 : 0 }
}

/// A part of a large object, uploaded into a multipart upload that the coordinator owns.
package struct PartRange: Sendable, Hashable {
    package var offset: Int64
    package var length: Int64
    package var uploadID: String
    package var number: Int
    /// Parts of the whole, when the object's ETag will prove the copy: then the bytes need not be seen.
    package var count: Int?

    package init(offset: Int64, length: Int64, uploadID: String, number: Int, count: Int? = nil) {
        self.offset = offset
        self.length = length
        self.uploadID = uploadID
        self.number = number
        self.count = count
    }
}

/// How bytes get from one store to the other.
package enum TransferMode: String, Sendable, Hashable, Codable {
    /// The store copies, when both are one backend; when they are not, or it refuses, the bytes are streamed.
    case auto
    /// The store copies; when it refuses, the task fails.
    case direct
    /// The bytes pass through the worker.
    case streaming
}

/// What is done with the objects of a shard.
package enum ShardOperation: String, Sendable, Hashable, Codable {
    case copy
    /// Every object is read, and what its bytes add up to is reported. Source and destination are the same storage.
    case verify
}

/// What one agent takes at a time.
package struct Shard: Sendable, Hashable {
    package var id: Int
    /// Nil stands for `copy`.
    package var operation: ShardOperation?
    package var source: StorageID
    package var destination: StorageID
    /// Put before every task's source key.
    package var sourcePrefix: String
    /// Put before every task's destination key.
    package var destinationPrefix: String
    package var mode: TransferMode
    /// With `auto`: the coordinator has found both stores to be one backend, whatever endpoints the agent reaches them by. Nil
    /// from coordinators that leave it to the agent.
    package var sameBackend: Bool?
    package var tasks: [CopyTask]

    package init(
        id: Int, operation: ShardOperation? = nil, source: StorageID, destination: StorageID, sourcePrefix: String,
        destinationPrefix: String, mode: TransferMode, sameBackend: Bool? = nil, tasks: [CopyTask]
    ) {
        self.id = id
        self.operation = operation
        self.source = source
        self.destination = destination
        self.sourcePrefix = sourcePrefix
        self.destinationPrefix = destinationPrefix
        self.mode = mode
        self.sameBackend = sameBackend
        self.tasks = tasks
    }

    /// Bytes this shard moves.
    package var bytes: Int64 { tasks.reduce(0) { $0 &+ $1.bytes } }
    /// Objects of it; those in parts count where their first part is.
    package var objects: Int { tasks.reduce(0) { $0 + $1.objects } }
}

/// An agent's right to a shard. A later lease of the same shard has a higher epoch.
package struct Lease: Sendable, Hashable, Codable {
    package var job: String
    package var shard: Int
    package var epoch: Int

    package init(job: String, shard: Int, epoch: Int) {
        self.job = job
        self.shard = shard
        self.epoch = epoch
    }
}
