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
}

extension SourceKey {
    /// Takes the part of a key apart that follows the root; nil when it is not that of a log.
    ///
    /// Ids must be in their shortest form, so that the key can be made again out of them.
    ///
    /// - Parameters:
    ///   - prefix: what the key must begin with.
    ///   - mayHaveGroup: whether another level may stand between partition and segment, as in a backup.
    /// - Returns: what the key says, and the group, which is 0 where there is none.
    static func parse(
        _ key: String, after prefix: String, mayHaveGroup: Bool
    ) -> (source: SourceKey, groupID: Int64)? {
        // Strings that came from Swift code are contiguous; others are copied.
        let parsed = key.utf8.withContiguousStorageIfAvailable { parse($0, after: prefix, mayHaveGroup: mayHaveGroup) }
        if let parsed { return parsed }
        return Array(key.utf8).withUnsafeBufferPointer { parse($0, after: prefix, mayHaveGroup: mayHaveGroup) }
    }

    private static func parse(
        _ key: UnsafeBufferPointer<UInt8>, after prefix: String, mayHaveGroup: Bool
    ) -> (source: SourceKey, groupID: Int64)? {
        var cursor = KeyCursor(bytes: key)
        guard
            cursor.take(prefix), let kind = cursor.takeKind(),
            let collection = cursor.takeNumber(), cursor.takeSlash(),
            let partition = cursor.takeNumber(mayBeNegative: kind == .delta)
        else { return nil }
        // Segment, field and log, or segment and log; perhaps with a group before them.
        var numbers = SIMD4<Int64>()
        var count = 0
        while count < numbers.scalarCount, cursor.takeSlash() {
            guard let number = cursor.takeNumber() else { return nil }
            numbers[count] = number
            count += 1
        }
        let usualCount = kind == .insert ? 3 : 2
        let groupCount = count - usualCount
        guard cursor.isAtEnd, groupCount == 0 || (groupCount == 1 && mayHaveGroup) else { return nil }
        let source = SourceKey(
            kind: kind, collectionID: collection, partitionID: partition, segmentID: numbers[groupCount],
            fieldID: kind == .insert ? numbers[groupCount + 1] : 0, logID: numbers[count - 1])
        return (source, groupCount == 0 ? 0 : numbers[0])
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

    /// `insert_log/` or `delta_log/`.
    mutating func takeKind() -> LogKind? {
        if take("insert_log/") { return .insert }
        return take("delta_log/") ? .delta : nil
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
