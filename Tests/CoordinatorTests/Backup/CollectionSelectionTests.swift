import BackupFormat
import MilvusClient
import Support
import Testing

@testable import Coordinator

@Suite struct CollectionSelectionTests {
    private func resolve(
        _ rules: String = "", version: ServerInfo = .sample(2, 3, 5)
    ) async throws -> CollectionSelection {
        let milvus = FakeMilvus {
            $0.databases = ["default": ["items": .init(), "users": .init()], "shop": ["orders": .init()], "void": [:]]
        }
        return try await CollectionSelection.resolve(
            CollectionFilter(rules: rules), server: version, milvus: ServiceBench(milvus: milvus).services.milvus)
    }

    @Test(arguments: [
        ("", ["default", "shop", "void"], ["default.items", "default.users", "shop.orders"]),
        ("shop.*", ["shop"], ["shop.orders"]), ("users", ["default"], ["default.users"]),
        ("shop.orders,items", ["default", "shop"], ["default.items", "shop.orders"]), ("shop.", ["shop"], []),
        ("void.*,users", ["default", "void"], ["default.users"]),
    ])
    func theFilterChooses(_ rules: String, _ databases: [String], _ collections: [String]) async throws {
        let selection = try await resolve(rules)
        #expect(selection.databases == databases)
        #expect(selection.collections.map(\.description) == collections)
    }

    @Test(arguments: [
        ("shp.*", "database shp not found in milvus", "did you mean shop?"),
        ("shop.order", "filter collection shop.order not found in milvus", "did you mean orders?"),
        ("user", "filter collection default.user not found in milvus", "did you mean users?"),
    ])
    func whatIsNotThereIsRefused(_ rules: String, _ message: String, _ hint: String) async {
        let error = await #expect(throws: BackupError.self) { try await resolve(rules) }
        #expect(error?.code == .notFound && error?.message == message && error?.hint == hint)
    }

    @Test func aServerWithoutDatabasesHasTheDefaultOne() async throws {
        let selection = try await resolve(version: .sample(2, 2, 0, databases: false))
        #expect(selection.databases == ["default"] && selection.collections.count == 2)
    }
}
