import BackupFormat
import JSON
import Support

/// The body of `POST /create`.
struct CreateBody: Sendable {
    var request: BackupRequest
    var isAsynchronous: Bool
    /// Replaces the configured root of backups for this request alone.
    var backupRoot: String?
    /// Switches the pause of garbage collection on where the configuration has it off.
    var pausesGarbageCollection: Bool
    /// Base URL of Milvus' management interface, in place of the configured one.
    var managementEndpoint: String?

    /// - Throws: `invalidArgument` that names the key.
    init(_ body: JSONValue) throws {
        let name = try body.string("backup_name") ?? ""
        try BackupName.validate(name)
        request = BackupRequest(name: name)
        request.filter = try CreateBody.filter(body)
        request.strategy = try CreateBody.strategy(body)
        isAsynchronous = try body.bool("async") ?? false
        backupRoot = try body.text("backup_root_path")
        pausesGarbageCollection = try body.bool("gc_pause_enable") ?? false
        managementEndpoint = try body.text("gc_pause_address")
        if let format = try body.text("format"), !["auto", "binlog"].contains(format) {
            throw BackupError(.invalidArgument, "invalid format \(format), only support auto, binlog")
        }
        request.includesRBAC = try body.bool("rbac") ?? false
        request.skipsMissing = try body.bool("skip_missing") ?? false
        request.resumes = try body.bool("resume") ?? false
        request.verification = try BackupRequest.verification(try body.string("verify") ?? "")
        request.includesIndexExtra = try body.bool("with_index_extra") ?? false
        // These change nothing: the header names the request, and a pause is renewed as long as it is needed.
        _ = try (body.string("requestId"), body.int64("gc_pause_seconds"))
    }

    private static func filter(_ body: JSONValue) throws -> CollectionFilter {
        if let filter = try body.object("filter"), try !filter.members("filter").isEmpty {
            return try CollectionFilter(collectionsByDatabase: filter)
        }
        return try body.sourceFilter()
    }

    private static func strategy(_ body: JSONValue) throws -> BackupRequest.Strategy {
        if let name = try body.text("strategy") {
            guard let strategy = BackupRequest.Strategy(rawValue: name) else {
                let names = BackupRequest.Strategy.allCases.map(\.rawValue).joined(separator: ", ")
                throw BackupError(.invalidArgument, "invalid strategy \(name), only support \(names)")
            }
            return strategy
        }
        if try body.bool("force") ?? false { return .skipFlush }
        return try body.bool("meta_only") ?? false ? .metaOnly : .automatic
    }
}

/// The body of `POST /restore`.
struct RestoreBody: Sendable {
    var request: RestoreRequest
    /// Empty for one that is generated.
    var id: String
    var isAsynchronous: Bool
    /// Replace the configured bucket and root of backups for this request alone.
    var bucket: String?
    var root: String?

    /// - Throws: `invalidArgument` that names the key.
    init(_ body: JSONValue) throws {
        request = RestoreRequest(backupName: try body.string("backup_name") ?? "")
        try BackupName.validateExisting(request.backupName)
        id = try body.string("id") ?? ""
        request.resumes = try body.bool("resume") ?? false
        guard !request.resumes || !id.isEmpty else {
            throw BackupError(.invalidArgument, "resume needs the id of the restore")
        }
        isAsynchronous = try body.bool("async") ?? false
        bucket = try body.text("bucket_name")
        root = try body.text("path")
        request.sourceFilter = try body.sourceFilter()
        try readNames(body)
        try readChanges(body)
        request.metaOnly = try body.bool("metaOnly") ?? false
        request.restoresIndexes = try body.bool("restoreIndex") ?? false
        request.usesAutoIndex = try body.bool("useAutoIndex") ?? false
        request.dropsExistingCollections = try body.bool("dropExistCollection") ?? false
        request.dropsExistingIndexes = try body.bool("dropExistIndex") ?? false
        request.skipsCreation = try body.bool("skipCreateCollection") ?? false
        guard !request.dropsExistingCollections || !request.skipsCreation else {
            throw BackupError(
                .invalidArgument, "drop_exist_collection and skip_create_collection cannot be true at the same time")
        }
        request.restoresRBAC = try body.bool("rbac") ?? false
        request.usesImportJobs = try body.bool("useV2Restore") ?? false
        request.skipsVerification = try body.bool("skipVerify") ?? false
        request.restoresAliases = try !(body.bool("skipAliases") ?? false)
        request.loads = try body.bool("load") ?? false
        request.truncatesAtCheckpoints = try body.bool("truncateBinlogByTs") ?? false
        request.encryptionZoneKeys = try body.stringMap("ezkMapping") ?? [:]
        // The first is read before all others. The other changes nothing: Milvus checks its quota itself.
        _ = try (body.string("requestId"), body.bool("skipImportDiskQuotaCheck"))
        guard RestoreBody.isPathSafe(id) else {
            throw BackupError(.invalidArgument, "id: only letters, digits, - and _ are allowed, at most 128 of them")
        }
    }

