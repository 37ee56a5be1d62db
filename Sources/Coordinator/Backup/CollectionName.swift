/// A collection and its database.
struct CollectionName: Sendable, Hashable, CustomStringConvertible {
    /// Never empty: servers that know no databases have one called `default`.
    var database: String
    var collection: String

    init(database: String, collection: String) {
        self.database = database.isEmpty ? "default" : database
        self.collection = collection
    }

    var description: String { "\(database).\(collection)" }
}
