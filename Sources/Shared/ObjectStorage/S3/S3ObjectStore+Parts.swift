import HTTP
import Support

/// In which parts an object was uploaded: S3 tells it when one of them is asked for by its number.
extension S3ObjectStore {
    package func partLengths(of key: String) async throws -> [Int64]? {
        guard let first = try await part(1, of: key), first.count > 1, let last = try await part(first.count, of: key)
        else { return nil }
        // Nearly always all are of one length but the last, which need not be asked one by one.
        if last.range.lowerBound == Int64(first.range.count) * Int64(first.count - 1) {
            return Array(repeating: Int64(first.range.count), count: first.count - 1) + [Int64(last.range.count)]
        }
        let parts = try await mapInParallel(Array(1...first.count), limit: 16) { try await self.part($0, of: key) }
        return parts.compactMap { $0 }.count == parts.count
            ? parts.compactMap { $0.map { Int64($0.range.count) } } : nil
    }

    /// nil when the store does not know of parts: many ignore the question, some refuse it.
    private func part(_ number: Int, of key: String) async throws -> PartAnswer? {
        let call = S3Call(
            method: "HEAD", key: try checked(key), query: [("partNumber", String(number))],
            request: S3Request(purpose: .read, key: key))
        do {
            return PartAnswer(try await client.send(call))
        } catch let error as BackupError where !error.isRetryable && error.code != .canceled {
            return nil
        }
    }
}

/// What the answer to `?partNumber=` says. It counts only with all that belongs to it: a store that ignores the question
/// answers with the whole object.
struct PartAnswer: Sendable, Hashable {
    /// Where the part lies in the object.
    let range: Range<Int64>
    /// Parts of the object.
    let count: Int

    init?(_ response: HTTPResponse) {
        guard response.status == 206, let count = response.headers["x-amz-mp-parts-count"].flatMap({ Int($0) }),
            (1...10_000).contains(count), let range = response.headers["content-range"],
            let bounds = range.split(separator: "/").first?.split(separator: " ").last?.split(separator: "-"),
            bounds.count == 2, let first = Int64(bounds[0]), let last = Int64(bounds[1]), 0 <= first, first <= last,
            last < .max
        else { return nil }
        self.range = first..<last + 1
        self.count = count
    }
}
