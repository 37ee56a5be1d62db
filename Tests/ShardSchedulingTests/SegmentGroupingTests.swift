import ShardScheduling
import Testing

@Suite struct SegmentGroupingTests {
    @Test(
        arguments: [
            ([], []),
            ([5], [[5]]),
            ([4, 6], [[4, 6]]),
            ([4, 7], [[4], [7]]),
            ([4, 7, 3], [[4], [7, 3]]),
            ([4, 7, 4], [[4], [7], [4]]),
            ([25, 1, 2], [[25], [1, 2]]),
            ([1, 25, 2], [[1], [25], [2]]),
            ([10, 10], [[10], [10]]),
            ([0, 10, 0, 0, 1], [[0, 10, 0, 0], [1]]),
        ] as [([Int64], [[Int64]])])
    func segmentsArePackedInOrder(sizes: [Int64], groups: [[Int64]]) {
        let segments = sizes.enumerated().map { SegmentGrouping.Segment(id: Int64($0.offset), bytes: $0.element) }
        let packed = SegmentGrouping(maximumSize: 10).groups(of: segments)
        #expect(packed.map { $0.map(\.bytes) } == groups)
        #expect(packed.flatMap { $0 } == segments)
    }
}
