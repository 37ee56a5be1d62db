import JSON
import Support

/// What is known of one object of a backup: a line of the manifest.
package struct ManifestRecord: Sendable, Hashable {
    /// Below the backup's directory: `binlogs/insert_log/…`.
    package var key: String
    /// Bytes.
    package var size: Int64
    /// Of the object in the backup; empty when the store told none.
    package var etag: String
    /// `KIND:VALUE` (`md5:…`, `crc32c:…`, hexadecimal) of the bytes, computed while they passed; empty when this process saw
    /// none of them.
    package var checksum: String

    package init(key: String, size: Int64, etag: String = "", checksum: String = "") {
        self.key = key
        self.size = size
        self.etag = etag
        self.checksum = checksum
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("key", key)
            try writer.member("size", size)
            try writer.memberIfSet("etag", etag)
            try writer.memberIfSet("checksum", checksum)
        }
    }

    init(line: [UInt8]) throws {
        if let record = ManifestLine.record(line) {
            self = record
            return
        }
        let value = try JSONValue(parsing: line, name: "manifest")
        guard let key = try value.string("key"), let size = try value.int64("size"), size >= 0 else {
            throw BackupError(.corrupted, "manifest: a line has no key or no size")
        }
        self.init(
            key: key, size: size, etag: try value.string("etag") ?? "", checksum: try value.string("checksum") ?? "")
    }
}

/// The first line of a manifest, and of every piece of a journal.
package struct ManifestHeader: Sendable, Hashable {
    package static let format = "milvus-backup-manifest"
    package static let version: Int64 = 1

    /// The backup's name and id.
    package var name: String
    package var id: String

    package init(name: String, id: String) {
        self.name = name
        self.id = id
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("format", Self.format)
            try writer.member("version", Self.version)
            try writer.member("name", name)
            try writer.member("id", id)
        }
    }

    init(line: [UInt8]) throws {
        let value = try JSONValue(parsing: line, name: "manifest")
        guard try value.string("format") == Self.format else {
            throw BackupError(.corrupted, "manifest: the first line is not that of a manifest")
        }
        guard let version = try value.int64("version"), version == Self.version else {
            throw BackupError(
                .unsupported, "manifest: written by a later release", hint: "use that release of milvus-backup")
        }
        self.init(name: try value.string("name") ?? "", id: try value.string("id") ?? "")
    }
}
