extension Schema {
    /// The keys the original does not have. They are spelled alike in both formats.
    ///
    /// - Parameter concurrencyKey: the key that counts the objects in flight, which the agent's number defaults to.
    static func additions(concurrencyKey: String) -> [Parameter] {
        [
            Parameter(keys: ["backup.maxSegmentGroupSize"], kind: .size, fallback: .value(.integer(2 << 30))),
            .text("server.listen", environment: ["MILVUS_BACKUP_LISTEN"]),
            .secret("server.token", environment: ["MILVUS_BACKUP_API_TOKEN"]),
            .text("server.tls.certPath"),
            .text("server.tls.keyPath"),
            .integer("backup.shard.maxSizeMiB", value: 256),
            .integer("backup.shard.maxObjects", value: 1000),
            // A single PUT and a single part hold at most 5 GiB, a part that is not the last one at least 5 MiB.
            .integer("transfer.multipartStreamThresholdMiB", value: 64, in: 1...5120),
            .integer("transfer.partSizeMiB", value: 64, in: 5...5120),
            .integer("transfer.largeObjectThresholdMiB", value: 256, in: Parameter.notNegative),
            .integer("transfer.stallTimeoutSeconds", value: 60),
            .integer("transfer.minConcurrency", value: 1),
            Parameter(keys: ["transfer.bandwidth"], kind: .bandwidth, fallback: .value(.integer(0))),
            .integer("transfer.requestsPerSecond", value: 0, in: Parameter.notNegative),
            .choice(
                "transfer.fastPath", value: "auto", of: TransferSettings.FastPath.allCases.map(\.rawValue),
                environment: ["MILVUS_BACKUP_FAST_PATH"]),
            .hostPort("coordinator.listen", ports: 0...65535),
            .secret("coordinator.token", environment: ["MILVUS_BACKUP_TOKEN"]),
            .integer("coordinator.leaseSeconds", value: 30),
            .integer("coordinator.heartbeatSeconds", value: 5),
            .integer("coordinator.maxShardFailures", value: 3),
            .text("coordinator.tls.certPath"),
            .text("coordinator.tls.keyPath"),
            .text("coordinator.tls.caPath"),
            Parameter(
                keys: ["coordinator.tls.allowedAgents"], kind: .list(acceptsText: true), fallback: .value(.list([]))),
            .text("agent.name"),
            .integer("agent.concurrency", value: 128).inheriting(from: concurrencyKey),
            .hostPort("agent.coordinator", ports: 1...65535),
            .text("agent.tls.caPath"),
            .text("agent.tls.certPath"),
            .text("agent.tls.keyPath"),
            .text("agent.tls.serverName"),
            Parameter(
                keys: ["agent.allowedRoots"], kind: .list(acceptsText: true), fallback: .value(.list([]))),
        ]
    }
}