    private mutating func readNames(_ body: JSONValue) throws {
        let suffix = try body.string("collection_suffix") ?? ""
        let renames = try body.stringMap("collection_renames") ?? [:]
        if let plan = try body.object("restorePlan") {
            for (value, name) in [(!suffix.isEmpty, "suffix"), (!renames.isEmpty, "renames")] where value {
                throw BackupError(
                    .invalidArgument, "restore plan and collection \(name) cannot be set at the same time")
            }
            let plan = try RestorePlan(plan)
            request.mapper = plan.mapper
            request.targetFilter = plan.filter
            request.changes.overrides = plan.overrides
        } else if !renames.isEmpty {
            request.mapper = try NameMapper(renames: renames.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        } else {
            request.mapper = try NameMapper(suffix: suffix)
        }
        if let filter = body.chosen("db_collections_after_rename") {
            request.targetFilter = try CollectionFilter(
                databaseCollections: filter, name: "db_collections_after_rename")
        }
    }

    private mutating func readChanges(_ body: JSONValue) throws {
        let shardCount = try body.int64("maxShardNum") ?? 0
        guard (0...Int64(Int32.max)).contains(shardCount) else {
            throw BackupError(.invalidArgument, "maxShardNum must be a number from 0 on")
        }
        request.changes.maximumShardCount = Int32(shardCount)
        guard let skipped = try body.object("skipParams") else { return }
        request.changes.skippedCollectionProperties = Set(try skipped.strings("collectionProperties") ?? [])
        request.changes.skippedFieldTypeParameters = Set(try skipped.strings("fieldTypeParams") ?? [])
        request.changes.skippedFieldIndexParameters = Set(try skipped.strings("fieldIndexParams") ?? [])
        request.changes.skippedIndexParameters = Set(try skipped.strings("indexParams") ?? [])
    }

    /// The id becomes part of a key.
    static func isPathSafe(_ id: String) -> Bool {
        id.utf8.count <= 128
            && id.utf8.allSatisfy { byte in
                let letter = byte | 0x20
                return (0x61...0x7a).contains(letter) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x5f
            }
    }
}

extension JSONValue {
    /// `db_collections` goes before `collection_names`.
    fileprivate func sourceFilter() throws -> CollectionFilter {
        if let databases = chosen("db_collections") {
            return try CollectionFilter(databaseCollections: databases, name: "db_collections")
        }
        return try CollectionFilter(collectionNames: try strings("collection_names") ?? [])
    }

    /// A choice of collections; nil for one that is empty, which clients send who always send all keys.
    fileprivate func chosen(_ key: String) -> JSONValue? {
        switch self[key] {
        case nil, .string(""), .string("{}"), .object([]): nil
        case let value: value
        }
    }

    /// A text that is not empty.
    fileprivate func text(_ key: String) throws -> String? {
        let text = try string(key) ?? ""
        return text.isEmpty ? nil : text
    }
}

/// The body of `POST /verify`.
struct VerifyBody: Sendable {
    var request: VerificationRequest
    var isAsynchronous: Bool
    /// Replace the configured bucket and root of backups for this request alone.
    var bucket: String?
    var root: String?

    /// - Throws: `invalidArgument` that names the key.
    init(_ body: JSONValue) throws {
        request = VerificationRequest(backupName: try body.string("backup_name") ?? "")
        try BackupName.validateExisting(request.backupName)
        isAsynchronous = try body.bool("async") ?? false
        bucket = try body.text("bucket_name")
        root = try body.text("path")
        request.depth = try body.bool("deep") ?? false ? .deep : .quick
        request.writesManifest = try body.bool("write_manifest") ?? false
        _ = try body.string("requestId")
    }
}

/// The body of `POST /restore_secondary`, which this program does not serve.
struct RestoreSecondaryBody: Sendable {
    /// - Throws: `invalidArgument` that names the key.
    init(_ body: JSONValue) throws {
        try BackupName.validateExisting(try body.string("backup_name") ?? "")
        for (key, name) in [("sourceClusterID", "source"), ("targetClusterID", "target")]
        where try body.text(key) == nil {
            throw BackupError(.invalidArgument, "\(name) cluster id is required")
        }
        _ = try (body.string("requestId"), body.bool("async"), body.string("path"))
    }
}

/// The body of `POST /cancel`: either says which job.
struct CancelBody: Sendable {
    let id: String
    let backupName: String

    /// - Throws: `invalidArgument` that names the key.
    init(_ body: JSONValue) throws {
        id = try body.string("id") ?? ""
        backupName = try body.string("backup_name") ?? ""
        if id.isEmpty, !backupName.isEmpty { try BackupName.validateExisting(backupName) }
        guard !id.isEmpty || !backupName.isEmpty else {
            throw BackupError(.invalidArgument, "id or backup_name of a running job is required")
        }
    }
}
