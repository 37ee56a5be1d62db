/// Packs the segments of one partition into groups of a bounded size.
///
/// Segments keep their order. One that would overflow the current group opens the next one, and a segment larger than the
/// limit has a group of its own.
package struct SegmentGrouping: Sendable {
    package struct Segment: Sendable, Hashable {
        package var id: Int64
        /// Of all its objects together.
        package var bytes: Int64

        package init(id: Int64, bytes: Int64) {
            self.id = id
            self.bytes = bytes
        }
    }

    /// 2 GiB, as in the original.
    package static let defaultMaximumSize: Int64 = 2 << 30

    /// Bytes of a group.
    package let maximumSize: Int64

    package init(maximumSize: Int64 = SegmentGrouping.defaultMaximumSize) { self.maximumSize = maximumSize }

    /// The groups, none of them empty.
    package func groups(of segments: some Sequence<Segment>) -> [[Segment]] {
        var groups: [[Segment]] = []
        var room: Int64 = 0
        for segment in segments {
            if let last = groups.indices.last, segment.bytes <= room {
                groups[last].append(segment)
                room -= segment.bytes
            } else {
                groups.append([segment])
                room = maximumSize - segment.bytes
            }
        }
        return groups
    }
}
