import BackupFormat
import MilvusClient
import Support

/// The databases and collections a filter chooses out of what a Milvus has.
struct CollectionSelection: Sendable {
    /// In the server's order.
    var databases: [String]
    var collections: [CollectionName]

    /// Asks Milvus what is there.
    ///
    /// - Throws: `notFound` when the filter names a database or collection that is not there.
    static func resolve(_ filter: CollectionFilter, with milvus: MilvusClient) async throws -> CollectionSelection {
        let existing = try await milvus.listDatabases()
        for database in filter.namedDatabases where !existing.contains(database) {
            throw BackupError(
                .notFound, "database \(database) not found in milvus", hint: "the databases are \(list(existing))")
        }
        var selection = CollectionSelection(databases: existing.filter(filter.includes(database:)), collections: [])
        for database in selection.databases {
            let present = try await milvus.showCollections(database: database)
            for name in filter.namedCollections(in: database) where !present.contains(name) {
                throw BackupError(.notFound, "filter collection \(database).\(name) not found in milvus")
            }
            selection.collections += present
                .filter { filter.includes(database: database, collection: $0) }
                .map { CollectionName(database: database, collection: $0) }
        }
        return selection
    }

    private static func list(_ names: [String]) -> String {
        names.count > 10 ? names.prefix(10).joined(separator: ", ") + ", …" : names.joined(separator: ", ")
    }
}
