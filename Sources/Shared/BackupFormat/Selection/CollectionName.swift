/// A collection and its database.
package struct CollectionName: Sendable, Hashable, CustomStringConvertible {
    /// The database that an empty name means.
    package static let defaultDatabase = "default"

    /// Never empty.
    package let database: String
    package let collection: String

    package init(database: String, collection: String) {
        self.database = Self.databaseName(database)
        self.collection = collection
    }

    /// `name`, or the default database's when it is empty.
    package static func databaseName(_ name: String) -> String { name.isEmpty ? defaultDatabase : name }

    package var description: String { "\(database).\(collection)" }
}
