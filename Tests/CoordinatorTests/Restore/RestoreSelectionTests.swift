import BackupFormat
import JSON
import MilvusClient
import Support
import Testing

@testable import Coordinator

@Suite struct RestoreSelectionTests {
    private static func backup(databases: [String] = []) -> BackupInfo {
        var backup = BackupInfo.sample(collections: [
            .sample("items"), .sample("users", id: 2), .sample("items", database: "shop", id: 3),
            .sample("orders", database: "shop", id: 4),
        ])
        backup.databases = databases.map { DatabaseBackup(name: $0) }
        return backup
    }

    private func select(
        _ backup: BackupInfo = RestoreSelectionTests.backup(),
        _ change: (inout RestoreRequest) throws -> Void = { _ in }
    ) throws -> RestoreSelection {
        var request = RestoreRequest(backupName: "nightly")
        try change(&request)
        return try RestoreSelection(backup, request: request)
    }

    private func targets(_ selection: RestoreSelection) -> [String] { selection.items.map(\.target.description) }

    @Test func everythingIsRestoredUnderItsName() throws {
        let selection = try select()
        #expect(targets(selection) == ["default.items", "default.users", "shop.items", "shop.orders"])
        #expect(selection.databases == ["shop"])
    }

    /// A collection is staged below its name: that must not lead out of the directory for it.
    @Test(arguments: [
        "x/../../files/insert_log", "/files", "a/b", "a\n", "\u{0}", "", String(repeating: "x", count: 256),
    ])
    func aNameThatIsAPathIsRefused(name: String) throws {
        for collection in [CollectionBackup.sample(name), .sample("items", database: name.isEmpty ? "/" : name)] {
            let error = #expect(throws: BackupError.self) { try select(.sample(collections: [collection])) }
            #expect(error?.code == .invalidArgument)
        }
        let plan = JSONValue.object([
            .init(
                "mapping",
                .array([
                    .object([
                        .init("source", "default"), .init("target", "default"),
                        .init("colls", .array([.object([.init("source", "items"), .init("target", .string(name))])])),
                    ])
                ]))
        ])
        #expect(throws: BackupError.self) { try select { $0.mapper = try RestorePlan(plan).mapper } }
    }

    @Test func sourcesAreChosenByTheirNamesInTheBackup() throws {
        #expect(try targets(select { $0.sourceFilter = CollectionFilter(databases: "shop") }).count == 2)
        let selection = try select {
            $0.sourceFilter = try CollectionFilter(collections: "users,shop.orders")
            $0.mapper = try NameMapper(suffix: "_bak")
        }
        #expect(targets(selection) == ["default.users_bak", "shop.orders_bak"])
        #expect(selection.items.map(\.source.collectionID) == [2, 4])
    }

    @Test func targetsAreChosenByTheirNewNames() throws {
        let selection = try select {
            $0.mapper = try NameMapper(renames: "shop.*:market.*,users:people")
            $0.targetFilter = try CollectionFilter(rules: "market.*,people")
        }
        #expect(targets(selection) == ["default.people", "market.items", "market.orders"])
        #expect(selection.databases == ["market"])
    }

    @Test func oneSourceMayBecomeSeveral() throws {
        let plan = try RestorePlan(
            .init(
                parsing: """
                    {"mapping":[
                      {"source":"shop","target":"a","colls":[{"source":"items","target":"x"}]},
                      {"source":"shop","target":"b","colls":[{"source":"items","target":"y"}]}]}
                    """, name: "plan"))
        let selection = try select {
            $0.mapper = plan.mapper
            $0.sourceFilter = try CollectionFilter(collections: "shop.items")
        }
        #expect(targets(selection) == ["a.x", "b.y"])
    }

