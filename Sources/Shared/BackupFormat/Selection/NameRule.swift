/// A rule that names databases and collections, in filters and on both sides of a renaming.
enum NameRule: Equatable {
    /// `db.*`
    case allCollections(database: String)
    /// `db.coll`, or `coll` for the default database.
    case collection(CollectionName, isQualified: Bool)
    /// `db.`
    case databaseOnly(String)

    /// Names are made of ASCII letters, digits and underscores; nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard let first = parts.first, isWord(first), parts.count <= 2 else { return nil }
        guard parts.count == 2 else {
            self = .collection(CollectionName(database: "", collection: first), isQualified: false)
            return
        }
        switch parts[1] {
        case "*": self = .allCollections(database: first)
        case "": self = .databaseOnly(first)
        case let second where isWord(second):
            self = .collection(CollectionName(database: first, collection: second), isQualified: true)
        default: return nil
        }
    }
}

/// `\w+`
private func isWord(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(isWordByte) }
