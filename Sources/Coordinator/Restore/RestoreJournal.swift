import BackupFormat
import JSON
import ObjectStorage
import Support

/// What a restore has begun and what it has finished, below `restore-temp-ID/journal/` in Milvus' bucket, so that
/// `restore --resume` can go on when the process has died. To import is not idempotent: what is about to be done is written
/// down before it is done.
///
/// A collection has an object of its own there, and so has every import.
struct RestoreJournal: Sendable {
    let id: String
    let store: any ObjectStore
    /// Without it nothing is written.
    let claim: JobClaim

    /// How far a collection is.
    enum Stage: String, Sendable {
        /// It is about to be made.
        case begun
        /// It is there, without its indexes and partitions.
        case made
        /// Its data may be imported.
        case ready
        case completed
    }

    /// One import, which is known by the directories that Milvus was given.
    struct Import: Sendable, Hashable {
        var files: [String]
        /// The task or job that Milvus has named; empty while its answer is awaited.
        var task = ""
        var isDone = false
    }

    /// What is known of one collection.
    struct History: Sendable, Hashable {
        var stage = Stage.begun
        var collectionID: Int64 = 0
        /// Import tasks of a collection that was there before, which are none of this restore's.
        var earlierTasks: [Int64] = []
        var imports: [Import] = []
    }

    // MARK: Writing

    static func prefix(id: String) -> String { "restore-temp-\(id)/journal/" }

    private static func directory(_ id: String, _ target: CollectionName) -> String {
        "\(prefix(id: id))\(target.database)/\(target.collection)/"
    }

    private static func requestKey(_ id: String) -> String { "\(prefix(id: id))request.json" }

    private func put(_ value: JSONValue, _ key: String) async throws {
        try await claim.check()
        try await store.put(key, body: .bytes(try value.bytes()))
    }

    /// Says what is to be restored, by the names of ``RestoreRequest/description(of:)``.
    func begin(_ request: [String: String]) async throws {
        let members = request.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
        try await put(.object(members), RestoreJournal.requestKey(id))
    }

    func write(_ stage: Stage, of target: CollectionName, collectionID: Int64 = 0, earlier: Set<Int64> = [])
        async throws
    {
        try await put(
            [
                "stage": .string(stage.rawValue), "collection_id": .int64(collectionID),
                "earlier_tasks": .array(earlier.sorted().map { .int64($0) }),
            ], RestoreJournal.directory(id, target) + "collection.json")
    }

    /// Forgets a collection that is made anew.
    func forget(_ target: CollectionName) async throws {
        try await claim.check()
        try await store.deleteAll(prefix: RestoreJournal.directory(id, target))
    }

    /// - Parameter number: of the import within its collection.
    func write(_ statement: Import, number: String, of target: CollectionName) async throws {
        try await put(
            [
                "files": .array(statement.files.map { .string($0) }), "task": .string(statement.task),
                "done": .bool(statement.isDone),
            ], RestoreJournal.directory(id, target) + "import-\(number).json")
    }

    /// Removes all of it: a restore that is over needs none.
    func remove() async throws { try await store.deleteAll(prefix: RestoreJournal.prefix(id: id)) }

    // MARK: Reading

    /// What was written by the run before.
    struct Content: Sendable {
        /// Empty when it was killed before it had begun anything.
        var request: [String: String] = [:]
        var collections: [CollectionName: History] = [:]
    }

    static func read(id: String, from store: any ObjectStore) async throws -> Content {
        let prefix = prefix(id: id)
        var keys: [String] = []
        try await store.forEachPage(prefix: prefix) { page in keys += page.objects.map(\.key) }
        let values = try await mapInParallel(keys, limit: 32) { key in
            let value = try await store.read(key, limit: 1 << 24) { bytes, _ in try JSONValue(parsing: bytes, name: key)
            }
            return (key.dropFirst(prefix.count), value)
        }
        var content = Content()
        for (path, value) in values {
            let parts = path.split(separator: "/")
            if path == "request.json" {
                for member in try value.members("request") {
                    content.request[member.key] = try value.string(member.key)
                }
            } else if parts.count == 3 {
                let name = CollectionName(database: String(parts[0]), collection: String(parts[1]))
                try content.collections[name, default: History()].add(value, isImport: parts[2] != "collection.json")
            }
        }
        return content
    }
}

extension RestoreJournal.History {
    fileprivate mutating func add(_ value: JSONValue, isImport: Bool) throws {
        if isImport {
            imports.append(
                RestoreJournal.Import(
                    files: try value.strings("files") ?? [], task: try value.string("task") ?? "",
                    isDone: try value.bool("done") ?? false))
        } else {
            stage = RestoreJournal.Stage(rawValue: try value.string("stage") ?? "") ?? .begun
            collectionID = try value.int64("collection_id") ?? 0
            earlierTasks =
                try value.array("earlier_tasks")?.compactMap {
                    if case .int64(let id) = $0 { id } else { nil }
                } ?? []
        }
    }
}

/// The statements about one import.
struct ImportNote: Sendable {
    let journal: RestoreJournal
    let target: CollectionName
    let number: String
    let files: [String]

    /// Milvus is about to be asked.
    func intend() async throws { try await write() }

    /// Milvus has accepted it.
    func began(_ task: String) async throws { try await write(task: task) }

    func ended() async throws { try await write(isDone: true) }

    private func write(task: String = "", isDone: Bool = false) async throws {
        try await journal.write(.init(files: files, task: task, isDone: isDone), number: number, of: target)
    }
}
