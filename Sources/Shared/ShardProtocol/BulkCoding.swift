import JSON
import Support

/// Messages that tell of a thousand objects at a time. All others are left to Foundation's coder, for which every object
/// would take several microseconds of each side's time.
protocol BulkCodable {
    init(from reader: inout JSONReader) throws
    func write(to writer: inout JSONWriter) throws
}

private func missing(_ member: String) -> BackupError { BackupError(.corrupted, "\(member) is missing") }

extension JSONReader {
    fileprivate mutating func readInt() throws -> Int { Int(try readInt64()) }

    fileprivate mutating func readCase<Value: RawRepresentable<String>>() throws -> Value {
        let text = try readRepeatedString()
        guard let value = Value(rawValue: text) else { throw BackupError(.corrupted, "unknown \(Value.self)") }
        return value
    }

    fileprivate mutating func readList<Value: BulkCodable>() throws -> [Value] {
        var values: [Value] = []
        try forEachElement { values.append(try Value(from: &$0)) }
        return values
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ key: String, _ value: some BulkCodable) throws {
        try self.key(key)
        try value.write(to: &self)
    }

    fileprivate mutating func member(_ key: String, _ values: [some BulkCodable]) throws {
        try self.key(key)
        try array(values) { try $1.write(to: &$0) }
    }
}

// MARK: From the coordinator

extension Assignment: BulkCodable {
    private enum Key: String, CaseIterable { case lease, backupName, backupPlace, shard, bandwidth }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (lease, backupName, backupPlace): (Lease?, String?, BackupPlace?)
        var (shard, bandwidth): (Shard?, Int64?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .lease: lease = try Lease(from: &reader)
            case .backupName: backupName = try reader.readString()
            case .backupPlace: backupPlace = try BackupPlace(from: &reader)
            case .shard: shard = try Shard(from: &reader)
            case .bandwidth: bandwidth = try reader.readInt64()
            }
        }
        guard let lease else { throw missing("lease") }
        guard let backupName else { throw missing("backupName") }
        guard let shard else { throw missing("shard") }
        self.init(lease: lease, backupName: backupName, backupPlace: backupPlace, shard: shard, bandwidth: bandwidth)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("lease", lease)
            try writer.member("backupName", backupName)
            if let backupPlace { try writer.member("backupPlace", backupPlace) }
            try writer.member("shard", shard)
            if let bandwidth { try writer.member("bandwidth", bandwidth) }
        }
    }
}

extension Lease: BulkCodable {
    private enum Key: String, CaseIterable { case job, shard, epoch }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (job, shard, epoch): (String?, Int?, Int?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .job: job = try reader.readString()
            case .shard: shard = try reader.readInt()
            case .epoch: epoch = try reader.readInt()
            }
        }
        guard let job else { throw missing("job") }
        guard let shard else { throw missing("shard") }
        guard let epoch else { throw missing("epoch") }
        self.init(job: job, shard: shard, epoch: epoch)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("job", job)
            try writer.member("shard", shard)
            try writer.member("epoch", epoch)
        }
    }
}

extension BackupPlace: BulkCodable {
    private enum Key: String, CaseIterable { case bucket, root }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (bucket, root): (String?, String?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .bucket: bucket = try reader.readString()
            case .root: root = try reader.readString()
            }
        }
        guard let bucket else { throw missing("bucket") }
        guard let root else { throw missing("root") }
        self.init(bucket: bucket, root: root)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("bucket", bucket)
            try writer.member("root", root)
        }
    }
}

extension Shard: BulkCodable {
    private enum Key: String, CaseIterable {
        case id, operation, source, destination, sourcePrefix, destinationPrefix, mode, sameBackend, tasks
    }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (id, operation, mode): (Int?, ShardOperation?, TransferMode?)
        var (source, destination): (StorageID?, StorageID?)
        var (sourcePrefix, destinationPrefix): (String?, String?)
        var (sameBackend, tasks): (Bool?, [CopyTask]?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .id: id = try reader.readInt()
            case .operation: operation = try reader.readCase()
            case .source: source = try reader.readCase()
            case .destination: destination = try reader.readCase()
            case .sourcePrefix: sourcePrefix = try reader.readString()
            case .destinationPrefix: destinationPrefix = try reader.readString()
            case .mode: mode = try reader.readCase()
            case .sameBackend: sameBackend = try reader.readBool()
            case .tasks: tasks = try reader.readList()
            }
        }
        guard let id else { throw missing("id") }
        guard let source, let destination else { throw missing("a storage") }
        guard let sourcePrefix, let destinationPrefix else { throw missing("a prefix") }
        guard let mode else { throw missing("mode") }
        guard let tasks else { throw missing("tasks") }
        self.init(
            id: id, operation: operation, source: source, destination: destination, sourcePrefix: sourcePrefix,
            destinationPrefix: destinationPrefix, mode: mode, sameBackend: sameBackend, tasks: tasks)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("id", id)
            if let operation { try writer.member("operation", operation.rawValue) }
            try writer.member("source", source.rawValue)
            try writer.member("destination", destination.rawValue)
            try writer.member("sourcePrefix", sourcePrefix)
            try writer.member("destinationPrefix", destinationPrefix)
            try writer.member("mode", mode.rawValue)
            if let sameBackend { try writer.member("sameBackend", sameBackend) }
            try writer.member("tasks", tasks)
        }
    }
}

