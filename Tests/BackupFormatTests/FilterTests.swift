import JSON
import Support
import Testing

@testable import BackupFormat

@Suite struct CollectionFilterTests {
    /// What a filter says of some collections: `db.coll` for those it matches, `db.` for databases, in a fixed order.
    private static func chosen(_ filter: CollectionFilter) -> [String] {
        ["default", "db1", "db2"].flatMap { database -> [String] in
            let collections = ["a", "b"].filter { filter.includes(database: database, collection: $0) }
            return filter.includes(database: database) ? ["\(database)."] + collections.map { "\(database).\($0)" } : []
        }
    }

    private static let everything = [
        "default.", "default.a", "default.b", "db1.", "db1.a", "db1.b", "db2.", "db2.a", "db2.b",
    ]

    private static let rules: [(String, [String])] = [
        ("", everything),
        ("db1.*", ["db1.", "db1.a", "db1.b"]),
        ("db1.a", ["db1.", "db1.a"]),
        ("a", ["default.", "default.a"]),
        ("default.a,b", ["default.", "default.a", "default.b"]),
        ("db1.", ["db1."]),
        ("db1.a,db1.b,db1.a", ["db1.", "db1.a", "db1.b"]),
        ("db1.*,db2.b,a", ["default.", "default.a", "db1.", "db1.a", "db1.b", "db2.", "db2.b"]),
        // Later entries about the same database.
        ("db1.*,db1.a", ["db1.", "db1.a", "db1.b"]),
        ("db1.a,db1.*", ["db1.", "db1.a", "db1.b"]),
        ("db1.a,db1.", ["db1."]),
        ("db1.*,db1.", ["db1."]),
        ("db1.,db1.a", ["db1.", "db1.a"]),
        ("db1.a,db1.,db1.b", ["db1.", "db1.b"]),
    ]

    @Test(arguments: rules)
    func rulesChoose(text: String, expected: [String]) throws {
        #expect(Self.chosen(try CollectionFilter(rules: text)) == expected)
    }

    private static let brokenRules: [(String, String)] = [
        ("db1.*.", "db1.*."), ("a,,b", ""), (",", ""), ("a, b", " b"), ("*", "*"), ("*.*", "*.*"), (".a", ".a"),
        ("a.b.c", "a.b.c"),
        ("a-b", "a-b"), ("db.*x", "db.*x"), ("é", "é"), ("db1.a,db2.**", "db2.**"),
    ]

    @Test(arguments: brokenRules)
    func brokenRulesAreNamed(text: String, rule: String) {
        let failure = #expect(throws: BackupError.self) { try CollectionFilter(rules: text) }
        #expect(failure?.code == .invalidArgument)
        #expect(failure?.message == "filter: invalid filter rule: \(rule)")
    }

    @Test func namedCollectionsAreListedInOrder() throws {
        let filter = try CollectionFilter(rules: "db2.z,db1.*,db2.a,c,db3.")
        #expect(filter.namedDatabases == ["db2", "db1", "default", "db3"])
        #expect(filter.namedCollections(in: "db2") == ["z", "a"])
        #expect(filter.namedCollections(in: "") == ["c"])
        #expect(filter.namedCollections(in: "db1").isEmpty)
        #expect(filter.selection(of: "db1") == .all)
        #expect(filter.selection(of: "db2") == .named(["z", "a"]))
        #expect(filter.selection(of: "db3") == .named([]))
        #expect(filter.selection(of: "db4") == nil)
        // What is chosen anyway need not exist.
        #expect(try CollectionFilter(rules: "db1.*,db1.a").namedCollections(in: "db1").isEmpty)
        #expect(try CollectionFilter(rules: "db1.a,db1.").namedCollections(in: "db1").isEmpty)
        #expect(!filter.isEverything)
        #expect(CollectionFilter.everything.isEverything)
        #expect(CollectionFilter.everything.namedDatabases.isEmpty)
    }

    @Test func anEmptyDatabaseNameIsTheDefaultOne() throws {
        let filter = try CollectionFilter(rules: "a")
        #expect(filter.includes(database: "", collection: "a"))
        #expect(filter.includes(database: ""))
        #expect(!filter.includes(database: "", collection: "b"))
    }