    @Test func twoThatWouldGetOneNameAreRefused() {
        let error = #expect(throws: BackupError.self) {
            try select { $0.mapper = try NameMapper(renames: "users:items") }
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "default.items and default.users would both become default.items")
    }

    @Test func exchangedNamesAreNoConflict() throws {
        let selection = try select { $0.mapper = try NameMapper(renames: "users:items,items:users") }
        #expect(targets(selection).prefix(2) == ["default.users", "default.items"])
    }

    @Test(arguments: [
        ("shop.order", "collection shop.order not found in backup nightly", "did you mean shop.orders?"),
        ("user", "collection default.user not found in backup nightly", "did you mean default.users?"),
        ("shp.items", "database shp not found in backup nightly", "did you mean shop?"),
    ])
    func aNameThatIsNotThereIsRefusedWithTheNearest(_ name: String, _ message: String, _ hint: String) {
        let error = #expect(throws: BackupError.self) {
            try select { $0.sourceFilter = try CollectionFilter(collections: name) }
        }
        #expect(error?.code == .notFound && error?.message == message && error?.hint == hint)
    }

    @Test func aTargetThatNothingBecomesIsRefused() {
        let error = #expect(throws: BackupError.self) {
            try select {
                $0.mapper = try NameMapper(suffix: "_bak")
                $0.targetFilter = try CollectionFilter(rules: "items")
            }
        }
        #expect(error?.code == .notFound && error?.message == "no collection of the backup becomes default.items")
        #expect(error?.hint?.contains("after renaming") == true)
    }

    @Test func aFilterThatChoosesNothingIsRefused() throws {
        for rules in ["shp.*", "default.*,shp.*", "shop.*,nothing."] {
            let error = #expect(throws: BackupError.self) {
                try select { $0.targetFilter = try CollectionFilter(rules: rules) }
            }
            #expect(error?.code == .notFound, "\(rules)")
        }
        // A database that has a new name is not called by the old one.
        #expect(throws: BackupError.self) {
            try select {
                $0.mapper = try NameMapper(renames: "shop.*:market.*")
                $0.targetFilter = try CollectionFilter(rules: "shop.*")
            }
        }
    }

    @Test func recordedDatabasesAreMadeOnceAndTheDefaultNever() throws {
        let backup = Self.backup(databases: ["default", "empty", "shop", ""])
        #expect(try select(backup).databases == ["empty", "shop"])
        let some = try select(backup) { $0.sourceFilter = try CollectionFilter(rules: "empty.") }
        #expect(some.databases == ["empty"] && some.items.isEmpty)
        let others = try select(backup) { $0.targetFilter = try CollectionFilter(rules: "shop.*") }
        #expect(others.databases == ["shop"])
    }

    @Test func namesWithoutDatabaseAreTheDefaultOnes() throws {
        let selection = try select(.sample(collections: [.sample(database: "")])) {
            $0.sourceFilter = try CollectionFilter(collections: "items")
        }
        #expect(targets(selection) == ["default.items"] && selection.databases.isEmpty)
    }

    // MARK: What the server can take

    private func refusal(_ backup: BackupInfo, _ server: ServerInfo) throws -> BackupError? {
        let selection = try select(backup)
        do {
            try selection.check(server)
            return nil
        } catch {
            return error
        }
    }

    @Test func anOrdinaryBackupIsTakenByEveryone() throws {
        for server in [ServerInfo.sample(2, 2, 9), .sample(2, 3, 5), .sample(2, 6, 0)] {
            #expect(try refusal(Self.backup(), server) == nil)
        }
    }

    @Test func withoutDatabasesOnlyTheDefaultOneCanBeRestored() throws {
        let old = ServerInfo.sample(2, 2, 0, databases: false)
        let error = try refusal(Self.backup(), old)
        #expect(error?.code == .unsupported && error?.message.contains("shop is needed") == true)
        #expect(try refusal(.sample(), old) == nil)
    }

    @Test func deletionsNeedMilvus24() throws {
        let whole = CollectionBackup.sample(l0: [.sample(7, partition: -1, isL0: true)])
        let partition = CollectionBackup.sample(segments: [10: [.sample(1), .sample(7, isL0: true)]])
        for collection in [whole, partition] {
            let error = try refusal(.sample(collections: [collection]), .sample(2, 3, 5))
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("default.items") == true && error?.message.contains("v2.3.5") == true)
            #expect(try refusal(.sample(collections: [collection]), .sample(2, 4, 0)) == nil)
        }
    }

    @Test func columnGroupsNeedMilvus26() throws {
        var segment = SegmentBackup.sample(4711)
        segment.storageVersion = 2
        let backup = BackupInfo.sample(collections: [.sample(segments: [10: [.sample(1), segment]])])
        let error = try refusal(backup, .sample(2, 5, 20))
        #expect(error?.code == .unsupported && error?.message.contains("segment 4711 of default.items") == true)
        #expect(try refusal(backup, .sample(2, 6, 0)) == nil)
    }
}
