import BackupFormat
import ShardProtocol
import ShardScheduling

/// A copy for every log of the segments, made one by one as they are asked for, also through a filter: there are very many.
///
/// - Parameters:
///   - isWanted: whether logs of a size are among them.
///   - keys: where a log is, and where it goes.
func plannedCopies(
    of segments: [SegmentBackup], where isWanted: @escaping @Sendable (Int64) -> Bool = { _ in true },
    keys: @escaping @Sendable (LogKind, Binlog, SegmentBackup) -> (source: String, destination: String)
) -> some LazySequenceProtocol & Sequence<PlannedCopy> {
    segments.lazy.flatMap { segment in
        LogKind.allCases.lazy.flatMap { kind in
            segment.logs(kind).binlogs.lazy.filter { isWanted($0.size) }.map { log in
                let (source, destination) = keys(kind, log, segment)
                return PlannedCopy(source: source, destination: destination, size: log.size)
            }
        }
    }
}

/// How many shards the logs of the segments become, without making a single key.
func workAmount(of segments: [SegmentBackup], limits: ShardLimits) -> WorkAmount {
    var amount = WorkAmount()
    var fill = ShardFill(limits: limits)
    for segment in segments {
        for kind in LogKind.allCases {
            for log in segment.logs(kind).binlogs {
                let shards = limits.partShards(of: log.size) ?? (fill.add(log.size) ? 1 : 0)
                amount += WorkAmount(shards: shards, objects: 1, bytes: log.size)
            }
        }
    }
    if !fill.isEmpty { amount.shards += 1 }
    return amount
}

extension ShardLimits {
    /// How many shards the parts of an object become when its source does not say how it is to be cut; nil for an object that
    /// is a task of an ordinary shard.
    fileprivate func partShards(of size: Int64) -> Int? {
        size < largeObject ? nil : Int((size - 1) / partBytes) + 1
    }
}

extension SegmentBackup {
    func logs(_ kind: LogKind) -> FieldBinlogs { kind == .insert ? insertLogs : deltaLogs }
}

/// The shards of one segment group.
struct ShardSequence<Copies: Sequence<PlannedCopy>>: Sequence, IteratorProtocol {
    private var copies: Copies.Iterator
    private var cutter: ShardCutter

    init(copies: Copies, cutter: ShardCutter) {
        self.copies = copies.makeIterator()
        self.cutter = cutter
    }

    mutating func next() -> Shard? {
        while let copy = copies.next() {
            if let shard = cutter.add(copy) { return shard }
        }
        return cutter.endGroup()
    }
}
