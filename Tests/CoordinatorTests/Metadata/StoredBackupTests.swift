import BackupFormat
import JSON
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator

/// What `list --collection` and `get --detail` are made of.
@Suite(.timeLimit(.minutes(1))) struct StoredBackupTests {
    private let store = MemoryObjectStore(bucket: "backup")
    private var metadata: MetadataStore { MetadataStore(store: store, backupRoot: "backup") }

    private func write(_ backup: BackupInfo) async throws { try await metadata.write(backup, milvusRoot: "files") }

    private func printed(_ name: String) async throws -> String {
        let bytes = Collected()
        try await metadata.printAll(of: name, milvusRoot: "files") { bytes.add($0) }
        return String(decoding: bytes.all, as: UTF8.self)
    }

    private func key(_ file: MetadataFile) -> String { BackupPaths(root: "backup", name: "nightly").metadata(file) }

    @Test func theNamesOfTheCollectionsAreRead() async throws {
        try await write(.sample(collections: [.sample("items"), .sample("orders", database: "shop", id: 2)]))
        #expect(try await metadata.collectionNames("nightly").map(\.description) == ["default.items", "shop.orders"])
        // Others may have written no more than what readers need.
        try await store.delete([key(.collections), key(.partitions), key(.segments)])
        #expect(try await metadata.collectionNames("nightly").map(\.description) == ["default.items", "shop.orders"])
    }

    @Test func everythingIsPrintedAsItIsStored() async throws {
        try await write(.sample())
        let compact = store.bytes(key(.full)) ?? []
        let text = try await printed("nightly")
        #expect(text.hasPrefix("{\n    \"id\": \"id\",\n    \"state_code\": 0,\n"))
        #expect(text.contains("\"log_path\": \"files/insert_log/1/10/1001/0/1001000\""))
        #expect(try JSONValue(parsing: Array(text.utf8), name: "a") == JSONValue(parsing: compact, name: "b"))
    }

    @Test func theSameIsPrintedOfABackupWithoutTheWholeFile() async throws {
        try await write(.sample())
        let whole = try await printed("nightly")
        try await store.delete([key(.full)])
        #expect(try await printed("nightly") == whole)
    }

    @Test func ofALargeBackupEverythingIsPrinted() async throws {
        try await write(.sample(collections: [.sample(segments: [10: (1...400).map { .sample($0, logs: 20) }])]))
        let whole = try await printed("nightly")
        #expect(whole.utf8.count > 1 << 20 && whole.hasSuffix("\n}"))
    }

    @Test func damageIsFoundBeforeAnythingIsPrinted() async throws {
        try await write(.sample())
        store.set(key(.full), Array((store.bytes(key(.full)) ?? []).dropLast(20)))
        let bytes = Collected()
        let error = await #expect(throws: BackupError.self) {
            try await metadata.printAll(of: "nightly", milvusRoot: "files") { bytes.add($0) }
        }
        #expect(error?.code == .corrupted && bytes.all.isEmpty)
    }

    @Test func whatIsNotThereIsNotPrinted() async {
        let error = await #expect(throws: BackupError.self) { try await printed("nightly") }
        #expect(error?.code == .notFound)
    }
}

private final class Collected: Sendable {
    private let bytes = Mutex<[UInt8]>([])
    func add(_ piece: [UInt8]) { bytes.withLock { $0 += piece } }
    var all: [UInt8] { bytes.withLock { $0 } }
}
