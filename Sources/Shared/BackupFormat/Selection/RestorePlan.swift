import JSON
import Support

/// `restorePlan` of a restore request: new names for databases and collections, one by one, and a choice among them.
package struct RestorePlan: Sendable, Hashable {
    /// What differs from the backup in a restored collection.
    package struct Override: Sendable, Hashable {
        /// 0 to keep the backup's.
        package var shardCount: Int32 = 0
        /// Empty to keep the backup's.
        package var description = ""
    }

    package let mapper: NameMapper
    /// By target name.
    package let overrides: [CollectionName: Override]
    /// Matched on target names.
    package let filter: CollectionFilter

    /// - Throws: `invalidArgument`.
    package init(_ value: JSONValue) throws {
        var collections: [CollectionName: [CollectionName]] = [:]
        var databases: [String: [String]] = [:]
        var overrides: [CollectionName: Override] = [:]
        do {
            _ = try value.members("restorePlan")
            for mapping in try value.array("mapping") ?? [] {
                let (source, target) = try Self.databases(of: mapping)
                databases[source, default: []].append(target)
                for collection in try mapping.array("colls") ?? [] {
                    let old = CollectionName(database: source, collection: try collection.string("source") ?? "")
                    let new = CollectionName(database: target, collection: try collection.string("target") ?? "")
                    guard !old.collection.isEmpty, !new.collection.isEmpty else {
                        throw BackupError(.invalidArgument, "restore: a collection name in the restore plan is empty")
                    }
                    collections[old, default: []].append(new)
                    if let override = try Self.override(of: collection) { overrides[new] = override }
                }
            }
            filter = try value.object("filter").map { try CollectionFilter(collectionsByDatabase: $0) } ?? .everything
        } catch {
            throw invalid(error)
        }
        mapper = NameMapper(collections: collections, databaseTargets: databases)
        self.overrides = overrides
    }

    private static func databases(of mapping: JSONValue) throws -> (source: String, target: String) {
        guard let source = try mapping.string("source"), !source.isEmpty else {
            throw BackupError(.invalidArgument, "restore: source database name is empty")
        }
        guard let target = try mapping.string("target"), !target.isEmpty else {
            throw BackupError(.invalidArgument, "restore: target database name is empty")
        }
        return (source, target)
    }

    private static func override(of collection: JSONValue) throws -> Override? {
        guard let value = try collection.object("override") else { return nil }
        guard let shardCount = Int32(exactly: try value.int64("shardNum") ?? 0) else {
            throw BackupError(.invalidArgument, "shardNum: the number does not fit into a 32-bit integer")
        }
        let override = Override(shardCount: shardCount, description: try value.string("description") ?? "")
        return override == Override() ? nil : override
    }
}
