import Support

/// The store copies; no byte passes here.
extension ObjectCopier {
    func copyInStore(
        _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> StoredObject {
        let fitsOneRequest = source.size <= destination.store.limits.maximumCopySize
        if fitsOneRequest && source.size < options.multipartCopyThreshold {
            return try await copyWhole(source, destination, progress)
        }
        do {
            return try await copyInParts(source, destination, progress)
        } catch let error as BackupError where error.code == .unsupported && fitsOneRequest {
            progress.reset()
            return try await copyWhole(source, destination, progress)
        }
    }

    private func copyWhole(
        _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> StoredObject {
        let stored = try await retrying("copy of \"\(source.key)\"") {
            try await storeSlots.withPermit {
                try await paced(source.store, destination.store, bytes: source.size) {
                    try await watched("copy of \"\(source.key)\"", timeout: options.storeTimeout(source.size)) {
                        try await destination.store.copy(source.reference, to: destination.key)
                    }
                }
            }
        }
        progress.add(source.size)
        return stored
    }

    private func copyInParts(
        _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> StoredObject {
        let plan = try PartPlan.forStoreCopy(
            size: source.size, sourceETag: source.etag, options: options, limits: destination.store.limits)
        return try await withUpload(destination, size: source.size) { id in
            try await mapInParallel(Array(1...plan.count), limit: self.options.copyPartsPerObject) { number in
                let part = CopyPart(number: number, range: plan.range(of: number), uploadID: id)
                return try await self.copyInStore(part, source, destination, progress)
            }
        }
    }

    func copyInStore(
        _ part: CopyPart, _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress
    ) async throws -> UploadedPart {
        let (number, range) = (part.number, part.range)
        let size = Int64(range.count)
        let what = "copy of part \(number) of \"\(source.key)\""
        let copied = try await retrying(what) {
            try await storeSlots.withPermit {
                try await paced(source.store, destination.store, bytes: size) {
                    try await watched(what, timeout: options.storeTimeout(size)) {
                        try await destination.store.copyPart(
                            destination.key, uploadID: part.uploadID, number: number, source: source.reference,
                            range: range)
                    }
                }
            }
        }
        progress.add(size)
        return copied
    }
}
