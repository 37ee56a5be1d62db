import HTTP
import Support

/// What arrived, and what both sides call it.
struct MovedBytes: Sendable {
    /// Of the new object or part; empty when the store told none.
    var etag: String
    /// As the source told with the bytes; empty when it did not.
    var sourceETag: String
    /// Of these bytes, when they went the checksummed way.
    var crc32c: UInt32?
    /// Whether they passed through this process, and not from socket to socket within the kernel.
    var wereSeen = true
}

/// The shape of the ETag that will prove a copy.
enum ExpectedProof: Sendable {
    /// One request for the whole object: the MD5 of its content.
    case plain
    /// As many parts as the source has.
    case multipart(parts: Int)
    /// None will.
    case none
}

/// The bytes go from socket to socket, where both stores offer it. Retries, progress and checks are those of every stream.
extension ObjectCopier {
    /// Bodies up to here may come along with the head of an answer, of others the first bytes: they are paid for in advance.
    private static let smallBody: Int64 = 128 << 10
    private static let firstBytes: Int64 = 16 << 10

    /// - Returns: nil when this is to be done in the ordinary way.
    func relay(
        _ source: CopySource, _ range: Range<Int64>?, to store: any ObjectStore, _ target: WriteTarget,
        proof: ExpectedProof, _ progress: CopyProgress
    ) async throws -> MovedBytes? {
        let (from, to) = (source.store.identity, store.identity)
        guard options.fastPath != .off, !routes.isUnsuited(from, to), let reader = source.store as? any DirectStreaming,
            let writer = store as? any DirectStreaming, let relay = reader.relay, writer.relay != nil
        else { return nil }
        let meter = RelayMeter()
        progress.begin(meter)
        defer { progress.end(meter) }
        let length = range.map { Int64($0.count) } ?? source.size
        let paid = length > ObjectCopier.smallBody ? ObjectCopier.firstBytes : length
        try await limiter.bytes.acquire(paid)
        do {
            var isSecondTry = false
            while true {
                let read = try await reader.readRequest(source.key, range: range, ifMatch: source.etag)
                let write = try await writer.writeRequest(target, length: length)
                var request = RelayRequest(from: read.http, to: write.http, length: length, meter: meter) {
                    [self] answer throws(BackupError) in
                    let info = try read.understand(answer)
                    // A store may tell the length of the range instead of the object's.
                    guard info.size == source.size || (range != nil && info.size == length) else {
                        throw wrongSize(source.key, expected: source.size, found: info.size)
                    }
                    let isProven =
                        options.fastPath == .auto && routes.mayProve(from, to)
                        && source.store.etagsTellContent && store.etagsTellContent
                        && proof.isExpected(of: source.etag ?? info.etag)
                    return isProven ? .unseen : .checksummed
                }
                request.throttle = limiter.bytes
                request.paid = paid
                let side: SidedFailure.Side
                let refusal: DirectRefusal
                switch try await watchedRelay(relay, request, of: source) {
                case .relayed(let head, let answer, let crc):
                    return MovedBytes(
                        etag: try write.understand(answer), sourceETag: try source.etag ?? read.understand(head).etag,
                        crc32c: crc, wereSeen: crc != nil)
                case .sourceRefused(let answer): (side, refusal) = (.source, read.refusal(answer))
                case .destinationRefused(let answer): (side, refusal) = (.destination, write.refusal(answer))
                }
                switch refusal {
                case .askAgain where !isSecondTry: isSecondTry = true
                case .askAgain(let error), .failed(let error): throw SidedFailure(side: side, error: error)
                }
            }
        } catch let unsuited as RelayUnsuited {
            if unsuited.isLasting, routes.rememberUnsuited(from, to) {
                logger.info(
                    "bytes do not go the fast way",
                    ["from": from.endpoint, "to": to.endpoint, "reason": unsuited.reason])
            }
            return nil
        }
    }

    /// The loops mind their own connections; this minds the loops, and whatever else may hold a relay up.
    private func watchedRelay(
        _ relay: any HTTPRelay, _ request: RelayRequest, of source: CopySource
    ) async throws -> RelayOutcome {
        let meter = request.meter
        return try await watchdog.watch(
            "copy of \"\(source.key)\"", timeout: options.stallTimeout, progress: { meter.pulse }
        ) {
            try await relay.relay(request)
        }
    }
}

extension ExpectedProof {
    /// Whether a source with this ETag gives a copy that is proven by its own.
    fileprivate func isExpected(of sourceETag: String) -> Bool {
        switch (self, ETagShape(sourceETag)) {
        case (.plain, .plain): true
        case (.multipart(let parts), .multipart(_, parts: let sourceParts)): parts == sourceParts
        default: false
        }
    }
}
