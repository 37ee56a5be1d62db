/// What the coordinator says. Each case is one frame kind; its payload is the associated value.
package enum CoordinatorMessage: Sendable, Hashable {
    // MARK: Handshake
    case challenge(Challenge)
    case probes(Probes)
    case accepted(Accepted)
    /// The agent is not wanted; the connection ends. Said at any time.
    case refused(Refusal)
    // MARK: Work
    case assignment(Assignment)
    /// Stop these shards. The agent answers each with `returned`, or with the result that was on its way.
    case cancel(Cancellation)
    /// How much the agent may use from now on, all its shards together. Said before the first assignment and whenever it
    /// changes; an agent that has heard nothing is bound by its own configuration.
    case limits(TransferLimits)
    /// There will be no more work on this connection: end it when the last shard is reported.
    case finish
}

/// The answer to ``Hello``: which version is spoken, and the coordinator's proof that it knows the token.
package struct Challenge: Sendable, Hashable, Codable {
    package var version: Int
    /// Random, hexadecimal, 32 bytes, new for every connection.
    package var nonce: String
    /// Hexadecimal; empty when no token is in use.
    package var proof: String

    package init(version: Int, nonce: String, proof: String) {
        self.version = version
        self.nonce = nonce
        self.proof = proof
    }
}

/// Where to look to prove that both sides see the same stores.
package struct Probes: Sendable, Hashable, Codable {
    package struct Probe: Sendable, Hashable, Codable {
        package var storage: StorageID
        /// An object that the coordinator has just written, whose content the agent answers; nil where the coordinator
        /// may not write: then the agent answers a fingerprint of the first page of the listing below the root.
        package var key: String?
        package init(storage: StorageID, key: String?) {
            self.storage = storage
            self.key = key
        }
    }
    /// What the coordinator takes the storage ids to be.
    package var stores: [StoreDescription]
    package var probes: [Probe]
    package init(stores: [StoreDescription], probes: [Probe]) {
        self.stores = stores
        self.probes = probes
    }
}

/// The handshake is over, work may be pulled.
package struct Accepted: Sendable, Hashable, Codable {
    package var heartbeatMilliseconds: Int
    package var leaseMilliseconds: Int
    package init(heartbeatMilliseconds: Int, leaseMilliseconds: Int) {
        self.heartbeatMilliseconds = heartbeatMilliseconds
        self.leaseMilliseconds = leaseMilliseconds
    }
}

/// Why the agent is not wanted.
package struct Refusal: Sendable, Hashable, Codable {
    /// One line that an operator can act on.
    package var message: String
    /// Whether the agent should try again later with the same configuration.
    package var isRetryable: Bool
    package init(message: String, isRetryable: Bool) {
        self.message = message
        self.isRetryable = isRetryable
    }
}

/// A shard to be copied under a lease.
package struct Assignment: Sendable, Hashable {
    package var lease: Lease
    /// The backup that is being made or restored: where the agent may write depends on it.
    package var backupName: String
    /// Where the backup lies when that is elsewhere than the agent is configured to look. Sent only to agents that have named
    /// it in their hello.
    package var backupPlace: BackupPlace?
    package var shard: Shard
    /// Bytes per second this shard may use; nil for no limit.
    package var bandwidth: Int64?

    package init(
        lease: Lease, backupName: String, backupPlace: BackupPlace? = nil, shard: Shard, bandwidth: Int64? = nil
    ) {
        self.lease = lease
        self.backupName = backupName
        self.backupPlace = backupPlace
        self.shard = shard
        self.bandwidth = bandwidth
    }
}

/// What copies may use, all together.
package struct TransferLimits: Sendable, Hashable, Codable {
    /// Bytes per second that pass through; nil for no limit.
    package var bandwidth: Int64?
    /// Requests to stores; nil for no limit.
    package var requestsPerSecond: Double?

    package init(bandwidth: Int64? = nil, requestsPerSecond: Double? = nil) {
        self.bandwidth = bandwidth
        self.requestsPerSecond = requestsPerSecond
    }

    package var isUnlimited: Bool { bandwidth == nil && requestsPerSecond == nil }
}

/// Leases that have ended.
package struct Cancellation: Sendable, Hashable, Codable {
    package var leases: [Lease]
    package var reason: String
    package init(leases: [Lease], reason: String) {
        self.leases = leases
        self.reason = reason
    }
}
