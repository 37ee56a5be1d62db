import Support

/// How an object is cut into parts: all of one size but the last.
package struct PartPlan: Sendable, Hashable {
    /// Bytes of the object.
    package let size: Int64
    package let partSize: Int64

    package init(size: Int64, partSize: Int64) {
        self.size = size
        self.partSize = max(1, partSize)
    }

    /// An object without bytes has one part without bytes.
    package var count: Int { max(1, Int(PartPlan.quotient(size, partSize))) }

    /// - Parameter number: 1...`count`.
    package func range(of number: Int) -> Range<Int64> {
        let start = Int64(number - 1) * partSize
        return start..<min(start + partSize, size)
    }

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
