import ObjectStorage
import Support
import Synchronization

extension MemoryObjectStore {
    package func list(
        prefix: String, delimiter: String?, continuation: String?, limit: Int
    ) async throws -> ObjectPage {
        let listedSize = faults.listedSize
        return try await perform(StoreCall(.list, key: prefix)) {
            try withBucket { bucket throws(BackupError) in
                var walk = ListingWalk(prefix: prefix, delimiter: delimiter, continuation: continuation)
                for key in bucket.sortedKeys() {
                    guard walk.page.objects.count + walk.page.commonPrefixes.count < max(1, limit) else {
                        walk.meetsLimit(before: key)
                        if walk.isFull { break }
                        continue
                    }
                    if let object = bucket[key] { walk.visit(key, object) }
                }
                var page = walk.page
                if let listedSize { for index in page.objects.indices { page.objects[index].size = listedSize } }
                return page
            }
        }
    }

    package func head(_ key: String) async throws -> ObjectInfo? {
        try await perform(StoreCall(.head, key: key)) {
            try withBucket { bucket throws(BackupError) in
                bucket[.init(key)].map { ObjectInfo(key: key, size: Int64($0.bytes.count), etag: $0.etag) }
            }
        }
    }

    package func get(
        _ key: String, range: Range<Int64>?, ifMatch: String?, into pipe: BytePipe
    ) async throws -> ObjectInfo {
        let call = StoreCall(.get, key: key, range: range)
        return try await perform(call) {
            let object = try withBucket { bucket throws(BackupError) in
                guard let object = bucket[.init(key)] else { throw missing(key) }
                return object
            }
            if let ifMatch, ifMatch != object.etag {
                throw BackupError(.notFound, "memory store: \"\(identity.bucket)/\(key)\" has changed")
            }
            let size = Int64(object.bytes.count)
            let wanted = range ?? 0..<size
            guard wanted.lowerBound >= 0, wanted.lowerBound < size || (range == nil && size == 0) else {
                throw wrongArgument(key, "the range \(wanted) is not in its \(size) bytes")
            }
            let body = object.bytes[Int(wanted.lowerBound)..<Int(min(wanted.upperBound, size))]
            send(Array(body), fault: faults.bodyFault(call), to: pipe)
            return ObjectInfo(key: key, size: size, etag: object.etag)
        }
    }

    /// The transfer goes on after `get` has returned, until the reader leaves.
    private func send(_ bytes: [UInt8], fault: BodyFault?, to pipe: BytePipe) {
        Task {
            do {
                switch fault {
                case nil: try await write(bytes[...], to: pipe)
                case .truncated(let count): try await write(bytes.prefix(Int(count)), to: pipe)
                case .extended(let count):
                    try await write(bytes + [UInt8](repeating: 0, count: Int(count)), to: pipe)
                case .corrupted: try await write((bytes.first.map { [$0 ^ 0xff] } ?? []) + bytes.dropFirst(), to: pipe)
                case .broken(let count):
                    try await write(bytes.prefix(Int(count)), to: pipe)
                    throw BackupError(.unavailable, "memory store: the connection was reset", isRetryable: true)
                case .stalled(let count):
                    try await write(bytes.prefix(Int(count)), to: pipe)
                    return
                }
                pipe.finish()
            } catch {
                pipe.fail(BackupError(wrapping: error))
            }
        }
    }

