import BackupFormat
import CommandLineInterface
import JSON
import Support

/// What is sent to a server for the options of `create` and `restore`: checked first as if it was done here.
enum RemoteBodies {
    static func create(_ invocation: Invocation) throws -> JSONValue {
        try refuse(["dry-run", "listen", "min-agents", "bandwidth", "verbose"], invocation)
        let request = try BackupRequest(invocation)
        var members: [JSONValue.Member] = [
            .init("backup_name", .string(request.name)), .init("async", .bool(true)),
            .init("strategy", .string(request.strategy.rawValue)),
        ]
        if request.resumes { members.append(.init("resume", .bool(true))) }
        if request.skipsMissing { members.append(.init("skip_missing", .bool(true))) }
        if request.includesRBAC { members.append(.init("rbac", .bool(true))) }
        if request.includesIndexExtra { members.append(.init("with_index_extra", .bool(true))) }
        if let depth = request.verification { members.append(.init("verify", .string(depth.rawValue))) }
        if !request.filter.isEverything {
            let databases = request.filter.namedDatabases.map { database -> JSONValue.Member in
                var names = ["*"]
                if case .named(let collections) = request.filter.selection(of: database) { names = collections }
                return .init(database, .object([.init("colls", .array(names.map { .string($0) }))]))
            }
            members.append(.init("filter", .object(databases)))
        }
        return .object(members)
    }

    static func verify(_ invocation: Invocation) throws -> JSONValue {
        try refuse(["listen", "min-agents"], invocation)
        let request = try VerificationRequest(invocation)
        return .object([
            .init("backup_name", .string(request.backupName)), .init("async", .bool(true)),
            .init("deep", .bool(request.depth == .deep)), .init("write_manifest", .bool(request.writesManifest)),
        ])
    }

    static func restore(_ invocation: Invocation) throws -> JSONValue {
        try refuse(["dry-run", "listen", "min-agents", "bandwidth", "verbose"], invocation)
        let request = try RestoreRequest(invocation)
        var members: [JSONValue.Member] = [
            .init("backup_name", .string(request.backupName)), .init("async", .bool(true)),
        ]
        if let id = invocation.text("resume") { members += [.init("id", .string(id)), .init("resume", .bool(true))] }
        if let suffix = invocation.text("suffix"), !suffix.isEmpty {
            members.append(.init("collection_suffix", .string(suffix)))
        }
        if let renames = invocation.text("rename"), !renames.isEmpty {
            let pairs = renames.split(separator: ",").map { rule -> JSONValue.Member in
                let parts = rule.split(separator: ":", maxSplits: 1).map(String.init)
                return .init(parts[0], .string(parts.count > 1 ? parts[1] : ""))
            }
            members.append(.init("collection_renames", .object(pairs)))
        }
        for (key, filter) in [
            ("db_collections", request.sourceFilter), ("db_collections_after_rename", request.targetFilter),
        ] where !filter.isEverything {
            members.append(.init(key, try databaseCollections(filter)))
        }
        for (key, isSet) in [
            ("metaOnly", request.metaOnly), ("restoreIndex", request.restoresIndexes),
            ("useAutoIndex", request.usesAutoIndex), ("dropExistCollection", request.dropsExistingCollections),
            ("dropExistIndex", request.dropsExistingIndexes), ("skipCreateCollection", request.skipsCreation),
            ("rbac", request.restoresRBAC), ("useV2Restore", request.usesImportJobs),
            ("skipVerify", request.skipsVerification), ("skipAliases", !request.restoresAliases),
            ("load", request.loads),
        ] where isSet {
            members.append(.init(key, .bool(true)))
        }
        return .object(members)
    }

    /// Here an empty list is the whole database.
    private static func databaseCollections(_ filter: CollectionFilter) throws(BackupError) -> JSONValue {
        var members: [JSONValue.Member] = []
        for database in filter.namedDatabases {
            var names: [String] = []
            if case .named(let collections) = filter.selection(of: database) {
                guard !collections.isEmpty else {
                    throw BackupError(
                        .unsupported, "a server cannot be asked for \"\(database).\", the database alone",
                        hint: "run restore without --server")
                }
                names = collections
            }
            members.append(.init(database, .array(names.map { .string($0) })))
        }
        return .object(members)
    }

    static func refuse(_ options: [String], _ invocation: Invocation) throws(BackupError) {
        for option in options where invocation.has(option) {
            throw BackupError(.usage, "--\(option) cannot be used with --server")
        }
    }
}
