import ShardProtocol

/// One object that is to be copied, with its whole keys.
package struct PlannedCopy: Sendable, Hashable {
    package var source: String
    package var destination: String
    /// Bytes of the whole object.
    package var size: Int64
    package var etag: String?
    package var part: PartRange?

    package init(source: String, destination: String, size: Int64, etag: String? = nil, part: PartRange? = nil) {
        self.source = source
        self.destination = destination
        self.size = size
        self.etag = etag
        self.part = part
    }

    /// Bytes that are moved.
    package var bytes: Int64 { part?.length ?? size }
}

/// What the keys of a shard have in common is said once: it ends at a slash, so that a reader sees folders.
struct KeyPrefixes {
    private(set) var source: String
    private(set) var destination: String

    init(of copies: [PlannedCopy]) {
        let sourceLength = KeyPrefixes.commonLength(copies.lazy.map(\.source))
        let destinationLength = KeyPrefixes.commonLength(copies.lazy.map(\.destination))
        let first = copies.first.map { (Array($0.source.utf8), Array($0.destination.utf8)) } ?? ([], [])
        self.source = String(decoding: first.0[..<sourceLength], as: UTF8.self)
        self.destination = String(decoding: first.1[..<destinationLength], as: UTF8.self)
        align(with: copies)
    }

    /// The task with what is left of its keys.
    func task(_ copy: PlannedCopy) -> CopyTask {
        let source = copy.source.utf8.dropFirst(self.source.utf8.count)
        let destination = copy.destination.utf8.dropFirst(self.destination.utf8.count)
        return CopyTask(
            source: String(decoding: source, as: UTF8.self),
            destination: source.elementsEqual(destination) ? nil : String(decoding: destination, as: UTF8.self),
            size: copy.size, etag: copy.etag, part: copy.part)
    }

    /// Bytes that all keys begin with, cut after a slash.
    private static func commonLength(_ keys: some Sequence<String>) -> Int {
        var iterator = keys.makeIterator()
        guard let first = iterator.next() else { return 0 }
        let reference = Array(first.utf8)
        var length = (reference.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        while length > 0, let key = iterator.next() {
            let common = zip(reference[..<length], key.utf8).prefix { $0 == $1 }.count
            length = (reference[..<common].lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        }
        return length
    }

    /// Shortens the longer prefix when that makes the rests of every source and destination the same, so that the
    /// destinations need not be said at all.
    private mutating func align(with copies: [PlannedCopy]) {
        guard let first = copies.first else { return }
        let source = Array(first.source.utf8)
        let destination = Array(first.destination.utf8)
        let rest = max(source.count - self.source.utf8.count, destination.count - self.destination.utf8.count)
        guard rest <= source.count, rest <= destination.count else { return }
        let sourceLength = source.count - rest
        let destinationLength = destination.count - rest
        let agree = copies.allSatisfy {
            $0.source.utf8.dropFirst(sourceLength).elementsEqual($0.destination.utf8.dropFirst(destinationLength))
        }
        guard agree else { return }
        self.source = String(decoding: source[..<sourceLength], as: UTF8.self)
        self.destination = String(decoding: destination[..<destinationLength], as: UTF8.self)
    }
}
