import JSON

/// What a reader of metadata may leave out.
package struct MetadataReadOptions: Sendable, Hashable {
    /// Leaves ``SegmentBackup/insertLogs`` and ``SegmentBackup/deltaLogs`` empty: restore lists the store instead.
    package var skipsBinlogs = false
    /// Leaves ``BackupInfo/collections`` empty.
    package var skipsCollections = false
    /// Leaves ``CollectionBackup/partitions`` empty.
    var skipsPartitions = false

    package init(skipsBinlogs: Bool = false, skipsCollections: Bool = false) {
        self.skipsBinlogs = skipsBinlogs
        self.skipsCollections = skipsCollections
    }

    /// Everything.
    package static let everything = MetadataReadOptions()
    /// The tree down to the segments, without their logs.
    package static let withoutBinlogs = MetadataReadOptions(skipsBinlogs: true)
    /// What a list of backups shows.
    package static let summary = MetadataReadOptions(skipsBinlogs: true, skipsCollections: true)
}

/// An object of the metadata that is read, its members in any order.
protocol MetadataReadable {
    /// The keys as they stand in the JSON.
    associatedtype Key: RawRepresentable<String> & CaseIterable & Sendable
    static var keys: JSONKeys<Key> { get }

    init()

    /// Reads the value of a member.
    mutating func read(_ key: Key, from reader: inout JSONReader, _ options: MetadataReadOptions) throws
}

/// An object of the metadata that is written as well, and needs nothing but itself for it.
protocol MetadataObject: MetadataReadable {
    /// Writes the members in the order of their numbers in the original's messages.
    func writeMembers(to writer: inout JSONWriter) throws
}

extension MetadataReadable {
    /// Reads an object; keys that are not known are passed over.
    init(from reader: inout JSONReader, _ options: MetadataReadOptions = .everything) throws {
        self.init()
        try reader.forEachMember(Self.keys) { reader, key in try self.read(key, from: &reader, options) }
    }
}

extension MetadataObject {
    func write(to writer: inout JSONWriter) throws {
        try writer.beginObject()
        try writeMembers(to: &writer)
        try writer.endObject()
    }
}

extension JSONReader {
    mutating func readObjects<Object: MetadataReadable>(
        _ options: MetadataReadOptions = .everything
    ) throws -> [Object] {
        var objects: [Object] = []
        try forEachElement { reader in objects.append(try Object(from: &reader, options)) }
        return objects
    }
}

extension JSONWriter {
    mutating func memberIfSet<Object: MetadataObject>(_ key: String, _ objects: [Object]) throws {
        try memberIfSet(key, objects) { writer, object in try object.write(to: &writer) }
    }

    mutating func memberIfSet<Object: MetadataObject>(_ key: String, _ object: Object?) throws {
        guard let object else { return }
        try self.key(key)
        try object.write(to: &self)
    }

    mutating func memberIfSet(_ key: String, _ numbers: [Int64]) throws {
        try memberIfSet(key, numbers) { writer, number in try writer.integer(number) }
    }
}
