import BackupFormat
import MilvusClient
import Support

/// The databases and collections a filter chooses out of what a Milvus has.
struct CollectionSelection: Sendable {
    /// In the server's order.
    var databases: [String]
    /// By database, and by name within one: the server's own order changes from one call to the next.
    var collections: [CollectionName]

    /// Asks Milvus what is there.
    ///
    /// - Throws: `notFound` when the filter names a database or collection that is not there.
    static func resolve(
        _ filter: CollectionFilter, server: ServerInfo, milvus: MilvusClient
    ) async throws -> CollectionSelection {
        let hasDatabases = server.features.contains(.multiDatabase)
        let existing = hasDatabases ? try await milvus.listDatabases() : [CollectionName.defaultDatabase]
        for database in filter.namedDatabases where !existing.contains(database) {
            throw BackupError(
                .notFound, "database \(database) not found in milvus", hint: hint(for: database, among: existing))
        }
        var selection = CollectionSelection(databases: existing.filter(filter.includes(database:)), collections: [])
        let present = try await mapInParallel(selection.databases, limit: 8) { database in
            try await milvus.showCollections(database: database).names
        }
        for (database, names) in zip(selection.databases, present) {
            let known = Set(names)
            for name in filter.namedCollections(in: database) where !known.contains(name) {
                throw BackupError(
                    .notFound, "filter collection \(database).\(name) not found in milvus",
                    hint: hint(for: name, among: names))
            }
            selection.collections += names.filter { filter.includes(database: database, collection: $0) }.sorted()
                .map { CollectionName(database: database, collection: $0) }
        }
        return selection
    }

    private static func hint(for name: String, among names: [String]) -> String? {
        nearestName(to: name, among: names).map { "did you mean \($0)?" }
    }
}
