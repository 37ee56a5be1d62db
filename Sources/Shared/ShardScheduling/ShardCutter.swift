import ShardProtocol

/// How large a shard may be.
///
/// Small enough that every agent has several, so that a slow one delays the end by little; large enough that a shard's few
/// messages do not count.
package struct ShardLimits: Sendable, Hashable {
    /// Bytes moved; a single larger task is a shard of its own.
    package var bytes: Int64
    package var tasks: Int
    /// Objects of at least so many bytes are cut into parts, which are the tasks of shards of their own.
    package var largeObject: Int64
    /// Bytes of a shard of parts; a single larger part is a shard of its own.
    package var partBytes: Int64

    package init(
        bytes: Int64 = 256 << 20, tasks: Int = 1000, largeObject: Int64 = .max, partBytes: Int64 = 64 << 20
    ) {
        self.bytes = max(1, bytes)
        self.tasks = max(1, tasks)
        self.largeObject = max(1, largeObject)
        self.partBytes = max(1, partBytes)
    }

    /// For the parts of one object.
    package var ofParts: ShardLimits { ShardLimits(bytes: partBytes, tasks: tasks) }
}

/// Says when a shard is full.
package struct ShardFill: Sendable {
    private let limits: ShardLimits
    private var tasks = 0
    private var bytes: Int64 = 0

    package init(limits: ShardLimits) { self.limits = limits }

    package var isEmpty: Bool { tasks == 0 }

    /// Adds a task; true when the shard was full without it, so that it begins the next one.
    package mutating func add(_ size: Int64) -> Bool {
        let size = max(0, size)
        let (sum, overflow) = bytes.addingReportingOverflow(size)
        let isFull = tasks > 0 && (overflow || sum > limits.bytes || tasks >= limits.tasks)
        tasks = isFull ? 1 : tasks + 1
        bytes = isFull ? size : sum
        return isFull
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
    private let operation: ShardOperation?
    private let source: StorageID
    private let destination: StorageID
    private let mode: TransferMode
    private let limits: ShardLimits
    private var nextID: Int
    private var current: [PlannedCopy] = []
    private var fill: ShardFill

    /// - Parameters:
    ///   - mode: `auto` only when both stores are one backend.
    ///   - firstID: shards are numbered from here on.
    package init(
        source: StorageID, destination: StorageID, mode: TransferMode, limits: ShardLimits = ShardLimits(),
        firstID: Int = 1
    ) {
        self.init(
            operation: nil, source: source, destination: destination, mode: mode, limits: limits, firstID: firstID)
    }

    /// Shards whose objects are read where they are.
    package init(verifying storage: StorageID, limits: ShardLimits) {
        self.init(
            operation: .verify, source: storage, destination: storage, mode: .streaming, limits: limits, firstID: 1)
    }

    private init(
        operation: ShardOperation?, source: StorageID, destination: StorageID, mode: TransferMode,
        limits: ShardLimits, firstID: Int
    ) {
        self.operation = operation
        self.source = source
        self.destination = destination
        self.mode = mode
        self.limits = limits
        self.nextID = firstID
        self.fill = ShardFill(limits: limits)
    }

    /// Adds a copy and gives the shard that is full without it, if there is one.
    package mutating func add(_ copy: PlannedCopy) -> Shard? {
        let shard = fill.add(copy.bytes) ? cut() : nil
        current.append(copy)
        return shard
    }

    /// The rest of the group, if there is one: the next copy begins another shard.
    package mutating func endGroup() -> Shard? {
        fill = ShardFill(limits: limits)
        return cut()
    }

    private mutating func cut() -> Shard? {
        guard !current.isEmpty else { return nil }
        let prefixes = KeyPrefixes(of: current)
        let shard = Shard(
            id: nextID, operation: operation, source: source, destination: destination,
            sourcePrefix: prefixes.source, destinationPrefix: prefixes.destination, mode: mode,
            sameBackend: mode == .auto ? true : nil, tasks: current.map(prefixes.task))
        nextID += 1
        current = []
        return shard
    }
}