extension CopyTask: BulkCodable {
    private enum Key: String, CaseIterable { case source, destination, size, etag, part }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (source, destination, etag): (String?, String?, String?)
        var (size, part): (Int64?, PartRange?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .source: source = try reader.readString()
            case .destination: destination = try reader.readString()
            case .size: size = try reader.readInt64()
            case .etag: etag = try reader.readString()
            case .part: part = try PartRange(from: &reader)
            }
        }
        guard let source else { throw missing("source") }
        guard let size else { throw missing("size") }
        self.init(source: source, destination: destination, size: size, etag: etag, part: part)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("source", source)
            if let destination { try writer.member("destination", destination) }
            try writer.member("size", size)
            if let etag { try writer.member("etag", etag) }
            if let part { try writer.member("part", part) }
        }
    }
}

extension PartRange: BulkCodable {
    private enum Key: String, CaseIterable { case offset, length, uploadID, number, count }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (offset, length): (Int64?, Int64?)
        var (uploadID, number, count): (String?, Int?, Int?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .offset: offset = try reader.readInt64()
            case .length: length = try reader.readInt64()
            case .uploadID: uploadID = try reader.readString()
            case .number: number = try reader.readInt()
            case .count: count = try reader.readInt()
            }
        }
        guard let offset, let length else { throw missing("the range") }
        guard let uploadID else { throw missing("uploadID") }
        guard let number else { throw missing("number") }
        self.init(offset: offset, length: length, uploadID: uploadID, number: number, count: count)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("offset", offset)
            try writer.member("length", length)
            try writer.member("uploadID", uploadID)
            try writer.member("number", number)
            if let count { try writer.member("count", count) }
        }
    }
}

// MARK: From agents

extension ShardCompletion: BulkCodable {
    private enum Key: String, CaseIterable { case lease, results, bytes, fallback }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (lease, results): (Lease?, [TaskResult]?)
        var (bytes, fallback): (Int64?, String?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .lease: lease = try Lease(from: &reader)
            case .results: results = try reader.readList()
            case .bytes: bytes = try reader.readInt64()
            case .fallback: fallback = try reader.readString()
            }
        }
        guard let lease else { throw missing("lease") }
        guard let results else { throw missing("results") }
        guard let bytes else { throw missing("bytes") }
        self.init(lease: lease, results: results, bytes: bytes, fallback: fallback)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("lease", lease)
            try writer.member("results", results)
            try writer.member("bytes", bytes)
            if let fallback { try writer.member("fallback", fallback) }
        }
    }
}

extension TaskResult: BulkCodable {
    private enum Key: String, CaseIterable { case index, etag, checksum, copiedByStore, damage }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (index, copiedByStore): (Int?, Bool?)
        var (etag, checksum, damage): (String?, Checksum?, String?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .index: index = try reader.readInt()
            case .etag: etag = try reader.readString()
            case .checksum: checksum = try Checksum(from: &reader)
            case .copiedByStore: copiedByStore = try reader.readBool()
            case .damage: damage = try reader.readString()
            }
        }
        guard let index else { throw missing("index") }
        guard let copiedByStore else { throw missing("copiedByStore") }
        self.init(index: index, etag: etag, checksum: checksum, copiedByStore: copiedByStore, damage: damage)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("index", index)
            if let etag { try writer.member("etag", etag) }
            if let checksum { try writer.member("checksum", checksum) }
            try writer.member("copiedByStore", copiedByStore)
            if let damage { try writer.member("damage", damage) }
        }
    }
}

extension Checksum: BulkCodable {
    private enum Key: String, CaseIterable { case kind, value }
    private static let keys = JSONKeys<Key>()

    init(from reader: inout JSONReader) throws {
        var (kind, value): (String?, String?)
        try reader.forEachMember(Self.keys) { reader, key in
            switch key {
            case .kind: kind = try reader.readRepeatedString()
            case .value: value = try reader.readString()
            }
        }
        guard let kind else { throw missing("kind") }
        guard let value else { throw missing("value") }
        self.init(kind: kind, value: value)
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("kind", kind)
            try writer.member("value", value)
        }
    }
}
