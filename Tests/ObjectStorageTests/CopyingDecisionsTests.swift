import ObjectStorage
import Support
import Testing

@Suite struct CopyingETagTests {
    static let one = "0123456789abcdef0123456789abcdef"
    static let two = "ffffffffffffffffffffffffffffffff"

    @Test(
        arguments: [
            (one, ETagShape.plain(one)),
            ("0123456789ABCDEF0123456789ABCDEF", .plain(one)),
            ("\(one)-7", .multipart(one, parts: 7)),
            ("\(one)-1", .multipart(one, parts: 1)),
            ("\(one)-0", .opaque),
            ("\(one)-", .opaque),
            ("\(one)-x", .opaque),
            ("\(one)-2-3", .opaque),
            ("0x8DC1234ABCD", .opaque),
            ("\(one)0", .opaque),
            ("g123456789abcdef0123456789abcdef", .opaque),
            ("", .opaque),
            (nil, .opaque),
        ] as [(String?, ETagShape)])
    func shapeOfAnETag(etag: String?, shape: ETagShape) {
        #expect(ETagShape(etag) == shape)
    }

    @Test(arguments: [
        (one, one, false, ETagShape.Comparison.equal),
        (one, two, false, .different),
        (one, two, true, .different),
        ("\(one)-3", "\(one)-3", false, .equal),
        ("\(one)-3", "\(two)-3", true, .different),
        // The boundaries may differ although the number is the same.
        ("\(one)-3", "\(two)-3", false, .incomparable),
        ("\(one)-3", "\(one)-4", true, .incomparable),
        (one, "\(two)-1", true, .incomparable),
        ("\(one)-2", two, true, .incomparable),
        ("0x8DC1", "0x8DC2", true, .incomparable),
        (one, "", true, .incomparable),
        ("", "", true, .incomparable),
    ])
    func onlyLikeIsComparedWithLike(left: String, right: String, known: Bool, result: ETagShape.Comparison) {
        #expect(ETagShape(left).compared(to: ETagShape(right), boundariesAreEqual: known) == result)
        #expect(ETagShape(right).compared(to: ETagShape(left), boundariesAreEqual: known) == result)
    }
}

@Suite struct CopyingPartPlanTests {
    static let mebibyte: Int64 = 1 << 20
    static let tag = "0123456789abcdef0123456789abcdef"

    @Test func rangesCoverTheObjectOnce() {
        for (size, partSize): (Int64, Int64) in [(10, 3), (9, 3), (1, 3), (3, 3), (1000, 1)] {
            let plan = PartPlan(size: size, partSize: partSize)
            var next: Int64 = 0
            for number in 1...plan.count {
                let range = plan.range(of: number)
                #expect(range.lowerBound == next && !range.isEmpty)
                #expect(number == plan.count || Int64(range.count) == partSize)
                next = range.upperBound
            }
            #expect(next == size)
        }
    }

    @Test(
        arguments: [
            // 10 MiB until 10000 parts are not enough, then whole mebibytes.
            (500 * mebibyte, nil, 10 * mebibyte, 50),
            (100_000 * mebibyte, tag, 10 * mebibyte, 10_000),
            (100_000 * mebibyte + 1, nil, 11 * mebibyte, 9_091),
            (5 << 40, nil, 525 * mebibyte, 9_987),
            // The source's own parts, unless they are smaller, or the whole in one.
            (500 * mebibyte, "\(tag)-32", 16 * mebibyte, 32),
            (500 * mebibyte, "\(tag)-100", 10 * mebibyte, 50),
            (500 * mebibyte, "\(tag)-1", 10 * mebibyte, 50),
        ] as [(Int64, String?, Int64, Int)])
    func storeCopyHasFewLargeParts(size: Int64, etag: String?, partSize: Int64, count: Int) throws {
        let plan = try PartPlan.forStoreCopy(
            size: size, sourceETag: etag, options: CopyOptions(), limits: StoreLimits())
        #expect(plan.partSize == partSize)
        #expect(plan.count == count)
    }

