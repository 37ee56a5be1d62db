/// A partition of a collection.
package struct PartitionBackup: Sendable, Hashable {
    package var partitionID: Int64 = 0
    package var name = ""
    package var collectionID: Int64 = 0
    /// The partition's own segments, its level-0 segments included.
    package var segments: [SegmentBackup] = []
    /// Bytes of the segments.
    package var size: Int64 = 0
    /// `NotLoad`, `Loading` or `Loaded`.
    package var loadState = ""

    package init() {}

    package init(partitionID: Int64, name: String, collectionID: Int64) {
        self.partitionID = partitionID
        self.name = name
        self.collectionID = collectionID
    }
}

/// A segment with its logs.
package struct SegmentBackup: Sendable, Hashable {
    /// The partition id of segments that concern all partitions.
    package static let allPartitions: Int64 = -1

    package var segmentID: Int64 = 0
    package var collectionID: Int64 = 0
    /// ``allPartitions`` for a level-0 segment of the whole collection.
    package var partitionID: Int64 = 0
    package var rowCount: Int64 = 0
    /// Empty when the reader was told to pass over them.
    package var insertLogs = FieldBinlogs()
    /// Field ids mean nothing here. Empty when the reader was told to pass over them.
    package var deltaLogs = FieldBinlogs()
    /// Bytes of all insert and delta logs.
    package var size: Int64 = 0
    /// The directory between partition and segment; 0 when there is none. Backups up to v0.4.3 share one among
    /// segments.
    package var groupID: Int64 = 0
    package var isL0 = false
    /// Empty when unknown.
    package var virtualChannel = ""
    /// 0 when unknown; 2 for column groups, whose ids then stand for the fields'.
    package var storageVersion: Int64 = 0

    package init() {}

    package init(segmentID: Int64, collectionID: Int64, partitionID: Int64) {
        self.segmentID = segmentID
        self.collectionID = collectionID
        self.partitionID = partitionID
    }
}

/// One log of a segment, in 24 bytes: a backup has a million of them. Its path follows from the ids.
package struct Binlog: Sendable, Hashable {
    /// 0 for delta logs.
    package var fieldID: Int64
    package var logID: Int64
    /// Bytes.
    package var size: Int64

    package init(fieldID: Int64 = 0, logID: Int64, size: Int64) {
        self.fieldID = fieldID
        self.logID = logID
        self.size = size
    }
}

/// The logs of a segment, grouped by field as the metadata has them.
///
/// One flat array; logs of a field stand together. A field without logs takes a place of its own, because the format
/// has a way to write it: an empty list of delta logs is `[{}]`.
package struct FieldBinlogs: Sendable, Hashable {
    /// Marks a field without logs.
    private static let emptyMark: Int64 = .min
    /// Shared by all segments that have it.
    private static let oneEmptyField = [Binlog(fieldID: 0, logID: 0, size: emptyMark)]

    private(set) var entries: [Binlog] = []

    package init() {}

    /// - Parameter binlogs: the logs of one field after those of another.
    package init(_ binlogs: [Binlog]) { entries = binlogs }

    /// A list of one field that has no logs and no id, as Milvus Backup writes it for a segment without delta logs:
    /// `[{}]`.
    package static let emptyField = FieldBinlogs(oneEmptyField)

    /// Whether there is no field at all.
    package var isEmpty: Bool { entries.isEmpty }

    /// The logs in order, without the marks of empty fields.
    package var binlogs: some Sequence<Binlog> { entries.lazy.filter { $0.size != Self.emptyMark } }

    /// Adds a log; the next one of the same field belongs to the same group.
    package mutating func append(_ binlog: Binlog) { entries.append(binlog) }

    package mutating func appendEmptyField(_ fieldID: Int64) {
        if entries.isEmpty && fieldID == 0 {
            entries = Self.oneEmptyField
        } else {
            entries.append(Binlog(fieldID: fieldID, logID: 0, size: Self.emptyMark))
        }
    }

    /// Calls `body` with each field and its logs, in order.
    package func forEachField(_ body: (_ fieldID: Int64, _ binlogs: ArraySlice<Binlog>) throws -> Void) rethrows {
        var start = 0
        while start < entries.count {
            let first = entries[start]
            var end = start + 1
            if first.size == Self.emptyMark {
                try body(first.fieldID, [])
            } else {
                while end < entries.count, entries[end].fieldID == first.fieldID, entries[end].size != Self.emptyMark {
                    end += 1
                }
                try body(first.fieldID, entries[start..<end])
            }
            start = end
        }
    }

    // MARK: Reading

    var count: Int { entries.count }

    /// Gives the field of the logs from `start` on, which was not known when they came.
    mutating func setFieldID(_ fieldID: Int64, from start: Int) {
        for index in start..<entries.count { entries[index].fieldID = fieldID }
    }

    /// Gives back what the array holds in reserve.
    mutating func trim() {
        // An allocation is rounded up a little in any case.
        if entries.capacity > entries.count + 2 { entries = entries.withUnsafeBufferPointer { Array($0) } }
    }
}
