import Checksums
import Support
import Synchronization

/// The bytes pass through this process: a read into a bounded pipe into a write.
extension ObjectCopier {
    func stream(
        _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> CopyOutcome {
        let limits = destination.store.limits
        if source.size == 0 { return try await putEmpty(source, destination) }
        let fitsOneRequest = source.size <= limits.maximumPutSize
        guard source.size >= options.multipartStreamThreshold || !fitsOneRequest else {
            return try await streamWhole(source, destination, progress)
        }
        let source = try await withETag(source)
        let plan = try PartPlan.forStream(
            size: source.size, sourceETag: source.etag, options: options, limits: limits)
        if fitsOneRequest && plan.count == 1 && !isSinglePart(source) {
            return try await streamWhole(source, destination, progress)
        }
        do {
            return try await streamInParts(plan, source, destination, progress)
        } catch let error as BackupError where error.code == .unsupported && fitsOneRequest {
            progress.reset()
            return try await streamWhole(source, destination, progress)
        }
    }

    /// Whether the source was itself uploaded as one part: doing the same gives the same ETag.
    private func isSinglePart(_ source: CopySource) -> Bool {
        if case .multipart(_, 1) = ETagShape(source.etag) { true } else { false }
    }

    /// The parts of an object must all come from one version of it, so its ETag is asked for when it is not known.
    private func withETag(_ source: CopySource) async throws -> CopySource {
        guard source.etag == nil else { return source }
        let what = "look at \"\(source.key)\""
        let found = try await retrying(what) {
            try await watched(what, timeout: options.stallTimeout) { try await source.store.head(source.key) }
        }
        guard let found else {
            throw BackupError(
                .notFound, "object \"\(source.key)\" in bucket \"\(source.store.identity.bucket)\" does not exist")
        }
        guard found.size == source.size else { throw wrongSize(source.key, expected: source.size, found: found.size) }
        return CopySource(store: source.store, key: source.key, size: source.size, etag: found.etag)
    }

    // MARK: One request

    private func putEmpty(_ source: CopySource, _ destination: CopyDestination) async throws -> CopyOutcome {
        let what = "upload of \"\(destination.key)\""
        let stored = try await retrying(what) {
            try await watched(what, timeout: options.stallTimeout) {
                try await destination.store.put(destination.key, body: .bytes([]))
            }
        }
        return CopyOutcome(etag: stored.etag, copiedByStore: false)
    }

    private func streamWhole(
        _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> CopyOutcome {
        let outcome = try await retrying("copy of \"\(source.key)\"") {
            let moved = try await move(
                source, nil, to: destination.store, .object(key: destination.key), proof: .plain, progress)
            let evidence = try await checkETags(
                source, sourceETag: source.etag ?? moved.sourceETag, destination, StoredObject(etag: moved.etag),
                boundariesAreEqual: false, wereSeen: moved.wereSeen)
            let agrees = ETagShape(source.etag ?? moved.sourceETag) == ETagShape(moved.etag)
            if !agrees { routes.rememberUnproven(source.store.identity, destination.store.identity) }
            // An ETag that reading has contradicted may be a garbled answer, and is not passed on.
            let etag = agrees || evidence == nil ? moved.etag : ""
            return CopyOutcome(etag: etag, copiedByStore: false, md5: evidence, crc32c: moved.crc32c)
        }
        progress.add(source.size)
        return outcome
    }

    // MARK: Parts

    private func streamInParts(
        _ plan: PartPlan, _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> CopyOutcome {
        let checksums = Mutex<[Int: UInt32]>([:])
        let allWereSeen = Mutex(true)
        let stored = try await withUpload(destination, size: source.size) { id in
            try await mapInParallel(Array(1...plan.count), limit: self.options.streamPartsPerObject) { number in
                let part = CopyPart(number: number, range: plan.range(of: number), uploadID: id, provenBy: plan.count)
                let moved = try await self.stream(part, source, destination, progress)
                checksums.withLock { $0[number] = moved.crc32c }
                if !moved.wereSeen { allWereSeen.withLock { $0 = false } }
                return UploadedPart(number: number, etag: moved.etag)
            }
        }
        // Only the boundaries of a single part are known for sure; all others are guessed from the source's ETag.
        let evidence = try await checkETags(
            source, sourceETag: source.etag ?? "", destination, stored, boundariesAreEqual: plan.count == 1,
            wereSeen: allWereSeen.withLock { $0 })
        if ETagShape(source.etag) != ETagShape(stored.etag) {
            routes.rememberUnequalParts(source.store.identity, destination.store.identity)
        }
        let checksum = plan.checksum(of: checksums.withLock { $0 })
        return CopyOutcome(etag: stored.etag, copiedByStore: false, md5: evidence, crc32c: checksum)
    }

    func stream(
        _ part: CopyPart, _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> MovedBytes {
        let target = WriteTarget.part(key: destination.key, uploadID: part.uploadID, number: part.number)
        let proof = part.provenBy.map(ExpectedProof.multipart(parts:)) ?? .none
        let moved = try await retrying("part \(part.number) of \"\(source.key)\"") {
            try await move(source, part.range, to: destination.store, target, proof: proof, progress)
        }
        progress.add(Int64(part.range.count))
        return moved
    }

    // MARK: Bytes

    /// Writes an object, or `range` of it, to `target`. Holds one of the process's stream slots meanwhile.
    private func move(
        _ source: CopySource, _ range: Range<Int64>?, to store: any ObjectStore, _ target: WriteTarget,
        proof: ExpectedProof, _ progress: CopyProgress
    ) async throws -> MovedBytes {
        let length = range.map { Int64($0.count) } ?? source.size
        return try await streamSlots.withPermit(options.streamShares(length)) {
            try await paced(source.store, store, bytes: length) {
                // One to read, one to write.
                try await limiter.requests.acquire(2)
                if let moved = try await relay(source, range, to: store, target, proof: proof, progress) {
                    return moved
                }
                return try await moveThroughPipe(source, range, to: store, target, progress)
            }
        }
    }

    private func moveThroughPipe(
        _ source: CopySource, _ range: Range<Int64>?, to store: any ObjectStore, _ target: WriteTarget,
        _ progress: CopyProgress
    ) async throws -> MovedBytes {
        let (etag, info, checksum) = try await moveBytes(of: source, range: range, progress) { body in
            switch target {
            case .object(let key): try await store.put(key, body: body).etag
            case .part(let key, let id, let number):
                try await store.uploadPart(key, uploadID: id, number: number, body: body).etag
            }
        }
        return MovedBytes(etag: etag, sourceETag: info.etag, crc32c: checksum)
    }

    /// Reads an object, or `range` of it, into `write`. The pipe between the two is where bandwidth is limited.
    private func moveBytes<Result: Sendable>(
        of source: CopySource, range: Range<Int64>?, _ progress: CopyProgress,
        _ write: @escaping @Sendable (ObjectBody) async throws -> Result
    ) async throws -> (Result, ObjectInfo, UInt32) {
        let length = range.map { Int64($0.count) } ?? source.size
        let checksum = Mutex(CRC32C())
        // A small object needs no large pipe.
        let pipe = BytePipe(
            capacity: max(1, min(options.pipeCapacity, Int(clamping: max(length, 16 << 10)))), throttle: limiter.bytes
        ) { bytes in checksum.withLock { $0.update(bytes) } }
        progress.begin(pipe)
        defer { progress.end(pipe) }
        let (result, info) = try await watchdog.watch(
            "copy of \"\(source.key)\"", timeout: options.stallTimeout,
            progress: { pipe.isHeld ? nil : pipe.bytesRead + pipe.bytesWritten }
        ) {
            // Whatever happened: neither side may wait for the other one any longer.
            defer {
                pipe.cancel()
                pipe.fail(BackupError(.canceled, "the other side of this copy has ended"))
            }
            return try await self.moveBytes(of: source, range, length, through: pipe, write)
        }
        return (result, info, checksum.withLock { $0.value })
    }

    private func moveBytes<Result: Sendable>(
        of source: CopySource, _ range: Range<Int64>?, _ length: Int64, through pipe: BytePipe,
        _ write: @Sendable (ObjectBody) async throws -> Result
    ) async throws -> (Result, ObjectInfo) {
        let info: ObjectInfo
        do {
            info = try await source.store.get(source.key, range: range, ifMatch: source.etag, into: pipe)
        } catch {
            throw SidedFailure(side: .source, error: error)
        }
        // A store may tell the length of the range instead of the object's.
        guard info.size == source.size || (range != nil && info.size == length) else {
            throw wrongSize(source.key, expected: source.size, found: info.size)
        }
        let result: Result
        do {
            result = try await write(.pipe(pipe, length: length))
        } catch {
            switch pipe.ending {
            case .failed(let cause): throw SidedFailure(side: .source, error: cause)
            case .finished where pipe.bytesWritten < length:
                throw wrongSize(source.key, expected: length, found: pipe.bytesWritten, isRetryable: true)
            default: throw SidedFailure(side: .destination, error: error)
            }
        }
        guard pipe.bytesWritten == length, pipe.bytesRead == length else {
            throw wrongSize(
                source.key, expected: length, found: max(pipe.bytesWritten, pipe.bytesRead), isRetryable: true)
        }
        return (result, info)
    }

    func wrongSize(
        _ key: String, expected: Int64, found: Int64, isRetryable: Bool = false
    ) -> BackupError {
        BackupError(
            .corrupted, "object \"\(key)\": expected \(expected) bytes, found \(found)", isRetryable: isRetryable)
    }
}
