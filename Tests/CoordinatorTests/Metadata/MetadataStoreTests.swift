import BackupFormat
import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator

@Suite(.timeLimit(.minutes(1))) struct MetadataStoreTests {
    private let store = MemoryObjectStore(bucket: "backup")
    private var metadata: MetadataStore { MetadataStore(store: store, backupRoot: "backup") }
    private let backup = BackupInfo.sample(collections: [
        .sample(l0: [.sample(1009, partition: -1, isL0: true)]), .sample("users", database: "shop", id: 2),
    ])

    private func write(_ backup: BackupInfo? = nil) async throws {
        try await metadata.write(backup ?? self.backup, milvusRoot: "files")
    }

    private func key(_ file: String) -> String { "backup/nightly/meta/\(file)" }

    @Test func whatIsWrittenCanBeRead() async throws {
        try await write()
        #expect(try await metadata.read("nightly", options: .everything) == backup)
        #expect(
            store.keys
                == ["backup_meta", "collection_meta", "full_meta", "partition_meta", "segment_meta"].map {
                    key("\($0).json")
                })
    }

    @Test func theFileThatMakesItABackupComesLast() async throws {
        try await write()
        let puts = store.counts.calls.filter { $0.operation == .put }.map(\.key)
        #expect(puts.last == key("backup_meta.json"))
        #expect(puts.count == 5)
    }

    @Test func anInterruptedWriteLeavesNoBackup() async throws {
        store.faults.before = { call in
            if call.operation == .put, call.key.hasSuffix("/backup_meta.json") {
                throw BackupError(.permissionDenied, "no")
            }
        }
        await #expect(throws: BackupError.self) { try await write() }
        #expect(try await !metadata.exists("nightly"))
        #expect(try await metadata.hasAnything("nightly"))
        let error = await #expect(throws: BackupError.self) {
            try await metadata.read("nightly", options: .everything)
        }
        #expect(error?.code == .notFound && error?.message == "backup nightly not found")
    }

    @Test func existenceGoesByWholeNames() async throws {
        try await write(.sample("nightly2"))
        store.set("backup/half/binlogs/x", [1])
        #expect(
            try await mapInParallel(["nightly", "nightly2", "half"], limit: 1, metadata.exists) == [false, true, false])
        #expect(
            try await mapInParallel(["nightly", "nightly2", "half"], limit: 1, metadata.hasAnything) == [
                false, true, true,
            ])
    }

    @Test func directoriesAreListed() async throws {
        try await write()
        store.set("backup/half/binlogs/x", [1])
        store.set("backup/a_file", [1])
        store.set("elsewhere/b/meta/backup_meta.json", [1])
        #expect(try await metadata.directoryNames() == ["half", "nightly"])
        #expect(try await MetadataStore(store: store, backupRoot: "").directoryNames() == ["backup", "elsewhere"])
    }

    @Test func theSizeOfTheMetadataIsCounted() async throws {
        try await write()
        store.set("backup/nightly/binlogs/x", [1, 2, 3])
        let size = store.keys.filter { $0.contains("/meta/") }.reduce(0) { $0 + (store.bytes($1)?.count ?? 0) }
        #expect(try await metadata.metadataSize("nightly") == Int64(size))
    }

    // MARK: Damage

    @Test(arguments: ["full_meta.json", "segment_meta.json"]) func whatIsDamagedIsNamed(_ file: String) async throws {
        try await write()
        if file != "full_meta.json" { try await store.delete([key("full_meta.json")]) }
        let bytes = try #require(store.bytes(key(file)))
        for damaged in [[UInt8](), Array(bytes.dropLast(5)), Array(bytes.prefix(bytes.count / 2)), [1, 2, 3]] {
            store.set(key(file), damaged)
            let error = await #expect(throws: BackupError.self) {
                try await metadata.read("nightly", options: .everything)
            }
            #expect(error?.code == .corrupted)
            #expect(error?.message.contains("backup nightly cannot be read") == true)
            #expect(error?.message.contains(file) == true)
        }
    }

    @Test func theLevelsAreEnough() async throws {
        try await write()
        try await store.delete([key("full_meta.json")])
        let read = try await metadata.read("nightly", options: .everything)
        #expect(read.collections.map(\.qualifiedName) == backup.collections.map(\.qualifiedName))
        #expect(
            read.collections.map { $0.partitions[0].segments } == backup.collections.map { $0.partitions[0].segments })
    }

    @Test func levelsThatAreNotAllThereAreNoBackup() async throws {
        try await write()
        try await store.delete([key("full_meta.json"), key("partition_meta.json")])
        let error = await #expect(throws: BackupError.self) {
            try await metadata.read("nightly", options: .everything)
        }
        #expect(error?.code == .notFound)
    }

    @Test func noBackupIsSaidPlainly() async throws {
        let error = await #expect(throws: BackupError.self) { try await metadata.read("x", options: .everything) }
        #expect(error?.code == .notFound && error?.message == "backup x not found")
    }

    @Test(arguments: [true, false]) func aConnectionThatBreaksIsTriedAgain(_ hasFull: Bool) async throws {
        try await write()
        if !hasFull { try await store.delete([key("full_meta.json")]) }
        let failures = Mutex(0)
        store.faults.bodyFault = { call in
            guard call.key.contains("_meta.json") else { return nil }
            return failures.withLock { count in
                count += 1
                return count <= 1 ? .broken(after: 10) : nil
            }
        }
        #expect(try await metadata.read("nightly", options: .everything).name == "nightly")
        #expect(failures.withLock { $0 } >= 2)
    }

    // MARK: Deletion

    @Test func metadataGoesFirst() async throws {
        try await write()
        for number in 0..<2000 { store.set("backup/nightly/binlogs/insert_log/1/\(number)", [1]) }
        try await write(.sample("nightly2"))
        let others = store.keys.filter { $0.contains("nightly2") }
        let metadataAtFirstData = Mutex<Bool?>(nil)
        let store = self.store
        store.faults.before = { call in
            guard call.operation == .delete, call.key.contains("/binlogs/") else { return }
            metadataAtFirstData.withLock { $0 = $0 ?? store.keys.contains { $0.contains("/nightly/meta/") } }
        }
        #expect(try await metadata.delete("nightly") == 2005)
        #expect(metadataAtFirstData.withLock { $0 } == false)
        #expect(store.keys == others)
    }

    @Test func aBackupWithoutDataIsDeletedToo() async throws {
        try await write()
        #expect(try await metadata.delete("nightly") == 5)
        #expect(store.keys.isEmpty)
    }

    @Test func anUnfinishedBackupCanBeDeletedAndAMissingOneIsNoHarm() async throws {
        store.set("backup/half/binlogs/x", [1])
        #expect(try await metadata.delete("half") > 0)
        #expect(store.keys.isEmpty)
        #expect(try await metadata.delete("half") == 0)
    }
}
