import ShardProtocol

/// How large a shard may be.
///
/// Small enough that every agent has several, so that a slow one delays the end by little; large enough that a shard's few
/// messages do not count.
package struct ShardLimits: Sendable, Hashable {
    /// Bytes moved; a single larger task is a shard of its own.
    package var bytes: Int64
    package var tasks: Int

    package init(bytes: Int64 = 256 << 20, tasks: Int = 1000) {
        self.bytes = max(1, bytes)
        self.tasks = max(1, tasks)
    }
}

/// Cuts the copies of one segment group after the other into shards, as they come.
///
/// ```swift
/// for group in groups {
///     for copy in group { if let shard = cutter.add(copy) { … } }
///     if let shard = cutter.endGroup() { … }
/// }
/// ```
package struct ShardCutter: Sendable {
    private let source: StorageID
    private let destination: StorageID
    private let mode: TransferMode
    private let limits: ShardLimits
    private var nextID: Int
    private var current: [PlannedCopy] = []
    private var currentBytes: Int64 = 0

    /// - Parameter firstID: shards are numbered from here on.
    package init(
        source: StorageID, destination: StorageID, mode: TransferMode, limits: ShardLimits = ShardLimits(),
        firstID: Int = 1
    ) {
        self.source = source
        self.destination = destination
        self.mode = mode
        self.limits = limits
        self.nextID = firstID
    }

    /// Adds a copy and gives the shard that is full without it, if there is one.
    package mutating func add(_ copy: PlannedCopy) -> Shard? {
        let (bytes, overflow) = currentBytes.addingReportingOverflow(max(0, copy.bytes))
        let isFull = overflow || bytes > limits.bytes || current.count >= limits.tasks
        let shard = isFull ? cut() : nil
        current.append(copy)
        currentBytes += max(0, copy.bytes)
        return shard
    }

    /// The rest of the group, if there is one: the next copy begins another shard.
    package mutating func endGroup() -> Shard? { cut() }

    private mutating func cut() -> Shard? {
        guard !current.isEmpty else { return nil }
        let prefixes = KeyPrefixes(of: current)
        let shard = Shard(
            id: nextID, source: source, destination: destination, sourcePrefix: prefixes.source,
            destinationPrefix: prefixes.destination, mode: mode, tasks: current.map(prefixes.task))
        nextID += 1
        current = []
        currentBytes = 0
        return shard
    }
}
