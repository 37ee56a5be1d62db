import BackupFormat
import MilvusClient
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator

/// How a restore goes on that was killed: what is decided, and whole restores in memory.
@Suite(.timeLimit(.minutes(1))) struct RestoreContinuationTests {
    private let target = CollectionName(database: "default", collection: "items")
    private let files = ["restore-temp-job-default-items/binlogs/insert_log/1/10/101/"]

    private func decide(
        _ stage: RestoreJournal.Stage?, id: Int64 = 7, present: Int64? = 7, hasSegments: Bool = true,
        imports: [RestoreJournal.Import] = [], fates: [[String]: ImportFate] = [:],
        _ change: (inout RestoreRequest) -> Void = { _ in }
    ) throws -> CollectionContinuation {
        var request = RestoreRequest(backupName: "nightly")
        change(&request)
        let history = stage.map { RestoreJournal.History(stage: $0, collectionID: id, imports: imports) }
        return try CollectionContinuation(
            target, history,
            present.map { CollectionContinuation.Present(collectionID: $0, hasSegments: hasSegments) }, fates: fates,
            planned: [files], request: request)
    }

    @Test func collections() throws {
        #expect(try decide(nil) == .fresh)
        #expect(try decide(.completed) == .finished)
        #expect(try decide(.completed, present: nil) == .finished)
        #expect(try decide(.begun, id: 0, present: nil) == .anew)
        #expect(try decide(.begun, id: 0, hasSegments: false) == .anew)
        #expect(try decide(.made) == .anew)
        #expect(try decide(.ready) == .goesOn([:], ignoring: []))
        #expect(try decide(.ready, present: nil) == .anew)
        // What somebody else has made in the meantime is not dropped.
        for decision in [{ try decide(.begun, id: 0) }, { try decide(.ready, present: 8) }] {
            let error = #expect(throws: BackupError.self) { _ = try decision() }
            #expect(error?.message.contains("default.items was not made by this restore") == true)
        }
        #expect(try decide(.begun, id: 0) { $0.dropsExistingCollections = true } == .anew)
    }

    @Test func importsThatCannotBeToldMakeTheCollectionAnew() throws {
        let begun = RestoreJournal.Import(files: files)
        var done = begun
        done.isDone = true
        #expect(try decide(.ready, imports: [done]) == .goesOn([files: .completed], ignoring: []))
        for fate in [ImportFate.completed, .running("9")] {
            #expect(try decide(.ready, imports: [begun], fates: [files: fate]) == .goesOn([files: fate], ignoring: []))
        }
        #expect(try decide(.ready, imports: [begun]) == .anew)
        // With another configuration other directories go together.
        var other = done
        other.files.append("more/")
        #expect(try decide(.ready, imports: [other]) == .anew)
    }

    @Test func aCollectionOfTheUsersOwnIsNeverMadeAnew() throws {
        let own: (inout RestoreRequest) -> Void = { $0.skipsCreation = true }
        #expect(try decide(.ready, own) == .fresh)
        let begun = RestoreJournal.Import(files: files)
        let known: [[String]: ImportFate] = [files: .completed]
        #expect(try decide(.ready, imports: [begun], fates: known, own) == .goesOn(known, ignoring: []))
        for present: Int64 in [7, 8] {
            let error = #expect(throws: BackupError.self) {
                _ = try decide(.ready, present: present, imports: [begun], own)
            }
            #expect(error?.message.contains("is your own") == true)
        }
    }

    @Test func tasksAreKnownByTheirFiles() {
        func task(_ id: Int64, _ state: Milvus.ImportState, _ files: String) -> Milvus.ImportTask {
            var task = Milvus.ImportTask()
            task.id = id
            task.state = state
            task.infos = [Milvus.KeyValuePair("files", files)]
            return task
        }
        let statement = RestoreJournal.Import(files: files)
        let listed = "\(files[0]),"
        #expect(statement.fate(in: [task(1, .completed, listed)], ignoring: []) == .completed)
        #expect(statement.fate(in: [task(1, .persisted, listed)], ignoring: []) == .running("1"))
        #expect(statement.fate(in: [task(1, .failed, listed)], ignoring: []) == nil)
        #expect(statement.fate(in: [task(1, .completed, listed)], ignoring: [1]) == nil)
        #expect(statement.fate(in: [task(1, .completed, "elsewhere/")], ignoring: []) == nil)
        // Two of them: the rows may be there twice.
        #expect(statement.fate(in: [task(1, .completed, listed), task(2, .completed, listed)], ignoring: []) == nil)
        var answered = statement
        answered.task = "2"
        #expect(answered.fate(in: [task(1, .failed, listed), task(2, .completed, "")], ignoring: []) == .completed)
    }

    // MARK: Whole restores

    /// A restore of two collections that has stopped like one that was killed, at a call of Milvus that `isLast` chooses.
    private func killed(_ isLast: @escaping @Sendable (FakeMilvus.Call, Int) -> Bool) async throws -> JobBench {
        let job = JobBench()
        try await job.backUp()
        // What is there when the process dies is what was there before that call.
        let kept = Kept()
        let store = job.source
        job.setTrouble { call, index in
            if isLast(call, index) { kept.take(store) }
            return kept.isTaken ? .status(code: 1, "the end") : nil
        }
        await #expect(throws: BackupError.self) { try await job.restore { $0.mapper = try NameMapper(suffix: "_bak") } }
        kept.putBack(store)
        job.setTrouble { _, _ in nil }
        var record = try #require(try await JobRecord.read(from: store, key: JobRecord.restoreKey(id: "job")))
        record.process = try #require(ProcessIdentity.current.map { "\($0.scope) \($0.id) 1" })
        try await record.write(to: store, key: JobRecord.restoreKey(id: "job"))
        job.forgetCalls()
        return job
    }

    private func resume(_ job: JobBench, _ change: (inout RestoreRequest) -> Void = { _ in }) async throws {
        try await job.restore {
            $0.mapper = try NameMapper(suffix: "_bak")
            $0.resumes = true
            change(&$0)
        }
    }

    @Test func whatIsDoneIsNotDoneAgain() async throws {
        let job = try await killed { call, index in call.method == "GetImportState" && index == 5 }
        try await resume(job)
        // All imports were begun, and Milvus has completed them.
        #expect(job.milvus.calls(of: "Import").isEmpty && job.milvus.calls(of: "CreateCollection").isEmpty)
        #expect(job.milvus.calls(of: "DropCollection").isEmpty)
        #expect(!job.source.keys.contains { $0.hasPrefix("restore-temp-") })
        #expect(job.milvus.state.withLock { $0.tasks.count } == 6)
    }

    @Test func anImportOfWhichMilvusKnowsNothingMakesTheCollectionAnew() async throws {
        let job = try await killed { call, index in call.method == "Import" && index == 5 }
        try await resume(job)
        #expect(job.milvus.calls(of: "DropCollection").count >= 1)
        #expect(
            job.collections("default") == ["items", "items_bak"] && job.collections("shop") == ["orders", "orders_bak"])
        #expect(!job.source.keys.contains { $0.hasPrefix("restore-temp-") })
    }

    @Test func otherOptionsAreRefused() async throws {
        let job = try await killed { call, index in call.method == "Import" && index == 2 }
        let error = await #expect(throws: BackupError.self) { try await resume(job) { $0.restoresIndexes = true } }
        #expect(error?.message == "restore job was begun with other options: rebuild_index")
        #expect(job.milvus.calls(of: "Import").isEmpty)
    }

    @Test func thereMustBeSomethingToGoOnWith() async throws {
        let job = JobBench()
        try await job.backUp()
        let error = await #expect(throws: BackupError.self) { try await resume(job) }
        #expect(error?.code == .notFound && error?.message.contains("there is no restore job") == true)
    }
}

/// What a store held at one moment.
private final class Kept: Sendable {
    private let objects = Mutex<[String: [UInt8]]?>(nil)

    var isTaken: Bool { objects.withLock { $0 != nil } }

    func take(_ store: MemoryObjectStore) {
        objects.withLock { objects in
            guard objects == nil else { return }
            objects = Dictionary(uniqueKeysWithValues: store.keys.map { ($0, store.bytes($0) ?? []) })
        }
    }

    func putBack(_ store: MemoryObjectStore) {
        for (key, bytes) in objects.withLock({ $0 ?? [:] }) { store.set(key, bytes) }
    }
}