    private func write(_ bytes: some Collection<UInt8>, to pipe: BytePipe) async throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            try await pipe.write(Array(rest.prefix(64 * 1024)))
            rest = rest.dropFirst(64 * 1024)
        }
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody) async throws -> StoredObject {
        let call = StoreCall(.put, key: key)
        return try await perform(call) {
            try checkKey(key)
            let bytes = try await content(of: body, call)
            let etag = makeETag(bytes)
            try withBucket { bucket throws(BackupError) in bucket[.init(key)] = .init(bytes: bytes, etag: etag) }
            return StoredObject(etag: faults.garbledETag(call) ?? etag)
        }
    }

    @discardableResult
    package func put(_ key: String, body: ObjectBody, if condition: WriteCondition) async throws -> StoredObject {
        guard !faults.ignoresConditions else { return try await put(key, body: body) }
        let call = StoreCall(.put, key: key)
        return try await perform(call) {
            try checkKey(key)
            let bytes = try await content(of: body, call)
            let etag = makeETag(bytes)
            try withBucket { bucket throws(BackupError) in
                let present = bucket[.init(key)]?.etag
                let holds =
                    switch condition {
                    case .absent: present == nil
                    case .unchanged(let expected): present == expected
                    }
                guard holds else { throw BackupError(.alreadyExists, "memory store: the condition does not hold") }
                bucket[.init(key)] = .init(bytes: bytes, etag: etag)
            }
            return StoredObject(etag: etag)
        }
    }

    @discardableResult
    package func copy(_ source: ObjectReference, to key: String) async throws -> StoredObject {
        try await perform(StoreCall(.copy, key: key)) {
            try checkKey(key)
            let bytes = try copiedBytes(source)
            guard bytes.count <= limits.maximumCopySize else {
                throw wrongArgument(source.key, "\(bytes.count) bytes are more than one copy can carry")
            }
            let etag = makeETag(bytes)
            try withBucket { bucket throws(BackupError) in bucket[.init(key)] = .init(bytes: bytes, etag: etag) }
            return StoredObject(etag: etag)
        }
    }

    /// The bytes of an object of this backend that is to be copied.
    func copiedBytes(_ source: ObjectReference) throws(BackupError) -> [UInt8] {
        if let refusal = faults.copyRefusal { throw refusal }
        return try backend.state.withLock { state throws(BackupError) in
            guard let bucket = state.buckets[source.bucket] else { throw missingBucket(source.bucket) }
            guard let object = bucket[.init(source.key)] else {
                throw BackupError(.notFound, "memory store: \"\(source.bucket)/\(source.key)\" does not exist")
            }
            return object.bytes
        }
    }

    package func delete(_ keys: [String]) async throws {
        try await perform(StoreCall(.delete, key: keys.first ?? "")) {
            guard keys.count <= 1000 else { throw wrongArgument("", "\(keys.count) keys are more than 1000") }
            try withBucket { bucket throws(BackupError) in
                for key in keys { bucket[.init(key)] = nil }
            }
        }
    }

    package func createBucketIfMissing() async throws {
        try await perform(StoreCall(.createBucket)) {
            let name = identity.bucket
            backend.state.withLock { $0.buckets[name] = $0.buckets[name] ?? MemoryBackend.Bucket() }
        }
    }
}

/// Collects one page of a listing.
private struct ListingWalk {
    let prefix: [UInt8]
    let delimiter: [UInt8]?
    /// The last entry of the page before: a key, or a common prefix.
    let after: [UInt8]?
    let isAfterPrefix: Bool
    private(set) var page = ObjectPage()
    private(set) var isFull = false
    private var last: (entry: [UInt8], isPrefix: Bool)?

    init(prefix: String, delimiter: String?, continuation: String?) {
        self.prefix = Array(prefix.utf8)
        self.delimiter = delimiter.map { Array($0.utf8) }
        after = continuation.map { Array($0.utf8.dropFirst()) }
        isAfterPrefix = continuation?.utf8.first == UInt8(ascii: "p")
    }

    mutating func visit(_ key: MemoryBackend.Key, _ object: MemoryBackend.Object) {
        guard let entry = entry(of: key) else { return }
        last = entry
        if entry.isPrefix {
            page.commonPrefixes.append(String(decoding: entry.entry, as: UTF8.self))
        } else {
            page.objects.append(ObjectInfo(key: key.text, size: Int64(object.bytes.count), etag: object.etag))
        }
    }

    /// The page has its fill: it has a continuation when there is anything more.
    mutating func meetsLimit(before key: MemoryBackend.Key) {
        guard entry(of: key) != nil, let last else { return }
        page.continuation = (last.isPrefix ? "p" : "k") + String(decoding: last.entry, as: UTF8.self)
        isFull = true
    }

    /// What the listing shows for `key`; nil when it shows nothing, or showed it already.
    private func entry(of key: MemoryBackend.Key) -> (entry: [UInt8], isPrefix: Bool)? {
        guard key.bytes.starts(with: prefix) else { return nil }
        if let after {
            let isSeen = isAfterPrefix && key.bytes.starts(with: after)
            if isSeen || !after.lexicographicallyPrecedes(key.bytes) { return nil }
        }
        guard let delimiter, let end = endOfDelimiter(delimiter, in: key.bytes) else { return (key.bytes, false) }
        let common = Array(key.bytes[..<end])
        return last?.isPrefix == true && last?.entry == common ? nil : (common, true)
    }

    private func endOfDelimiter(_ delimiter: [UInt8], in key: [UInt8]) -> Int? {
        var start = prefix.count
        while start + delimiter.count <= key.count {
            if key[start...].starts(with: delimiter) { return start + delimiter.count }
            start += 1
        }
        return nil
    }
}
