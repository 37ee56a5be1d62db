/// What an agent says. Each case is one frame kind; its payload is the associated value.
package enum AgentMessage: Sendable, Hashable {
    // MARK: Handshake
    case hello(Hello)
    case proof(Proof)
    case probeAnswers(ProbeAnswers)
    // MARK: Work
    /// Asks for shards. The coordinator answers with assignments as soon as it has some.
    case pull(Pull)
    /// Says that the agent lives and how far it is.
    case heartbeat(Heartbeat)
    /// Every task of a shard is done and checked.
    case completed(ShardCompletion)
    /// A shard could not be finished; the coordinator gives it to somebody else.
    case failed(ShardFailure)
    /// The agent gives a shard back without having failed: it is about to end, or was asked to stop it.
    case returned(Lease)
    /// The agent ends; it holds no shard any more.
    case goodbye
}

/// The agent's first message.
package struct Hello: Sendable, Hashable, Codable {
    /// Versions of the protocol it speaks.
    package var versions: [Int]
    /// Its name, for logs and tables; unique names are the operator's affair.
    package var name: String
    /// Random, chosen once in the process's life, so that a reconnecting agent is known again.
    package var instance: String
    /// Random, hexadecimal, 32 bytes, new for every connection.
    package var nonce: String
    /// How many shards it works on at a time, at most.
    package var capacity: Int
    /// What it is configured to look at.
    package var stores: [StoreDescription]
    /// Where else in the backup store it may work; nil as empty.
    package var allowedRoots: [BackupPlace]?

    package init(
        versions: [Int], name: String, instance: String, nonce: String, capacity: Int, stores: [StoreDescription],
        allowedRoots: [BackupPlace]? = nil
    ) {
        self.versions = versions
        self.name = name
        self.instance = instance
        self.nonce = nonce
        self.capacity = capacity
        self.stores = stores
        self.allowedRoots = allowedRoots
    }
}

/// What one side takes a storage id to be. The endpoint is not compared: every host may have a way of its own.
package struct StoreDescription: Sendable, Hashable, Codable {
    package var storage: StorageID
    package var provider: String
    package var bucket: String
    package var root: String

    package init(storage: StorageID, provider: String, bucket: String, root: String) {
        self.storage = storage
        self.provider = provider
        self.bucket = bucket
        self.root = root
    }
}

/// The agent's proof that it knows the token; see ``HandshakeProof``.
package struct Proof: Sendable, Hashable, Codable {
    /// Hexadecimal; empty when no token is in use.
    package var proof: String
    package init(proof: String) { self.proof = proof }
}

/// What the agent found where the coordinator's ``Probe``s told it to look.
package struct ProbeAnswers: Sendable, Hashable, Codable {
    package struct Answer: Sendable, Hashable, Codable {
        package var storage: StorageID
        /// The content found, or the fingerprint of the listing; nil when it failed.
        package var value: String?
        /// Why it failed, in one line.
        package var failure: String?

        package init(storage: StorageID, value: String?, failure: String? = nil) {
            self.storage = storage
            self.value = value
            self.failure = failure
        }
    }
    package var answers: [Answer]
    package init(answers: [Answer]) { self.answers = answers }
}

/// Asks for work.
package struct Pull: Sendable, Hashable, Codable {
    /// Shards the agent could begin now, on top of those it has.
    package var shards: Int
    package init(shards: Int) { self.shards = shards }
}

/// Sent every few seconds for all leases at once.
package struct Heartbeat: Sendable, Hashable, Codable {
    package struct Progress: Sendable, Hashable, Codable {
        package var lease: Lease
        /// Bytes and objects of this shard done so far, unfinished objects included in `bytes`.
        package var bytes: Int64
        package var objects: Int

        package init(lease: Lease, bytes: Int64, objects: Int) {
            self.lease = lease
            self.bytes = bytes
            self.objects = objects
        }
    }
    package var leases: [Progress]
    package init(leases: [Progress]) { self.leases = leases }
}

/// A checksum of the bytes that were copied.
package struct Checksum: Sendable, Hashable {
    /// `crc32c`, `crc64nvme`, `md5`, …
    package var kind: String
    /// Hexadecimal.
    package var value: String
    package init(kind: String, value: String) {
        self.kind = kind
        self.value = value
    }
}

/// How a task ended.
package struct TaskResult: Sendable, Hashable {
    /// Place of the task in its shard.
    package var index: Int
    /// ETag of the destination. When it was verified: the one that the bytes give.
    package var etag: String?
    package var checksum: Checksum?
    /// Whether the store did the copying.
    package var copiedByStore: Bool
    /// Why an object that was to be verified could not be read as a whole, in one line.
    package var damage: String?

    package init(
        index: Int, etag: String? = nil, checksum: Checksum? = nil, copiedByStore: Bool, damage: String? = nil
    ) {
        self.index = index
        self.etag = etag
        self.checksum = checksum
        self.copiedByStore = copiedByStore
        self.damage = damage
    }
}

/// A finished shard.
package struct ShardCompletion: Sendable, Hashable {
    package var lease: Lease
    package var results: [TaskResult]
    /// Bytes that this agent has copied for the shard.
    package var bytes: Int64
    /// Set when `auto` had to fall back to streaming: why the store refused.
    package var fallback: String?

    package init(lease: Lease, results: [TaskResult], bytes: Int64, fallback: String? = nil) {
        self.lease = lease
        self.results = results
        self.bytes = bytes
        self.fallback = fallback
    }
}

/// A shard that failed on this agent.
package struct ShardFailure: Sendable, Hashable, Codable {
    package var lease: Lease
    /// The first object that failed.
    package var key: String
    /// One line.
    package var message: String
    /// A ``BackupError/Code``.
    package var code: String
    /// Whether another try may help.
    package var isRetryable: Bool

    package init(lease: Lease, key: String, message: String, code: String, isRetryable: Bool) {
        self.lease = lease
        self.key = key
        self.message = message
        self.code = code
        self.isRetryable = isRetryable
    }
}
