import ShardProtocol
import ShardScheduling
import Testing

@Suite struct ShardCutterTests {
    private func cutter(bytes: Int64 = 100, tasks: Int = 3, firstID: Int = 1) -> ShardCutter {
        ShardCutter(
            source: .milvus, destination: .backup, mode: .auto, limits: ShardLimits(bytes: bytes, tasks: tasks),
            firstID: firstID)
    }

    private func copy(_ name: String, _ size: Int64 = 10) -> PlannedCopy {
        PlannedCopy(source: "files/insert_log/\(name)", destination: "backup/nightly/insert_log/\(name)", size: size)
    }

    private func cut(_ groups: [[Int64]], _ cutter: ShardCutter) -> [[Int64]] {
        var cutter = cutter
        var shards: [Shard] = []
        for (number, group) in groups.enumerated() {
            for (index, size) in group.enumerated() {
                if let shard = cutter.add(copy("\(number)/\(index)", size)) { shards.append(shard) }
            }
            if let shard = cutter.endGroup() { shards.append(shard) }
        }
        return shards.map { $0.tasks.map(\.size) }
    }

    @Test(
        arguments: [
            ([[]], []),
            ([[10]], [[10]]),
            ([[50, 50, 1]], [[50, 50], [1]]),
            ([[1, 2, 3, 4]], [[1, 2, 3], [4]]),
            ([[500, 1]], [[500], [1]]),
            ([[1, 500, 1]], [[1], [500], [1]]),
            ([[1], [2], [3]], [[1], [2], [3]]),
            ([[0, 0, 0, 0]], [[0, 0, 0], [0]]),
            ([[Int64.max, Int64.max, 1]], [[Int64.max], [Int64.max], [1]]),
        ] as [([[Int64]], [[Int64]])])
    func shardsAreBoundedAndDoNotMixGroups(groups: [[Int64]], shards: [[Int64]]) {
        #expect(cut(groups, cutter()) == shards)
    }

    @Test func idsGoOnFromTheFirst() {
        var cutter = cutter(firstID: 7)
        var ids: [Int] = []
        for index in 0..<8 { if let shard = cutter.add(copy("1/\(index)")) { ids.append(shard.id) } }
        if let shard = cutter.endGroup() { ids.append(shard.id) }
        #expect(ids == [7, 8, 9])
    }

    @Test func aPartCountsWithItsOwnLength() {
        var cutter = cutter()
        let part = PartRange(offset: 0, length: 60, uploadID: "u", number: 1)
        let large = PlannedCopy(source: "a/x", destination: "b/x", size: 1 << 40, part: part)
        #expect(cutter.add(large) == nil)
        #expect(cutter.add(copy("1")) == nil)
        #expect(cutter.endGroup()?.bytes == 70)
    }

    @Test(
        arguments: [
            // One folder more on the destination's side, in the middle: the group.
            (
                ["files/insert_log/1/2/3/100/7", "files/insert_log/1/2/3/101/8"],
                ["backup/n/insert_log/1/2/9/3/100/7", "backup/n/insert_log/1/2/9/3/101/8"],
                "files/insert_log/1/2/3/", "backup/n/insert_log/1/2/9/3/", ["100/7", "101/8"], true
            ),
            (
                ["files/insert_log/1/2/3/100/7", "files/insert_log/1/2/4/100/8"],
                ["backup/n/1/2/9/3/100/7", "backup/n/1/2/9/4/100/8"],
                "files/insert_log/1/2/", "backup/n/1/2/9/", ["3/100/7", "4/100/8"], true
            ),
            // Of one source the folders are known to the end, of its destinations only in part.
            (["a/b/x", "a/b/y"], ["c/1/x", "c/2/y"], "a/b/", "c/", ["x", "y"], false),
            (["x", "y"], ["x", "y"], "", "", ["x", "y"], true),
            (["a/x"], ["b/c/x"], "a/", "b/c/", ["x"], true),
            (["a/x"], ["b/y"], "a/", "b/", ["x"], false),
            (["aa/x", "ab/x"], ["aa/x", "ab/x"], "", "", ["aa/x", "ab/x"], true),
            (["files/ä/1", "files/ä/2"], ["b/ä/1", "b/ä/2"], "files/ä/", "b/ä/", ["1", "2"], true),
            // Two ways to write the same character are two keys.
            (
                ["f/e\u{301}/1", "f/\u{e9}/1"], ["b/e\u{301}/1", "b/\u{e9}/1"], "f/", "b/", ["e\u{301}/1", "\u{e9}/1"],
                true
            ),
            (["a//b", "a//c"], ["a//b", "a//c"], "a//", "a//", ["b", "c"], true),
            (["a/", "a/b"], ["a/", "a/b"], "a/", "a/", ["", "b"], true),
        ] as [([String], [String], String, String, [String], Bool)])
    func commonPrefixesAreSaidOnce(
        sources: [String], destinations: [String], sourcePrefix: String, destinationPrefix: String, rests: [String],
        sameRests: Bool
    ) throws {
        var cutter = cutter()
        for (source, destination) in zip(sources, destinations) {
            #expect(cutter.add(PlannedCopy(source: source, destination: destination, size: 1)) == nil)
        }
        let rest = cutter.endGroup()
        let shard = try #require(rest)
        #expect(Array(shard.sourcePrefix.utf8) == Array(sourcePrefix.utf8))
        #expect(Array(shard.destinationPrefix.utf8) == Array(destinationPrefix.utf8))
        #expect(shard.tasks.map { Array($0.source.utf8) } == rests.map { Array($0.utf8) })
        #expect(shard.tasks.allSatisfy { ($0.destination == nil) == sameRests })
        // Whatever was factored out, the whole keys are what they were, byte for byte.
        for (index, task) in shard.tasks.enumerated() {
            #expect(Array((shard.sourcePrefix + task.source).utf8) == Array(sources[index].utf8))
            let destination = shard.destinationPrefix + (task.destination ?? task.source)
            #expect(Array(destination.utf8) == Array(destinations[index].utf8))
        }
    }
}
