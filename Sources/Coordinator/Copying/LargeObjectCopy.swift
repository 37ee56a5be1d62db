import Configuration
import ConfiguredStores
import ConfiguredWorker
import CopyWorker
import ObjectStorage
import ShardProtocol
import ShardScheduling
import Support
import Synchronization

/// An object that agents copy together: the coordinator begins an upload, hands its parts out as shards, completes it when all
/// are in, and looks at the result.
///
/// What is completed are the parts of the reports that counted, so a part that was copied twice does no harm, and one that
/// comes late finds no upload any more. A part that was reported and is not there makes the completion fail: then all of the
/// object is copied again, as it is when the coordinator was killed.
struct LargeObjectCopy: Sendable {
    /// All parts were reported, and they do not make the object.
    private struct NotWhole: Error {
        let error: any Error
    }

    private struct Parts: Sendable {
        let plan: PartPlan
        let boundaries: PartPlan.Boundaries
        /// See ``CopyPart/provenBy``.
        let provenBy: Int?
    }

    let copies: ObjectCopies
    let object: PlannedCopy

    private var context: JobContext { copies.context }
    private var copier: ObjectCopier { context.services.equipment.copier }
    private var destination: CopyDestination {
        CopyDestination(store: context.services.equipment.stores[copies.destination], key: object.destination)
    }

    /// - Throws: `notFound` when the object is gone; `canceled`; what the job fails with.
    func run() async throws {
        do {
            try await copyTogether()
        } catch let error as BackupError where [.unsupported, .permissionDenied].contains(error.code) {
            // The store takes no parts, or this process has no rights of its own to look at the object or to begin an upload.
            context.logger.info(
                "an object is copied by one agent", ["key": object.destination, "why": error.description])
            try await copyWhole()
        }
    }

    private func copyTogether() async throws {
        let source = try await find()
        // The ETag of an object that was uploaded at once says so.
        var told: [Int64]?
        if case .plain = ETagShape(source.etag) {
        } else {
            told = try await context.services.stores[copies.source].partLengths(of: source.key)
        }
        let (plan, boundaries) = try copier.sharedParts(of: source, told: told, to: destination)
        guard plan.count > 1 else { return try await copyWhole() }
        let isProven = boundaries != .own && plan.canBeGuessed && copier.mayProve(source, destination)
        let parts = Parts(plan: plan, boundaries: boundaries, provenBy: isProven ? plan.count : nil)
        var tries = 0
        while true {
            tries += 1
            do {
                return try await copy(source, in: parts)
            } catch let failure as NotWhole {
                let error = BackupError(wrapping: failure.error)
                guard tries < context.configuration.coordinator.maximumShardFailures, !Task.isCancelled else {
                    throw error
                }
                context.logger.warn(
                    "the parts of an object do not make the whole, copying it again",
                    ["key": object.destination, "error": error.description])
            }
        }
    }

    /// The object as it is now.
    private func find() async throws -> CopySource {
        let store = context.services.equipment.stores[copies.source]
        let place = "object \"\(object.source)\" in bucket \"\(store.identity.bucket)\""
        guard let found = try await context.services.stores[copies.source].head(object.source) else {
            throw BackupError(.notFound, "\(place) does not exist")
        }
        guard found.size == object.size else {
            throw BackupError(.corrupted, "\(place): expected \(object.size) bytes, found \(found.size)")
        }
        return CopySource(store: store, key: object.source, size: object.size, etag: found.etag)
    }

    /// As a shard of its own, like a small one.
    private func copyWhole() async throws {
        try await copies.dispatch(ShardSequence(copies: [object], cutter: copies.cutter(context.shardLimits)))
    }

    private func copy(_ source: CopySource, in parts: Parts) async throws {
        try await endEarlierUploads()
        var results: [TaskResult] = []
        let stored: StoredObject
        do {
            _ = try await copier.withUpload(destination, size: object.size) { id in
                results = try await copyParts(parts, into: id, etag: source.etag)
                return LargeObjectCopy.uploaded(results)
            }
            let wereSeen = parts.provenBy == nil || results.allSatisfy { $0.copiedByStore || $0.checksum != nil }
            stored = try await copier.check(
                destination, isMadeOf: LargeObjectCopy.uploaded(results), from: source, boundaries: parts.boundaries,
                wereSeen: wereSeen)
        } catch  where !results.isEmpty {
            throw NotWhole(error: error)
        }
        finish(stored, results, parts)
    }

    /// An earlier run may have left an upload of this object. Some stores list uploads by their whole keys only.
    private func endEarlierUploads() async throws {
        let store = context.services.stores[copies.destination]
        try await store.abortUploads(below: object.destination) { [object] in $0.key == object.destination }
    }

    /// - Returns: a result for every part, in their order.
    private func copyParts(_ parts: Parts, into id: String, etag: String?) async throws -> [TaskResult] {
        let (object, plan) = (object, parts.plan)
        let tasks = (1...plan.count).lazy.map { number in
            let range = plan.range(of: number)
            let part = PartRange(
                offset: range.lowerBound, length: Int64(range.count), uploadID: id, number: number,
                count: parts.provenBy)
            return PlannedCopy(
                source: object.source, destination: object.destination, size: object.size, etag: etag, part: part)
        }
        let results = Mutex<[Int: TaskResult]>([:])
        let cutter = copies.cutter(context.shardLimits.ofParts)
        try await copies.dispatch(ShardSequence(copies: tasks, cutter: cutter)) { finished in
            results.withLock { results in
                for (task, result) in zip(finished.shard.tasks, finished.results) {
                    if let part = task.part { results[part.number] = result }
                }
            }
        }
        return results.withLock { results in (1...plan.count).compactMap { results[$0] } }
    }

    private static func uploaded(_ results: [TaskResult]) -> [UploadedPart] {
        results.enumerated().map { UploadedPart(number: $0 + 1, etag: $1.etag ?? "") }
    }

    /// Tells of the object as of a shard with nothing else in it.
    private func finish(_ stored: StoredObject, _ results: [TaskResult], _ parts: Parts) {
        var cutter = copies.cutter(context.shardLimits)
        _ = cutter.add(object)
        guard let shard = cutter.endGroup() else { return }
        var sums: [Int: UInt32] = [:]
        for (index, result) in results.enumerated() { sums[index + 1] = result.checksum?.crc32c }
        let checksum = parts.plan.checksum(of: sums).map(Checksum.init(crc32c:))
        let result = TaskResult(
            index: 0, etag: isOfUse(stored.etag, parts, checksum) ? stored.etag : nil, checksum: checksum,
            copiedByStore: results.allSatisfy(\.copiedByStore))
        copies.onFinished(
            FinishedShard(
                shard: shard, agent: AgentID("coordinator"), epoch: 1, results: [result], bytesCopied: 0))
    }

    /// Whether the ETag is to be recorded. One that a later reader could not make of the bytes, who does not know the parts,
    /// would let sound bytes pass for damaged where no checksum says otherwise.
    private func isOfUse(_ etag: String, _ parts: Parts, _ checksum: Checksum?) -> Bool {
        guard case .multipart = ETagShape(etag) else { return !etag.isEmpty }
        return checksum != nil || parts.plan.canBeGuessed
    }
}
