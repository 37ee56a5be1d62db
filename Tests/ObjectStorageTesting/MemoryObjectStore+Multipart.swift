import ObjectStorage
import Support
import Synchronization

extension MemoryObjectStore {
    package func createMultipartUpload(_ key: String) async throws -> String {
        try await perform(StoreCall(.createMultipartUpload, key: key)) {
            try checkKey(key)
            if let refusal = faults.multipartRefusal { throw refusal }
            let number = backend.state.withLock { state in
                defer { state.nextUpload += 1 }
                return state.nextUpload
            }
            let id = "upload-\(number)"
            try withBucket { bucket throws(BackupError) in bucket.uploads[id] = .init(key: .init(key)) }
            return id
        }
    }

    package func uploadPart(
        _ key: String, uploadID: String, number: Int, body: ObjectBody
    ) async throws -> UploadedPart {
        let call = StoreCall(.uploadPart, key: key, partNumber: number)
        return try await perform(call) {
            let bytes = try await content(of: body, call)
            return try store(bytes, key, uploadID: uploadID, number: number)
        }
    }

    package func copyPart(
        _ key: String, uploadID: String, number: Int, source: ObjectReference, range: Range<Int64>
    ) async throws -> UploadedPart {
        try await perform(StoreCall(.copyPart, key: key, range: range, partNumber: number)) {
            let bytes = try copiedBytes(source)
            guard range.lowerBound >= 0, range.upperBound <= bytes.count, !range.isEmpty else {
                throw wrongArgument(source.key, "the range \(range) is not in its \(bytes.count) bytes")
            }
            let part = Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
            return try store(part, key, uploadID: uploadID, number: number)
        }
    }

    private func store(
        _ bytes: [UInt8], _ key: String, uploadID: String, number: Int
    ) throws(BackupError) -> UploadedPart {
        guard (1...limits.maximumParts).contains(number) else {
            throw wrongArgument(key, "part number \(number) is not possible")
        }
        let etag = makeETag(bytes)
        try withBucket { bucket throws(BackupError) in
            guard bucket.uploads[uploadID]?.key == .init(key) else { throw missing(key, "upload \(uploadID) of") }
            bucket.uploads[uploadID]?.parts[number] = .init(bytes: bytes, etag: etag)
        }
        return UploadedPart(number: number, etag: etag)
    }

    package func partLengths(of key: String) async throws -> [Int64]? {
        try await perform(StoreCall(.head, key: key)) {
            guard faults.tellsParts else { return nil }
            let lengths = try withBucket { bucket throws(BackupError) in bucket[.init(key)]?.lengths }
            return lengths.flatMap { $0.count > 1 ? $0 : nil }
        }
    }

    @discardableResult
    package func completeMultipartUpload(
        _ key: String, uploadID: String, parts: [UploadedPart]
    ) async throws -> StoredObject {
        try await perform(StoreCall(.completeMultipartUpload, key: key)) {
            let isOpaque = faults.hasOpaqueETags
            return try withBucket { bucket throws(BackupError) in
                guard let upload = bucket.uploads[uploadID], upload.key == .init(key) else {
                    throw missing(key, "upload \(uploadID) of")
                }
                let stored = try check(parts, of: upload, key)
                let digests: [UInt8] = stored.flatMap { md5($0.bytes) } + (isOpaque ? [0] : [])
                let etag = "\(hexadecimal(md5(digests)))-\(stored.count)"
                bucket.uploads[uploadID] = nil
                bucket[.init(key)] = .init(
                    bytes: stored.flatMap(\.bytes), etag: etag, lengths: stored.map { Int64($0.bytes.count) })
                return StoredObject(etag: etag)
            }
        }
    }

    /// The parts as they are stored, when the list names them rightly.
    private func check(
        _ parts: [UploadedPart], of upload: MemoryBackend.Upload, _ key: String
    ) throws(BackupError) -> [MemoryBackend.Object] {
        guard !parts.isEmpty else { throw wrongArgument(key, "an upload needs a part") }
        var stored: [MemoryBackend.Object] = []
        for (index, part) in parts.enumerated() {
            if index > 0, parts[index - 1].number >= part.number {
                throw wrongArgument(key, "part \(part.number) is out of order")
            }
            guard let object = upload.parts[part.number], object.etag == part.etag else {
                throw wrongArgument(key, "part \(part.number) was not uploaded like this")
            }
            guard index == parts.count - 1 || object.bytes.count >= limits.minimumPartSize else {
                throw wrongArgument(key, "part \(part.number) has only \(object.bytes.count) bytes")
            }
            stored.append(object)
        }
        return stored
    }

    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {
        try await perform(StoreCall(.abortMultipartUpload, key: key)) {
            try withBucket { bucket throws(BackupError) in
                if bucket.uploads[uploadID]?.key == .init(key) { bucket.uploads[uploadID] = nil }
            }
        }
    }

    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] {
        try await perform(StoreCall(.listMultipartUploads, key: prefix)) {
            try withBucket { bucket throws(BackupError) in
                bucket.uploads.filter { $0.value.key.bytes.starts(with: prefix.utf8) }
                    .sorted { ($0.value.key, $0.key) < ($1.value.key, $1.key) }
                    .map { PendingUpload(key: $0.value.key.text, uploadID: $0.key) }
            }
        }
    }
}