    @Test func databasesAreChosenWhole() {
        #expect(
            Self.chosen(CollectionFilter(databases: "db1,default")) == [
                "default.", "default.a", "default.b", "db1.", "db1.a", "db1.b",
            ])
        #expect(CollectionFilter(databases: "").isEverything)
    }

    @Test func collectionsAreChosenByName() throws {
        #expect(
            Self.chosen(try CollectionFilter(collections: "a,db1.b")) == ["default.", "default.a", "db1.", "db1.b"])
        #expect(try CollectionFilter(collections: "").isEverything)
        #expect(try CollectionFilter(collectionNames: []).isEverything)
        for text in ["a.b.c", "db1.", "a,,b"] {
            let failure = #expect(throws: BackupError.self) { try CollectionFilter(collections: text) }
            #expect(failure?.code == .invalidArgument)
            #expect(failure?.message.hasPrefix("filter: invalid collection name") == true)
        }
    }

    private static let databaseCollections: [(String, [String])] = [
        ("", everything), (#"{"db1":["a"],"db2":[]}"#, ["db1.", "db1.a", "db2.", "db2.a", "db2.b"]),
        (#"{"":["a"]}"#, ["default.", "default.a"]), (#"{"db1":null}"#, ["db1.", "db1.a", "db1.b"]),
        ("null", everything),
    ]

    @Test(arguments: databaseCollections)
    func databasesAndCollectionsAreChosenByJSON(text: String, expected: [String]) throws {
        #expect(Self.chosen(try CollectionFilter(databaseCollections: text)) == expected)
        // The REST server takes the object or a text of it.
        let filter = try CollectionFilter(databaseCollections: .string(text), name: "db_collections")
        #expect(Self.chosen(filter) == expected)
        if !text.isEmpty {
            let value = try JSONValue(parsing: text, name: "body")
            #expect(Self.chosen(try CollectionFilter(databaseCollections: value, name: "db_collections")) == expected)
        }
    }

    private static let filters: [(String, [String])] = [
        (#"{"db1":{"colls":["*"]}}"#, ["db1.", "db1.a", "db1.b"]), (#"{"db1":{"colls":["a"]}}"#, ["db1.", "db1.a"]),
        (#"{"db1":{"colls":[]},"db2":{}}"#, ["db1.", "db2."]), (#"{"db1":{"colls":["*","a"]}}"#, ["db1.", "db1.a"]),
        (#"{"":{"Colls":["a"]}}"#, ["default.", "default.a"]), (#"{"db1":null}"#, ["db1."]), ("null", everything),
    ]

    @Test(arguments: filters)
    func filtersOfRequestsChoose(text: String, expected: [String]) throws {
        let value = try JSONValue(parsing: text, name: "body")
        #expect(Self.chosen(try CollectionFilter(collectionsByDatabase: value)) == expected)
    }

    @Test func brokenJSONIsNamed() throws {
        let cases: [(String, () throws -> Void)] = [
            (
                "database_collections: the document ends too early at db1 (byte 7)",
                { _ = try CollectionFilter(databaseCollections: #"{"db1":"#) }
            ),
            (
                "database_collections: object expected, array found",
                { _ = try CollectionFilter(databaseCollections: "[]") }
            ),
            (
                "database_collections.db1: array expected, string found",
                { _ = try CollectionFilter(databaseCollections: #"{"db1":"a"}"#) }
            ),
            (
                "database_collections.db1[1]: string expected, number found",
                { _ = try CollectionFilter(databaseCollections: #"{"db1":["a",1]}"#) }
            ),
            (
                "db_collections: object expected, string found",
                { _ = try CollectionFilter(databaseCollections: .string(#""{}""#), name: "db_collections") }
            ),
            (
                "filter.db1: object expected, array found",
                { _ = try CollectionFilter(collectionsByDatabase: ["db1": ["a"]]) }
            ),
            (
                "colls: array expected, string found",
                { _ = try CollectionFilter(collectionsByDatabase: ["db1": ["colls": "a"]]) }
            ),
            // To choose nothing would make a backup of nothing that looks like a success.
            ("filter: no database is chosen", { _ = try CollectionFilter(collectionsByDatabase: [:]) }),
            (
                "db_collections: no database is chosen",
                { _ = try CollectionFilter(databaseCollections: [:], name: "db_collections") }
            ),
        ]
        for (expected, body) in cases {
            #expect(message { try body() } == expected)
            do {
                try body()
            } catch {
                #expect(BackupError(wrapping: error).code == .invalidArgument)
            }
        }
    }
}

@Suite struct NameMapperTests {
    private func target(_ mapper: NameMapper, _ database: String, _ collection: String) -> [String] {
        mapper.targets(of: CollectionName(database: database, collection: collection)).map(\.description)
    }

    @Test func nothingIsRenamedWithoutARule() {
        #expect(target(.identity, "db1", "a") == ["db1.a"])
        #expect(target(.identity, "", "a") == ["default.a"])
        #expect(NameMapper.identity.targets(ofDatabase: "") == ["default"])
    }

    @Test func aSuffixGoesBehindTheCollection() throws {
        let mapper = try NameMapper(suffix: "_bak")
        #expect(target(mapper, "db1", "a") == ["db1.a_bak"])
        #expect(mapper.targets(ofDatabase: "db1") == ["db1"])
        #expect(
            message { _ = try NameMapper(suffix: "-bak") }
                == "only alphanumeric characters and underscores are allowed in collection suffix")
    }

    private static let renames: [(String, [String])] = [
        // What becomes of default.a, default.b, db1.a, db1.b.
        ("a:c", ["default.c", "default.b", "db1.a", "db1.b"]),
        ("a:c,b:d", ["default.c", "default.d", "db1.a", "db1.b"]),
        ("db1.a:db2.c", ["default.a", "default.b", "db2.c", "db1.b"]),
        ("default.a:db2.c", ["db2.c", "default.b", "db1.a", "db1.b"]),
        ("db1.*:db2.*", ["default.a", "default.b", "db2.a", "db2.b"]),
        ("default.*:db2.*", ["db2.a", "db2.b", "db1.a", "db1.b"]),
        // The exact name goes first.
        ("db1.*:db2.*,db1.a:db3.x", ["default.a", "default.b", "db3.x", "db2.b"]),
        ("db1.a:db3.x,db1.*:db2.*", ["default.a", "default.b", "db3.x", "db2.b"]),
        ("db1.:db2.", ["default.a", "default.b", "db1.a", "db1.b"]),
        ("a:c,a:d", ["default.d", "default.b", "db1.a", "db1.b"]),
    ]

    @Test(arguments: renames)
    func renamesApply(text: String, expected: [String]) throws {
        let mapper = try NameMapper(renames: text)
        #expect(
            target(mapper, "", "a") + target(mapper, "default", "b") + target(mapper, "db1", "a")
                + target(mapper, "db1", "b")
                == expected)
    }

    private static let broken: [(String, String)] = [
        ("a", "rename collection format error: a"), ("", "rename collection format error: "),
        ("a:b:c", "rename collection format error: a:b:c"), ("a:b,c", "rename collection format error: c"),
        ("db1.*:db2", "filter: invalid mapper rule: db1.* -> db2"),
        ("a:db.b", "filter: invalid mapper rule: a -> db.b"),
        ("db.a:b", "filter: invalid mapper rule: db.a -> b"),
        ("db1.:db2.*", "filter: invalid mapper rule: db1. -> db2.*"),
        ("a:", "filter: invalid mapper rule: a -> "), (":b", "filter: invalid mapper rule:  -> b"),
        ("a.b.c:d.e.f", "filter: invalid mapper rule: a.b.c -> d.e.f"),
        ("a-b:c", "filter: invalid mapper rule: a-b -> c"),
        ("*:*", "filter: invalid mapper rule: * -> *"),
    ]

    @Test(arguments: broken)
    func brokenRenamesAreNamed(text: String, expected: String) {
        let failure = #expect(throws: BackupError.self) { try NameMapper(renames: text) }
        #expect(failure?.code == .invalidArgument)
        #expect(failure?.message == expected)
    }
}

@Suite struct RestorePlanTests {
    @Test func onePlanRenamesChoosesAndOverrides() throws {
        let plan = try RestorePlan(
            JSONValue(
                parsing: #"""
                    {"mapping":[
                    {"source":"db1","target":"db2","withProp":true,"colls":[{"source":"a","target":"x",
                    "override":{"shardNum":4,"description":"copy"}},{"source":"a","target":"y","override":{}}]},
                    {"source":"db1","target":"db3","colls":[{"source":"a","target":"a"}]}],
                    "filter":{"db2":{"colls":["x"]}}}
                    """#, name: "restorePlan"))
        let a = CollectionName(database: "db1", collection: "a")
        let x = CollectionName(database: "db2", collection: "x")
        #expect(plan.mapper.targets(of: a).map(\.description) == ["db2.x", "db2.y", "db3.a"])
        // What the plan does not name keeps its name.
        #expect(
            plan.mapper.targets(of: CollectionName(database: "db1", collection: "b")).map(\.description) == ["db1.b"])
        #expect(plan.mapper.targets(ofDatabase: "db1") == ["db2", "db3"])
        #expect(plan.mapper.targets(ofDatabase: "other") == ["other"])
        #expect(plan.overrides == [x: .init(shardCount: 4, description: "copy")])
        #expect(plan.filter.includes(x))
        #expect(!plan.filter.includes(a))
    }

    @Test func aPlanWithoutFilterChoosesEverything() throws {
        #expect(try RestorePlan([:]).filter.isEverything)
        #expect(try RestorePlan([:]).mapper == .identity)
    }

    private static let broken: [(String, String)] = [
        ("[]", "restorePlan: object expected, array found"),
        (#"{"mapping":[{"target":"b"}]}"#, "restore: source database name is empty"),
        (#"{"mapping":[{"source":"a"}]}"#, "restore: target database name is empty"),
        (
            #"{"mapping":[{"source":"a","target":"b","colls":[{"source":"c"}]}]}"#,
            "restore: a collection name in the restore plan is empty"
        ),
        (#"{"mapping":[{"source":1,"target":"b"}]}"#, "source: string expected, number found"),
        (
            #"{"mapping":[{"source":"a","target":"b","colls":[{"source":"c","target":"d","#
                + #""override":{"shardNum":4294967296}}]}]}"#,
            "shardNum: the number does not fit into a 32-bit integer"
        ),
        (#"{"filter":[]}"#, "filter: object expected, array found"),
    ]

    @Test(arguments: broken)
    func brokenPlansAreNamed(text: String, expected: String) throws {
        let value = try JSONValue(parsing: text, name: "restorePlan")
        let failure = #expect(throws: BackupError.self) { try RestorePlan(value) }
        #expect(failure?.code == .invalidArgument)
        #expect(failure?.message == expected)
    }
}
