import ShardProtocol

extension AgentMessage {
    private static let lease = Lease(job: "job-1", shard: 7, epoch: 3)

    /// One of every case, in the order of the kinds.
    static let samples: [AgentMessage] = [
        .hello(.sample(allowedRoots: [BackupPlace(bucket: "c", root: "old")])),
        .proof(Proof(proof: "00ff")),
        .probeAnswers(
            ProbeAnswers(answers: [
                .init(storage: .backup, value: "v"), .init(storage: .milvus, value: nil, failure: "timed out"),
            ])),
        .pull(Pull(shards: 3)),
        .heartbeat(Heartbeat(leases: [.init(lease: lease, bytes: 1 << 40, objects: 12)])),
        .completed(
            ShardCompletion(
                lease: lease,
                results: [
                    TaskResult(
                        index: 0, etag: "\"abc-2\"", checksum: Checksum(kind: "crc32c", value: "00"),
                        copiedByStore: true)
                ],
                bytes: 5, fallback: "AccessDenied")),
        .failed(
            ShardFailure(
                lease: lease, key: "files/ä/\u{1F600} \"x\"", message: "no", code: "notFound", isRetryable: true)),
        .returned(lease),
        .goodbye,
    ]
}

extension CoordinatorMessage {
    /// One of every case, in the order of the kinds.
    static let samples: [CoordinatorMessage] = [
        .challenge(Challenge(version: 1, nonce: "aa", proof: "bb")),
        .probes(
            Probes(
                stores: Hello.sample().stores,
                probes: [.init(storage: .backup, key: "backup/p"), .init(storage: .milvus, key: nil)])),
        .accepted(Accepted(heartbeatMilliseconds: 5000, leaseMilliseconds: 30000)),
        .refused(Refusal(message: "no", isRetryable: false)),
        .assignment(.sample(tasks: 2)),
        .cancel(Cancellation(leases: [Lease(job: "j", shard: 1, epoch: 2)], reason: "stopped")),
        .finish,
        .limits(TransferLimits(bandwidth: 1_000_000, requestsPerSecond: 2.5)),
    ]
}

extension Assignment {
    static func sample(tasks: Int) -> Assignment {
        Assignment(
            lease: Lease(job: "job-1", shard: 7, epoch: 3), backupName: "nightly",
            backupPlace: BackupPlace(bucket: "c", root: "old"),
            shard: Shard(
                id: 7, source: .milvus, destination: .backup, sourcePrefix: "files/",
                destinationPrefix: "backup/nightly/",
                mode: .auto,
                tasks: (0..<tasks).map {
                    CopyTask(
                        source: "insert_log/1/2/3/100/\($0)", destination: $0 == 1 ? "other" : nil, size: 4096,
                        etag: nil,
                        part: $0 == 1 ? PartRange(offset: 5, length: 6, uploadID: "u", number: 2) : nil)
                }),
            bandwidth: 1_000_000)
    }
}

extension Hello {
    static func sample(
        versions: [Int] = HandshakeRules.agentVersions, name: String = "a1", instance: String = "i1",
        nonce: String = String(repeating: "a", count: 64),
        capacity: Int = 4, stores: [StoreDescription]? = nil, allowedRoots: [BackupPlace]? = nil
    ) -> Hello {
        Hello(
            versions: versions, name: name, instance: instance, nonce: nonce, capacity: capacity,
            stores: stores ?? StoreDescription.samples, allowedRoots: allowedRoots)
    }
}

extension StoreDescription {
    static let samples = [
        StoreDescription(storage: .milvus, provider: "minio", bucket: "a", root: "files"),
        StoreDescription(storage: .backup, provider: "minio", bucket: "b", root: "backup"),
    ]
}

/// SplitMix64, so that a failure can be seen again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
