import HTTP
import Support

extension S3ObjectStore {
    package func delete(_ keys: [String]) async throws {
        guard keys.count <= 1000 else {
            throw BackupError(.invalidArgument, "\(keys.count) objects are too many to be deleted at once")
        }
        for key in keys { _ = try checked(key) }
        var batch = keys.filter(canBeBatched)
        if batch.count == 1 { batch = [] }
        let single = batch.count == keys.count ? [] : keys.filter { batch.isEmpty || !canBeBatched($0) }
        var failure = await firstFailure { try await self.deleteBatch(batch) }
        if failure?.code == .unsupported {
            failure = await firstFailure { try await self.deleteEach(batch) }
        }
        let other = await firstFailure { try await self.deleteEach(single) }
        if let first = failure ?? other { throw first }
    }

    private func canBeBatched(_ key: String) -> Bool {
        switch configuration.provider {
        // Google's storage has no batches.
        case .gcp: false
        // MinIO's gateways to file systems pass over empty directories in a batch, without a word.
        case .minio: isXMLText(key) && key.utf8.last != UInt8(ascii: "/")
        case .s3, .aws, .aliyun, .tencent, .hwc: isXMLText(key)
        }
    }

    private func firstFailure(_ body: () async throws -> Void) async -> BackupError? {
        do {
            try await body()
            return nil
        } catch {
            return BackupError(wrapping: error)
        }
    }

    private func deleteBatch(_ keys: [String]) async throws {
        guard !keys.isEmpty else { return }
        let body = S3Bodies.deletion(of: keys)
        guard let digest = Digests.md5(body) else { return try await deleteEach(keys) }
        var call = S3Call(method: "POST", query: [("delete", "")], request: S3Request(purpose: .delete))
        call.headers = [("content-md5", digest.base64), ("content-type", "application/xml")]
        call.body = .bytes(body)
        let answer = try await client.send(call).body
        guard !answer.isEmpty else { return }
        let report = try understanding(call) { () throws(BackupError) in try DeletionReport(answer) }
        let failures = report.failures.filter { $0.code != "NoSuchKey" }
        guard let first = failures.first else { return }
        call.request.key = first.key
        // The codes are those of single requests; only the status is missing.
        let refusal = S3ErrorResponse(
            status: 200, code: first.code, message: first.message.escapingControlCharacters,
            bucket: configuration.bucket)
        var error = try await client.error(for: refusal, in: call)
        if failures.count > 1 { error.message += ", and \(failures.count - 1) more could not be deleted" }
        throw error
    }

    /// Tries all and throws the first failure.
    private func deleteEach(_ keys: [String]) async throws {
        let failures = try await mapInParallel(keys, limit: 16) { key in
            await self.firstFailure { try await self.deleteOne(key) }
        }
        try Task.checkCancellation()
        if let first = failures.compactMap({ $0 }).first { throw first }
    }

    private func deleteOne(_ key: String) async throws {
        let call = S3Call(method: "DELETE", key: key, request: S3Request(purpose: .delete, key: key))
        do {
            _ = try await client.send(call)
        } catch let error as BackupError where error.code == .notFound && error.s3Response?.code != "NoSuchBucket" {
            return
        }
    }

    /// The bucket is there when it can be listed, as the original finds out: rights to list are needed in any case, those to
    /// ask for a bucket's head are not always given.
    package func createBucketIfMissing() async throws {
        do {
            _ = try await list(prefix: "", delimiter: nil, continuation: nil, limit: 1)
            return
        } catch let error as BackupError where error.code == .notFound {}
        var call = S3Call(method: "PUT", request: S3Request(purpose: .createBucket))
        let region = client.region
        if !["", "us-east-1", "auto"].contains(region) { call.body = .bytes(S3Bodies.bucket(in: region)) }
        do {
            _ = try await client.send(call)
        } catch let error as BackupError where error.s3Response?.code == "BucketAlreadyOwnedByYou" {
            return
        }
    }
}