    @Test(
        arguments: [
            // No ETag, a plain one, and one that no usual size explains: the size that is configured.
            (200 * mebibyte, nil, 64 * mebibyte),
            (200 * mebibyte, tag, 64 * mebibyte),
            (200 * mebibyte, "\(tag)-199", 64 * mebibyte),
            // 16 MiB goes before smaller sizes that fit as well.
            (80 * mebibyte, "\(tag)-5", 16 * mebibyte),
            (200 * mebibyte, "\(tag)-13", 16 * mebibyte),
            (200 * mebibyte, "\(tag)-40", 5 * mebibyte),
            (200 * mebibyte, "\(tag)-25", 8 * mebibyte),
            (200 * mebibyte, "\(tag)-20", 10 * mebibyte),
            (200 * mebibyte, "\(tag)-7", 32 * mebibyte),
            (200 * mebibyte, "\(tag)-4", 64 * mebibyte),
            (200 * mebibyte, "\(tag)-2", 100 * mebibyte),
            (200 * mebibyte, "\(tag)-1", 200 * mebibyte),
            (1000 * mebibyte, "\(tag)-4", 256 * mebibyte),
            (1000 * mebibyte, "\(tag)-2", 512 * mebibyte),
        ] as [(Int64, String?, Int64)])
    func streamFollowsTheSourcesParts(size: Int64, etag: String?, partSize: Int64) throws {
        let plan = try PartPlan.forStream(size: size, sourceETag: etag, options: CopyOptions(), limits: StoreLimits())
        #expect(plan.partSize == partSize)
    }

    @Test func streamKeepsTheLimitsOfTheDestination() throws {
        var limits = StoreLimits()
        limits.minimumPartSize = 20 * Self.mebibyte
        limits.maximumPutSize = 100 * Self.mebibyte
        limits.maximumParts = 10
        func plan(_ size: Int64, _ etag: String?) throws -> PartPlan {
            try PartPlan.forStream(size: size, sourceETag: etag, options: CopyOptions(), limits: limits)
        }
        // The source's parts of 16 MiB are too small, of 16 MiB x 13 too many, of 200 MiB too large.
        #expect(try plan(80 * Self.mebibyte, "\(Self.tag)-5").partSize == 64 * Self.mebibyte)
        #expect(try plan(200 * Self.mebibyte, "\(Self.tag)-1").partSize == 64 * Self.mebibyte)
        #expect(try plan(1000 * Self.mebibyte, nil).partSize == 100 * Self.mebibyte)
        #expect(throws: BackupError.self) { try plan(1000 * Self.mebibyte + 1, nil) }
    }

    // MARK: Parts that several processes copy

    private func shared(_ size: Int64, _ etag: String?, told: [Int64]? = nil) throws -> (
        plan: PartPlan, boundaries: PartPlan.Boundaries
    ) {
        try PartPlan.forSharing(
            size: size, sourceETag: etag, told: told, options: CopyOptions(), limits: StoreLimits())
    }

    @Test func sharedPartsAreThoseTheSourceTells() throws {
        let lengths = [7, 20, 5, 1].map { $0 * Self.mebibyte }
        let (plan, boundaries) = try shared(33 * Self.mebibyte, "\(Self.tag)-3", told: lengths)
        #expect(boundaries == .told && plan.count == 4 && plan.partSize == 20 * Self.mebibyte)
        #expect(
            (1...4).map { plan.range(of: $0) } == [
                0..<7 * Self.mebibyte, 7 * Self.mebibyte..<27 * Self.mebibyte,
                27 * Self.mebibyte..<32 * Self.mebibyte, 32 * Self.mebibyte..<33 * Self.mebibyte,
            ])
        #expect(!plan.canBeGuessed && PartPlan(size: 33 * Self.mebibyte, partSize: 16 * Self.mebibyte).canBeGuessed)
        #expect(!PartPlan(size: 33 * Self.mebibyte, partSize: 15 * Self.mebibyte).canBeGuessed)
        // Even ones are those of an ordinary plan.
        let even = try shared(33 * Self.mebibyte, nil, told: [16, 16, 1].map { $0 * Self.mebibyte }).plan
        #expect(even == PartPlan(size: 33 * Self.mebibyte, partSize: 16 * Self.mebibyte))
    }

    @Test(
        arguments: [
            // One, too small, not all of it, none, more than a request can carry.
            [300], [4, 296], [100, 100], [300, 0], [-1, 301], [], [5121, 1], Array(repeating: 5, count: 10_001),
        ] as [[Int64]])
    func whatCannotBeThePartsIsNotBelieved(_ told: [Int64]) throws {
        let lengths = told.map { $0 * Self.mebibyte }
        let size = max(300, told.count > 2 ? 5 * 10_001 : 300) * Self.mebibyte
        let (plan, boundaries) = try shared(size, nil, told: lengths)
        #expect(boundaries == .own && plan.partSize == 64 * Self.mebibyte)
    }

    @Test func sharedPartsAreGuessedOrOurOwn() throws {
        let guessed = try shared(200 * Self.mebibyte, "\(Self.tag)-13")
        #expect(guessed.boundaries == .guessed && guessed.plan.partSize == 16 * Self.mebibyte)
        for etag in [nil, Self.tag, "\(Self.tag)-1", "\(Self.tag)-199", "opaque"] {
            let own = try shared(200 * Self.mebibyte, etag)
            #expect(own.boundaries == .own && own.plan.partSize == 64 * Self.mebibyte && own.plan.count == 4)
        }
    }
}
