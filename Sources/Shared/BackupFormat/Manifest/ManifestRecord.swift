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
    /// MD5 of the bytes in hexadecimal, computed while they passed; empty when the store did the copying.
    package var md5: String

    package init(key: String, size: Int64, etag: String = "", md5: String = "") {
        self.key = key
        self.size = size
        self.etag = etag
        self.md5 = md5
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("key", key)
            try writer.member("size", size)
            try writer.memberIfSet("etag", etag)
            try writer.memberIfSet("md5", md5)
        }
    }

    init(line: [UInt8]) throws {
        let value = try JSONValue(parsing: line, name: "manifest")
        guard let key = try value.string("key"), let size = try value.int64("size"), size >= 0 else {
            throw BackupError(.corrupted, "manifest: a line has no key or no size")
        }
        self.init(key: key, size: size, etag: try value.string("etag") ?? "", md5: try value.string("md5") ?? "")
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
