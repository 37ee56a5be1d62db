/// The two kinds of logs that a backup holds.
package enum LogKind: String, Sendable, Hashable, CaseIterable {
    case insert = "insert_log"
    case delta = "delta_log"

    /// Name of the directory, in Milvus' bucket and in a backup.
    package var directory: String { rawValue }
}

/// What the key of a log in Milvus' bucket says: `ROOT/insert_log/COLLECTION/PARTITION/SEGMENT/FIELD/LOG` or
/// `ROOT/delta_log/COLLECTION/PARTITION/SEGMENT/LOG`.
package struct SourceKey: Sendable, Hashable {
    package var kind: LogKind
    package var collectionID: Int64
    /// −1 in the delta logs of segments that concern all partitions.
    package var partitionID: Int64
    package var segmentID: Int64
    /// 0 for delta logs.
    package var fieldID: Int64
    package var logID: Int64

    package init(
        kind: LogKind, collectionID: Int64, partitionID: Int64, segmentID: Int64, fieldID: Int64 = 0, logID: Int64
    ) {
        self.kind = kind
        self.collectionID = collectionID
        self.partitionID = partitionID
        self.segmentID = segmentID
        self.fieldID = fieldID
        self.logID = logID
    }

    /// Takes a key apart; nil when it is not that of a log below `root`.
    ///
    /// Ids are in their shortest form, so that the key can be made again out of them.
    package static func parse(_ key: String, root: String) -> SourceKey? { SourceKeyParser(root: root).parse(key) }
}

/// Takes many keys below the same root apart, without allocating anything.
package struct SourceKeyParser: Sendable {
    private let rootPrefix: String

    /// - Parameter root: root of Milvus' data, in any form.
    package init(root: String) { rootPrefix = directoryPrefix(root) }

    /// What `key` says; nil when it is not that of a log below the root.
    package func parse(_ key: String) -> SourceKey? {
        // Strings that came from Swift code are contiguous; others are copied.
        key.utf8.withContiguousStorageIfAvailable { parse($0) } ?? Array(key.utf8).withUnsafeBufferPointer { parse($0) }
    }

    /// What a key says that is given by its bytes.
    package func parse(_ key: UnsafeBufferPointer<UInt8>) -> SourceKey? {
        var cursor = KeyCursor(bytes: key)
        guard cursor.take(rootPrefix) else { return nil }
        let kind: LogKind
        if cursor.take("insert_log/") {
            kind = .insert
        } else if cursor.take("delta_log/") {
            kind = .delta
        } else {
            return nil
        }
        guard
            let collection = cursor.takeNumber(), cursor.takeSlash(),
            let partition = cursor.takeNumber(mayBeNegative: kind == .delta), cursor.takeSlash(),
            let segment = cursor.takeNumber(), cursor.takeSlash(),
            let first = cursor.takeNumber()
        else { return nil }
        var source = SourceKey(
            kind: kind, collectionID: collection, partitionID: partition, segmentID: segment, logID: first)
        if kind == .insert {
            guard cursor.takeSlash(), let log = cursor.takeNumber() else { return nil }
            source.fieldID = first
            source.logID = log
        }
        return cursor.isAtEnd ? source : nil
    }
}

extension SourceKey {
    /// The number after the last slash; nil when there is none.
    static func lastNumber(of path: UnsafeBufferPointer<UInt8>) -> Int64? {
        let start = path.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
        var cursor = KeyCursor(bytes: UnsafeBufferPointer(rebasing: path[start...]))
        guard let number = cursor.takeNumber(), cursor.isAtEnd else { return nil }
        return number
    }
}

/// Goes through the bytes of a key.
private struct KeyCursor {
    let bytes: UnsafeBufferPointer<UInt8>
    var position = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func takeSlash() -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: "/") else { return false }
        position += 1
        return true
    }

    mutating func take(_ text: String) -> Bool {
        var next = position
        for byte in text.utf8 {
            guard next < bytes.count, bytes[next] == byte else { return false }
            next += 1
        }
        position = next
        return true
    }

    /// A decimal number without leading zeros that fits into 64 bits.
    mutating func takeNumber(mayBeNegative: Bool = false) -> Int64? {
        var isNegative = false
        if mayBeNegative, position < bytes.count, bytes[position] == UInt8(ascii: "-") {
            isNegative = true
            position += 1
        }
        let start = position
        var value: Int64 = 0
        while position < bytes.count {
            let digit = bytes[position] &- UInt8(ascii: "0")
            guard digit <= 9 else { break }
            guard position == start || value != 0 else { return nil }
            let (product, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = product.addingReportingOverflow(Int64(digit))
            guard !first, !second else { return nil }
            value = sum
            position += 1
        }
        guard position > start, !(isNegative && value == 0) else { return nil }
        return isNegative ? -value : value
    }
}
