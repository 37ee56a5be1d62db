import Checksums
import ObjectStorageTesting
import Support
import Testing

@testable import ObjectStorage

/// Objects whose parts are copied one by one, as by several processes.
@Suite(.timeLimit(.minutes(2))) struct CopyingPartsTests {
    private let bytes = CopyingBench.bytes(95)

    /// Copies `from/k` to `to/k` in the parts that are planned, and checks the result.
    private func copy(
        _ bench: CopyingBench, _ mode: CopyMode = .auto, told: [Int64]? = nil,
        reported: ([UploadedPart]) -> [UploadedPart] = { $0 }
    ) async throws -> (stored: StoredObject, outcomes: [CopyOutcome], boundaries: PartPlan.Boundaries, sum: UInt32?) {
        let source = CopySource(
            store: bench.from, key: "k", size: Int64(bytes.count), etag: bench.from.etag("k"))
        let destination = CopyDestination(store: bench.to, key: "k")
        let (plan, boundaries) = try bench.copier.sharedParts(of: source, told: told, to: destination)
        var outcomes: [CopyOutcome] = []
        var parts: [UploadedPart] = []
        let progress = CopyProgress()
        _ = try await bench.copier.withUpload(destination, size: source.size) { id in
            for number in 1...plan.count {
                let part = CopyPart(number: number, range: plan.range(of: number), uploadID: id)
                outcomes.append(
                    try await bench.copier.copy(part, of: source, to: destination, mode: mode, progress: progress))
                parts.append(UploadedPart(number: number, etag: outcomes[number - 1].etag))
            }
            return parts
        }
        #expect(progress.bytes == source.size)
        let stored = try await bench.copier.check(
            destination, isMadeOf: reported(parts), from: source, boundaries: boundaries, wereSeen: true)
        let sums = outcomes.enumerated().compactMap { index, outcome in outcome.crc32c.map { (index + 1, $0) } }
        return (stored, outcomes, boundaries, plan.checksum(of: Dictionary(uniqueKeysWithValues: sums)))
    }

    @Test(arguments: [CopyMode.auto, .direct, .streaming], [true, false])
    func partsBecomeTheObject(mode: CopyMode, sharesBackend: Bool) async throws {
        guard mode != .direct || sharesBackend else { return }
        let bench = CopyingBench(sharesBackend: sharesBackend)
        bench.from.set("k", bytes)
        let copied = try await copy(bench, mode)
        #expect(bench.to.bytes("k") == bytes && copied.boundaries == .own && copied.outcomes.count == 10)
        #expect(copied.stored.etag == bench.to.etag("k"))
        let byStore = sharesBackend && mode != .streaming
        #expect(copied.outcomes.allSatisfy { $0.copiedByStore == byStore })
        #expect(bench.to.counts.count(.copyPart) == (byStore ? 10 : 0) && bench.to.pendingUploads == 0)
    }

    @Test func theETagIsTheSourcesWhereItsPartsAreTold() async throws {
        let bench = CopyingBench()
        bench.from.faults.tellsParts = true
        bench.from.set("k", bytes, partSize: 13)
        let copied = try await copy(bench, told: try await bench.from.partLengths(of: "k"))
        #expect(copied.boundaries == .told && copied.stored.etag == bench.from.etag("k"))
        #expect(bench.to.etag("k") == bench.from.etag("k"))
    }

    @Test func aRefusalToCopyIsFollowedByAStream() async throws {
        let bench = CopyingBench(sharesBackend: true)
        bench.from.set("k", bytes)
        bench.to.faults.copyRefusal = BackupError(.permissionDenied, "no right to copy")
        let copied = try await copy(bench)
        #expect(copied.outcomes.allSatisfy { !$0.copiedByStore && $0.fallback == "no right to copy" })
        #expect(bench.to.bytes("k") == bytes)
    }

    @Test func aChangedSourceIsNoSource() async throws {
        let bench = CopyingBench()
        bench.from.set("k", bytes)
        let source = CopySource(store: bench.from, key: "k", size: 95, etag: "another")
        let id = try await bench.to.createMultipartUpload("k")
        let error = await #expect(throws: BackupError.self) {
            try await bench.copier.copy(
                CopyPart(number: 1, range: 0..<10, uploadID: id), of: source,
                to: CopyDestination(store: bench.to, key: "k"), mode: .auto)
        }
        #expect(error?.code == .notFound)
    }

    @Test func aPartOfAnEndedUploadFails() async throws {
        let bench = CopyingBench()
        bench.from.set("k", bytes)
        let source = CopySource(store: bench.from, key: "k", size: 95)
        let error = await #expect(throws: BackupError.self) {
            try await bench.copier.copy(
                CopyPart(number: 1, range: 0..<10, uploadID: "ended"), of: source,
                to: CopyDestination(store: bench.to, key: "k"), mode: .auto)
        }
        #expect(error?.code == .notFound && bench.to.keys.isEmpty)
    }

    // MARK: The check

    /// Damage on the way shows in the ETag where boundaries are the source's own, and only there.
    @Test(arguments: [true, false]) func damageIsFoundByTheSourcesETag(isTold: Bool) async throws {
        let bench = CopyingBench()
        bench.from.faults.tellsParts = true
        bench.from.set("k", bytes, partSize: 13)
        bench.to.faults.damagesWrite = { $0.partNumber == 3 }
        let lengths = try await bench.from.partLengths(of: "k")
        let error = await #expect(throws: BackupError.self) {
            let copied = try await copy(bench, told: isTold ? lengths : nil)
            guard copied.boundaries == .told else { throw BackupError(.unsupported, "nobody could know") }
        }
        #expect(error?.code == (isTold ? .corrupted : .unsupported))
    }

    @Test func aStoreThatHasOtherPartsThanWereReportedIsFoundOut() async throws {
        let bench = CopyingBench()
        bench.from.set("k", bytes)
        bench.to.faults.damagesWrite = { $0.partNumber == 3 }
        let honest = UploadedPart(number: 3, etag: hexadecimal(md5(Array(bytes[20..<30]))))
        let error = await #expect(throws: BackupError.self) {
            try await copy(bench) { parts in parts.map { $0.number == 3 ? honest : $0 } }
        }
        #expect(error?.code == .corrupted && error?.isRetryable == true)
    }

    @Test func aStoreThatMakesETagsItsOwnWayIsReadOnceAndBelieved() async throws {
        let bench = CopyingBench()
        bench.from.set("k", bytes)
        bench.to.faults.hasOpaqueETags = true
        for round in 1...2 {
            #expect(try await copy(bench).stored.etag == bench.to.etag("k"))
            #expect(bench.to.counts.count(.get) == 1, "round \(round)")
        }
    }

    @Test func anObjectOfAnotherSizeIsNone() async throws {
        let bench = CopyingBench()
        bench.from.set("k", bytes)
        bench.to.set("k", [1])
        let source = CopySource(store: bench.from, key: "k", size: 95)
        let error = await #expect(throws: BackupError.self) {
            try await bench.copier.check(
                CopyDestination(store: bench.to, key: "k"), isMadeOf: [], from: source, boundaries: .own,
                wereSeen: true)
        }
        #expect(error?.code == .corrupted)
    }

    @Test func theChecksumIsThatOfTheWhole() {
        func sum(_ bytes: some Sequence<UInt8>) -> UInt32 {
            var sum = CRC32C()
            Array(bytes).withUnsafeBytes { sum.update($0) }
            return sum.value
        }
        let plan = PartPlan(size: 95, partSize: 10)
        let sums = (1...10).map {
            ($0, sum(bytes[Int(plan.range(of: $0).lowerBound)..<Int(plan.range(of: $0).upperBound)]))
        }
        #expect(plan.checksum(of: Dictionary(uniqueKeysWithValues: sums)) == sum(bytes))
        #expect(plan.checksum(of: Dictionary(uniqueKeysWithValues: sums.dropLast())) == nil)
    }
}
