import JSON
import Support

/// What the collections of a backup are called after a restore.
package struct NameMapper: Sendable, Hashable {
    private var suffix = ""
    /// Database to database, for collections that ``collections`` does not have.
    private var databases: [String: String] = [:]
    /// A collection may become several.
    private var collections: [CollectionName: [CollectionName]] = [:]
    /// What becomes of the databases themselves.
    private var databaseTargets: [String: [String]] = [:]

    /// Every name stays.
    package static let identity = NameMapper()

    private init() {}

    /// The names under which a collection is restored; never empty.
    package func targets(of name: CollectionName) -> [CollectionName] {
        if let targets = collections[name] { return targets }
        if let database = databases[name.database] {
            return [CollectionName(database: database, collection: name.collection)]
        }
        return suffix.isEmpty ? [name] : [CollectionName(database: name.database, collection: name.collection + suffix)]
    }

    /// The names under which a database that the backup lists is made; never empty.
    ///
    /// Only a restore plan renames databases as such. The databases that renamed collections need are made with them.
    package func targets(ofDatabase name: String) -> [String] {
        let name = CollectionName.databaseName(name)
        return databaseTargets[name] ?? [name]
    }
}

/// The forms in which users ask for new names. All throw `invalidArgument`.
extension NameMapper {
    /// `--suffix`, `collection_suffix`: put behind the name of every collection.
    package init(suffix: String) throws(BackupError) {
        guard suffix.utf8.allSatisfy(isWordByte) else {
            throw BackupError(
                .invalidArgument, "only alphanumeric characters and underscores are allowed in collection suffix")
        }
        self.suffix = suffix
    }

    /// `--rename`: pairs `old:new` separated by commas.
    package init(renames text: String) throws(BackupError) {
        var renames: [(String, String)] = []
        for pair in text.split(separator: ",", omittingEmptySubsequences: false) {
            let sides = pair.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
            guard sides.count == 2 else {
                throw BackupError(.invalidArgument, "rename collection format error: \(pair)")
            }
            renames.append((sides[0], sides[1]))
        }
        try self.init(renames: renames)
    }

    /// `collection_renames`: from old to new names. Both sides have the same form: `db1.*` to `db2.*`, `db1.c` to
    /// `db2.d`, `c` to `d` in the default database, `db1.` to `db2.`, which changes no collection. An exact name goes
    /// before `db.*`.
    package init(renames: [(old: String, new: String)]) throws(BackupError) {
        for (old, new) in renames {
            switch (NameRule(old), NameRule(new)) {
            case (.allCollections(let source), .allCollections(let target)): databases[source] = target
            case (.collection(let source, let isQualified), .collection(let target, let areBoth))
            where isQualified == areBoth:
                collections[source] = [target]
            case (.databaseOnly, .databaseOnly): break
            default: throw BackupError(.invalidArgument, "filter: invalid mapper rule: \(old) -> \(new)")
            }
        }
    }

    init(collections: [CollectionName: [CollectionName]], databaseTargets: [String: [String]]) {
        self.collections = collections
        self.databaseTargets = databaseTargets
    }
}
