import BackupFormat
import ObjectStorage
import Support

/// What is expected of every object of a backup, and what was found: 48 bytes an object, however long its key is.
///
/// Keys are kept as hashes with a random seed. Whoever wants to name an object goes through the manifest or the metadata once
/// more: ``isCurrent(_:number:)`` tells which of several records of a key counts.
struct ObjectTable: Sendable {
    enum State: UInt8, Sendable {
        /// Not in the listing.
        case unseen
        /// There, with its size, and with its ETag where that can be compared.
        case sound
        /// There with its size and with another ETag; its bytes may settle it.
        case doubtful
        /// Told already.
        case changed
    }

    struct Entry: Sendable {
        fileprivate let key: UInt64
        let size: Int64
        fileprivate var etag: CompactETag
        /// Of the record that it comes from.
        let number: UInt32
        fileprivate(set) var crc32c: UInt32 = 0
        fileprivate(set) var hasCRC32C = false
        /// Whether the record, and not the listing, has told the ETag.
        fileprivate(set) var isETagRecorded: Bool
        fileprivate(set) var state = State.unseen

        /// Empty when there is none that says anything of the content.
        var etagText: String { etag.text }
    }

    /// What comes of an object in the listing.
    enum Finding: Sendable, Hashable {
        case sound
        case unknown
        case wrongSize(expected: Int64)
        /// With the ETag that it should have.
        case wrongETag(expected: String)
    }

    private var entries: [Entry] = []

    var count: Int { entries.count }

    // MARK: Filling

    mutating func reserve(_ count: Int) { entries.reserveCapacity(entries.count + count) }

    /// - Parameter number: grows from record to record.
    mutating func add(_ record: ManifestRecord, number: UInt32) {
        var entry = Entry(
            key: Self.hash(record.key[...]), size: record.size, etag: CompactETag(record.etag), number: number,
            isETagRecorded: !record.etag.isEmpty)
        if let checksum = UInt32(crc32c: record.checksum) {
            entry.crc32c = checksum
            entry.hasCRC32C = true
        }
        entries.append(entry)
    }

    mutating func merge(_ other: ObjectTable) {
        guard other.count > 0 else { return }
        if entries.isEmpty { entries = other.entries } else { entries += other.entries }
        seal()
    }

    /// Makes what was added ready to be asked. Of several records of a key the last one counts.
    mutating func seal() {
        entries.sort { ($0.key, $0.number) < ($1.key, $1.number) }
        var kept = 0
        for index in entries.indices {
            if kept > 0, entries[kept - 1].key == entries[index].key { kept -= 1 }
            entries[kept] = entries[index]
            kept += 1
        }
        entries.removeLast(entries.count - kept)
    }

    // MARK: Asking

    /// - Parameter key: below the backup's directory.
    func entry(_ key: Substring) -> Entry? { index(of: key).map { entries[$0] } }

    /// Whether a record is the one that counts for its key.
    func isCurrent(_ key: Substring, number: UInt32) -> Bool { entry(key)?.number == number }

    func count(_ state: State) -> Int { entries.reduce(0) { $0 + ($1.state == state ? 1 : 0) } }

    var bytes: Int64 { entries.reduce(0) { $0.addingReportingOverflow($1.size).partialValue } }

    // MARK: What was found

    /// Takes an object of the listing.
    mutating func see(_ key: Substring, size: Int64, etag: String) -> Finding {
        guard let index = index(of: key) else { return .unknown }
        let expected = entries[index]
        // Some versions record no sizes.
        guard expected.size == size || expected.size == 0 && !expected.isETagRecorded else {
            entries[index].state = .changed
            return .wrongSize(expected: expected.size)
        }
        let found = CompactETag(etag)
        guard expected.isETagRecorded else {
            entries[index] = Entry(
                key: expected.key, size: size, etag: found, number: expected.number, crc32c: expected.crc32c,
                hasCRC32C: expected.hasCRC32C, isETagRecorded: false, state: .sound)
            return .sound
        }
        guard found.isDifferent(from: expected.etag) else {
            entries[index].state = .sound
            return .sound
        }
        entries[index].state = .doubtful
        return .wrongETag(expected: expected.etagText)
    }

    mutating func set(_ state: State, of key: Substring) {
        if let index = index(of: key) { entries[index].state = state }
    }

    /// Keeps what the bytes were found to be, where nothing was known.
    mutating func learn(crc32c: UInt32, of key: Substring) {
        guard let index = index(of: key), !entries[index].hasCRC32C else { return }
        entries[index].crc32c = crc32c
        entries[index].hasCRC32C = true
    }

    // MARK: Keys

    private func index(of key: Substring) -> Int? {
        let hash = Self.hash(key)
        var range = entries.startIndex..<entries.endIndex
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            if entries[middle].key < hash {
                range = middle + 1..<range.upperBound
            } else {
                range = range.lowerBound..<middle
            }
        }
        return range.lowerBound < entries.endIndex && entries[range.lowerBound].key == hash ? range.lowerBound : nil
    }

    /// Of the bytes: texts that look the same may be different keys.
    private static func hash(_ key: Substring) -> UInt64 {
        var hasher = Hasher()
        var key = key
        key.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}

extension UInt32 {
    /// Of a checksum as a manifest has it; nil for one of another kind.
    fileprivate init?(crc32c checksum: String) {
        guard checksum.hasPrefix("crc32c:"), let value = UInt32(checksum.dropFirst(7), radix: 16) else { return nil }
        self = value
    }
}

/// An ETag in 18 bytes; what does not look like MD5 is none.
private struct CompactETag: Sendable, Hashable {
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    /// 0 for one that says nothing, 1 for the MD5 of the content, else the parts and one.
    private var shape: UInt16 = 0

    init(_ text: String) {
        let (digest, shape): (String, UInt16)
        switch ETagShape(text) {
        case .plain(let md5): (digest, shape) = (md5, 1)
        case .multipart(let md5, let parts) where parts < Int(UInt16.max): (digest, shape) = (md5, UInt16(parts) + 1)
        case .multipart, .opaque: return
        }
        guard let high = UInt64(digest.prefix(16), radix: 16), let low = UInt64(digest.dropFirst(16), radix: 16) else {
            return
        }
        self.high = high
        self.low = low
        self.shape = shape
    }

    var text: String {
        guard shape > 0 else { return "" }
        let digest = [high, low].map { half in
            let digits = String(half, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
        return shape == 1 ? digest : "\(digest)-\(shape - 1)"
    }

    /// ETags of different shapes are no evidence: another tool may have moved the backup.
    func isDifferent(from other: CompactETag) -> Bool { shape > 0 && shape == other.shape && self != other }
}
