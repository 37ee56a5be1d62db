/// The keys of one kind of object, for a look-up by bytes.
///
/// As in Go's decoder a key is also found when only its case differs.
package struct JSONKeys<Key: Sendable>: Sendable {
    @usableFromInline let keys: [Key]
    @usableFromInline let names: KeyNames

    package init(_ type: Key.Type = Key.self) where Key: CaseIterable & RawRepresentable, Key.RawValue == String {
        keys = Array(Key.allCases)
        names = KeyNames(keys.map(\.rawValue))
    }

    @inlinable
    package subscript(_ name: UnsafeBufferPointer<UInt8>) -> Key? {
        guard let index = names.index(of: name) else { return nil }
        return keys[index]
    }
}

/// Names in one block of bytes, searched one after the other: objects have a few keys only.
@usableFromInline
struct KeyNames: Sendable {
    private var bytes: [UInt8] = []
    private var ends: [Int] = []

    init(_ names: [String]) {
        for name in names {
            bytes += name.utf8
            ends.append(bytes.count)
        }
    }

    @usableFromInline
    func index(of name: UnsafeBufferPointer<UInt8>) -> Int? {
        search(name) { $0 == $1 } ?? search(name) { lowercased($0) == lowercased($1) }
    }

    @inline(__always)
    private func search(_ name: UnsafeBufferPointer<UInt8>, _ areEqual: (UInt8, UInt8) -> Bool) -> Int? {
        bytes.withUnsafeBufferPointer { bytes in
            ends.withUnsafeBufferPointer { ends in
                var start = 0
                for index in 0..<ends.count {
                    defer { start = ends[index] }
                    guard ends[index] - start == name.count else { continue }
                    var place = 0
                    while place < name.count, areEqual(bytes[start + place], name[place]) { place += 1 }
                    if place == name.count { return index }
                }
                return nil
            }
        }
    }
}

@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}

extension JSONReader {
    /// Reads an object: `body` is called for every member whose key is in `keys`, and must read its value. Other
    /// members are passed over, and so is `null`, both as a member's value and in place of the whole object.
    @inlinable
    package mutating func forEachMember<Key>(
        _ keys: JSONKeys<Key>, _ body: (inout JSONReader, Key) throws -> Void
    ) throws {
        if try takeNull() { return }
        try beginObject()
        while try nextKey() {
            guard let key = withCurrentKey({ keys[$0] }) else {
                try skipValue()
                continue
            }
            if try takeNull() { continue }
            try body(&self, key)
        }
    }

    /// Reads an array: `body` is called for every element and must read it. `null` counts as empty.
    @inlinable
    package mutating func forEachElement(_ body: (inout JSONReader) throws -> Void) throws {
        if try takeNull() { return }
        try beginArray()
        while try nextElement() { try body(&self) }
    }

    /// Gives the key that ``nextKey()`` has found to `body`, without making a `String`.
    @inlinable
    package func withCurrentKey<Result>(_ body: (UnsafeBufferPointer<UInt8>) throws -> Result) rethrows -> Result {
        try currentKeyBytes.withUnsafeBufferPointer(body)
    }

    @usableFromInline var currentKeyBytes: ArraySlice<UInt8> { keys[(frames.last?.keyStart ?? 0)...] }

    /// An array of strings; `null` counts as empty, in place of an element as well.
    package mutating func readStrings() throws -> [String] {
        var strings: [String] = []
        try forEachElement { reader in strings.append(try reader.takeNull() ? "" : reader.readString()) }
        return strings
    }

    /// An array of integers; a `null` counts as 0.
    package mutating func readInt64s() throws -> [Int64] {
        var values: [Int64] = []
        try forEachElement { reader in values.append(try reader.takeNull() ? 0 : reader.readInt64()) }
        return values
    }

    /// An object of strings; of two members with the same key the last one counts.
    package mutating func readStringMap() throws -> [String: String] {
        var map: [String: String] = [:]
        if try takeNull() { return map }
        try beginObject()
        while try nextKey() {
            let key = currentKey
            map[key] = try takeNull() ? "" : readString()
        }
        return map
    }
}
