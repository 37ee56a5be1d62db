/// Reads a line as this program writes it: a manifest has a million of them. Any other JSON is left to the reader of JSON.
struct ManifestLine {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var position = 0

    /// Nil for what is to be read in the ordinary way, be it right or wrong.
    static func record(_ line: [UInt8]) -> ManifestRecord? {
        line.withUnsafeBufferPointer { bytes in
            var cursor = ManifestLine(bytes: bytes)
            return cursor.record()
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private mutating func record() -> ManifestRecord? {
        guard take("{\"key\":"), let key = text(), take(",\"size\":"), let size = number() else { return nil }
        var record = ManifestRecord(key: key, size: size)
        if take(",\"etag\":") {
            guard let etag = text() else { return nil }
            record.etag = etag
        }
        if take(",\"checksum\":") {
            guard let checksum = text() else { return nil }
            record.checksum = checksum
        }
        return take("}") && position == bytes.count ? record : nil
    }

    private mutating func take(_ text: StaticString) -> Bool {
        let end = position + text.utf8CodeUnitCount
        guard end <= bytes.count else { return false }
        let expected = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard bytes[position..<end].elementsEqual(expected) else { return false }
        position = end
        return true
    }

    /// A string without escapes.
    private mutating func text() -> String? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            guard bytes[position] >= 0x20, bytes[position] != UInt8(ascii: "\\") else { return nil }
            position += 1
        }
        let content = bytes[start..<position]
        return take("\"") ? String(validating: content, as: UTF8.self) : nil
    }

    /// A number that is not negative, in its shortest form.
    private mutating func number() -> Int64? {
        let start = position
        var value: Int64 = 0
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int64(bytes[position] - 0x30))
            guard !overflow, !carry else { return nil }
            value = sum
            position += 1
        }
        guard position > start, position == start + 1 || bytes[start] != 0x30 else { return nil }
        return value
    }
}
