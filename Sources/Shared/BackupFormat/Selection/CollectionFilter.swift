import JSON
import Support

/// Which databases and collections a backup or restore is about.
///
/// An empty database name means the default database, everywhere.
package struct CollectionFilter: Sendable, Hashable {
    /// What is chosen of one database.
    package enum Selection: Sendable, Hashable {
        /// Every collection.
        case all
        /// These collections, in the order in which they were named; none means that only the database itself is meant.
        case named([String])
    }

    private struct Choice: Hashable {
        var isWhole: Bool
        var names: [String]
        /// The same names, for asking.
        var nameSet: Set<String>
    }

    /// Chosen databases; nil when everything is chosen.
    private var choices: [String: Choice]?
    /// The databases in the order in which they were named; empty when everything is chosen.
    package private(set) var namedDatabases: [String] = []

    /// No filter.
    package static let everything = CollectionFilter()

    private init() { choices = nil }

    // MARK: Asking

    package var isEverything: Bool { choices == nil }

    /// What is chosen of `database`; nil when nothing is.
    package func selection(of database: String) -> Selection? {
        guard let choices else { return .all }
        guard let choice = choices[CollectionName.databaseName(database)] else { return nil }
        return choice.isWhole ? .all : .named(choice.names)
    }

    /// Whether the database is chosen, with or without collections.
    package func includes(database: String) -> Bool { selection(of: database) != nil }

    /// Whether the collection is chosen.
    package func includes(_ name: CollectionName) -> Bool {
        guard let choices else { return true }
        guard let choice = choices[name.database] else { return false }
        return choice.isWhole || choice.nameSet.contains(name.collection)
    }

    package func includes(database: String, collection: String) -> Bool {
        includes(CollectionName(database: database, collection: collection))
    }

    /// The collections of a database that were named one by one, which must therefore exist.
    package func namedCollections(in database: String) -> [String] {
        choices?[CollectionName.databaseName(database)]?.names ?? []
    }

    // MARK: Building

    /// Replaces what was said of the database before.
    private mutating func set(_ selection: Selection, of database: String) {
        let database = CollectionName.databaseName(database)
        let names = if case .named(let names) = selection { names } else { [String]() }
        update(database) { $0 = Choice(isWhole: selection == .all, names: [], nameSet: []) }
        for name in names { add(CollectionName(database: database, collection: name)) }
    }

    /// A collection named after all of its database were chosen changes nothing.
    private mutating func add(_ name: CollectionName) {
        update(name.database) { choice in
            guard !choice.isWhole, choice.nameSet.insert(name.collection).inserted else { return }
            choice.names.append(name.collection)
        }
    }

    private mutating func update(_ database: String, _ change: (inout Choice) -> Void) {
        var choices = self.choices ?? [:]
        self.choices = nil
        if choices[database] == nil { namedDatabases.append(database) }
        change(&choices[database, default: Choice(isWhole: false, names: [], nameSet: [])])
        self.choices = choices
    }
}

/// The forms in which users give filters. All throw `invalidArgument`.
extension CollectionFilter {
    /// `--filter`: `db.*` all of a database, `db.coll`, `coll` of the default database, `db.` the database alone;
    /// separated by commas. A later `db.*` or `db.` replaces what was said of that database. Empty is ``everything``.
    package init(rules: String) throws(BackupError) {
        self.init()
        guard !rules.isEmpty else { return }
        for text in rules.split(separator: ",", omittingEmptySubsequences: false) {
            switch NameRule(String(text)) {
            case .allCollections(let database): set(.all, of: database)
            case .collection(let name, _): add(name)
            case .databaseOnly(let database): set(.named([]), of: database)
            case nil: throw BackupError(.invalidArgument, "filter: invalid filter rule: \(text)")
            }
        }
    }

    /// `--databases`: names separated by commas, each with all of its collections. Empty is ``everything``.
    package init(databases: String) {
        self.init()
        guard !databases.isEmpty else { return }
        for database in databases.split(separator: ",", omittingEmptySubsequences: false) {
            set(.all, of: String(database))
        }
    }

    /// `--collections`, separated by commas. Empty is ``everything``.
    package init(collections: String) throws(BackupError) {
        let names = collections.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        try self.init(collectionNames: collections.isEmpty ? [] : names)
    }

    /// `collection_names`: `coll` of the default database or `db.coll`. None is ``everything``.
    package init(collectionNames: [String]) throws(BackupError) {
        self.init()
        for text in collectionNames {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            guard let last = parts.last, !last.isEmpty, parts.count <= 2 else {
                throw BackupError(.invalidArgument, "filter: invalid collection name \(text)")
            }
            add(CollectionName(database: parts.count == 2 ? parts[0] : "", collection: last))
        }
    }

    /// `--database_collections`, as JSON text. Empty is ``everything``.
    package init(databaseCollections text: String) throws {
        self.init()
        guard !text.isEmpty else { return }
        let name = "database_collections"
        let value: JSONValue
        do {
            value = try JSONValue(parsing: text, name: name)
        } catch {
            throw invalid(error)
        }
        try self.init(databaseCollections: value, name: name)
    }

    /// `db_collections`: an object from database to a list of collections, where an empty list means all of them; or
    /// such an object as a JSON string. `null` and an empty string are ``everything``.
    ///
    /// - Parameter name: what the value is called in errors.
    package init(databaseCollections value: JSONValue, name: String) throws {
        self.init()
        switch value {
        case .null, "": return
        case .string(let text):
            let inner: JSONValue
            do {
                inner = try JSONValue(parsing: text, name: name)
            } catch {
                throw invalid(error)
            }
            if case .string = inner {
                throw BackupError(.invalidArgument, "\(name): object expected, string found")
            }
            try self.init(databaseCollections: inner, name: name)
        default:
            try fill(from: value, name) {
                $0.isEmpty ? .all : .named($0)
            } names: {
                try $0.elements($1)
            }
        }
    }

    /// `filter`: an object from database to `{"colls":[…]}`, where `["*"]` means all and no name the database alone.
    /// `null` is ``everything``.
    ///
    /// - Parameter name: what the value is called in errors.
    package init(collectionsByDatabase value: JSONValue, name: String = "filter") throws {
        self.init()
        if value == .null { return }
        try fill(from: value, name) {
            $0 == ["*"] ? .all : .named($0)
        } names: { value, place in
            _ = try value.members(place)
            return try value.array("colls") ?? []
        }
    }

    private mutating func fill(
        from value: JSONValue, _ name: String, selection: ([String]) -> Selection,
        names: (_ value: JSONValue, _ place: String) throws -> [JSONValue]
    ) throws {
        do {
            for member in try value.members(name) {
                let place = "\(name).\(member.key)"
                let elements = member.value == .null ? [] : try names(member.value, place)
                let collections = try JSONValue.object([.init(place, .array(elements))]).strings(place) ?? []
                set(selection(collections), of: member.key)
            }
        } catch {
            throw invalid(error)
        }
        // To choose nothing is never what was meant, and a backup of nothing would look like a success.
        guard choices != nil else {
            throw BackupError(
                .invalidArgument, "\(name): no database is chosen",
                hint: "leave it out to choose everything, or name a database")
        }
    }
}

/// What a user gave is wrong, not a stored document.
func invalid(_ error: any Error) -> BackupError {
    var failure = BackupError(wrapping: error)
    failure.code = .invalidArgument
    return failure
}
