import Support

/// How an object is cut into parts: all of one size but the last, unless its source has other ones.
package struct PartPlan: Sendable, Hashable {
    /// Bytes of the object.
    package let size: Int64
    /// Bytes of the largest part.
    package let partSize: Int64
    /// Where the parts end that are not all of one size.
    private var ends: [Int64]?

    package init(size: Int64, partSize: Int64) {
        self.size = size
        self.partSize = max(1, partSize)
    }

    /// Parts of these lengths; nil when they are not those of an object of `size` bytes, or not such as a store takes.
    package init?(size: Int64, lengths: [Int64], limits: StoreLimits) {
        let largest = min(limits.maximumPutSize, limits.maximumCopySize)
        guard (2...max(2, limits.maximumParts)).contains(lengths.count),
            lengths.allSatisfy({ (1...largest).contains($0) }),
            lengths.dropLast().allSatisfy({ $0 >= limits.minimumPartSize }), lengths.reduce(0, +) == size
        else { return nil }
        self.init(size: size, partSize: lengths.max() ?? size)
        var end: Int64 = 0
        let ends = lengths.map { length in
            end += length
            return end
        }
        if (1...count).map(range) != zip([0] + ends, ends).map({ $0..<$1 }) { self.ends = ends }
    }

    /// An object without bytes has one part without bytes.
    package var count: Int { ends?.count ?? max(1, Int(PartPlan.quotient(size, partSize))) }

    /// - Parameter number: 1...`count`.
    package func range(of number: Int) -> Range<Int64> {
        if let ends { return (number == 1 ? 0 : ends[number - 2])..<ends[number - 1] }
        let start = Int64(number - 1) * partSize
        return start..<min(start + partSize, size)
    }

    /// Whether whoever knows size and number of the parts can find out where they lie, and so make the ETag of the bytes.
    package var canBeGuessed: Bool {
        ends == nil && PartPlan.guessedPartSizes(size: size, parts: count).contains(partSize)
    }

    /// How the boundaries of parts came about.
    package enum Boundaries: Sendable, Hashable {
        /// They are the source's, as its store has told.
        case told
        /// They are likely the source's: its ETag has as many parts.
        case guessed
        /// They are our own, and the ETag will be another one than the source's.
        case own
    }

    /// Parts that several processes copy, in whatever way each of them can.
    ///
    /// - Parameter told: the lengths of the source's parts, where its store tells them.
    package static func forSharing(
        size: Int64, sourceETag: String?, told: [Int64]?, options: CopyOptions, limits: StoreLimits
    ) throws(BackupError) -> (plan: PartPlan, boundaries: Boundaries) {
        if let told, let plan = PartPlan(size: size, lengths: told, limits: limits) { return (plan, .told) }
        if case .multipart(_, let parts) = ETagShape(sourceETag), parts > 1,
            let guess = guessedPartSize(size: size, parts: parts),
            let plan = PartPlan(size: size, lengths: PartPlan(size: size, partSize: guess).lengths, limits: limits)
        {
            return (plan, .guessed)
        }
        let wished = max(options.streamPartSize, limits.minimumPartSize)
        let largest = min(limits.maximumPutSize, limits.maximumCopySize)
        return (try fitting(size, wished: wished, largest: largest, limits), .own)
    }

    private var lengths: [Int64] { (1...count).map { Int64(range(of: $0).count) } }

    /// Parts for a copy inside a store: few and large, since no byte passes here. The source's own when they are large
    /// enough, so that the ETags agree.
    package static func forStoreCopy(
        size: Int64, sourceETag: String?, options: CopyOptions, limits: StoreLimits
    ) throws(BackupError) -> PartPlan {
        if case .multipart(_, let parts) = ETagShape(sourceETag), parts > 1,
            let guess = guessedPartSize(size: size, parts: parts), guess >= options.minimumCopyPartSize,
            (limits.minimumPartSize...limits.maximumCopySize).contains(guess), parts <= limits.maximumParts
        {
            return PartPlan(size: size, partSize: guess)
        }
        let partSize = max(options.minimumCopyPartSize, limits.minimumPartSize)
        return try fitting(size, wished: partSize, largest: limits.maximumCopySize, limits)
    }

    /// Parts for a stream: where the source's own are when its ETag lets them be guessed, so that the ETags agree.
    package static func forStream(
        size: Int64, sourceETag: String?, options: CopyOptions, limits: StoreLimits
    ) throws(BackupError) -> PartPlan {
        if case .multipart(_, let parts) = ETagShape(sourceETag),
            let guess = guessedPartSize(size: size, parts: parts),
            parts <= limits.maximumParts, guess <= limits.maximumPutSize,
            parts == 1 || guess >= limits.minimumPartSize
        {
            return PartPlan(size: size, partSize: guess)
        }
        let partSize = max(options.streamPartSize, limits.minimumPartSize)
        return try fitting(size, wished: partSize, largest: limits.maximumPutSize, limits)
    }

    /// The part size of an object of `size` bytes that was uploaded in `parts` parts, when a usual one fits; a guess.
    ///
    /// 16 MiB first, which Milvus' own client uses, then the other usual ones from small to large.
    package static func guessedPartSize(size: Int64, parts: Int) -> Int64? {
        guessedPartSizes(size: size, parts: parts).first
    }

    /// All usual part sizes that cut an object into so many parts.
    package static func guessedPartSizes(size: Int64, parts: Int) -> [Int64] {
        if parts == 1 { return [size] }
        return [16, 5, 8, 10, 32, 64, 100, 128, 256, 512].map { $0 << 20 }
            .filter { quotient(size, $0) == Int64(parts) }
    }

    private static func fitting(
        _ size: Int64, wished: Int64, largest: Int64, _ limits: StoreLimits
    ) throws(BackupError) -> PartPlan {
        let needed = quotient(size, Int64(max(1, limits.maximumParts)))
        var partSize = min(wished, largest)
        // Whole mebibytes, as long as the store's largest part allows it.
        if needed > partSize { partSize = min(quotient(needed, 1 << 20) << 20, largest) }
        guard needed <= partSize else {
            throw BackupError(
                .invalidArgument,
                "an object of \(formattedBytes(size)) is larger than \(limits.maximumParts) parts of "
                    + "\(formattedBytes(largest)), which is all the store takes")
        }
        return PartPlan(size: size, partSize: partSize)
    }

    private static func quotient(_ size: Int64, _ divisor: Int64) -> Int64 {
        size / divisor + (size % divisor == 0 ? 0 : 1)
    }
}
