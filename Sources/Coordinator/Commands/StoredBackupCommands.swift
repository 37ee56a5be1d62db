import BackupFormat
import CommandLineInterface
import Configuration
import JSON
import Support

/// `milvus-backup list`.
struct ListCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let metadata = try environment.makeServices().metadata
        let names = try await metadata.directoryNames()
        let finished = try await mapInParallel(names, limit: 32) { try await metadata.exists($0) }
        var (there, unfinished) = zip(names, finished).reduce(into: ([String](), [String]())) { lists, entry in
            if entry.1 { lists.0.append(entry.0) } else { lists.1.append(entry.0) }
        }
        if let collection = invocation.text("collection"), !collection.isEmpty {
            there = try await having(collection, there, metadata, environment.logger)
            unfinished = []
        }
        let (shown, others) = (there, unfinished)
        var lines = [">> Backups:"] + shown
        var details: [UnfinishedBackup] = []
        if invocation.flag("all") {
            details = try await mapInParallel(others, limit: 32) { try await UnfinishedBackup($0, metadata) }
            lines += [">> Unfinished:"] + details.map(\.line)
        } else {
            for name in unfinished {
                environment.logger.warn("\(name) is no finished backup; delete removes what is there")
            }
        }
        let unfinishedBackups = details
        return CommandResult(lines.joined(separator: "\n")) { writer in
            try writer.object { writer in
                try writer.member("backups") { try $0.array(shown) { try $0.string($1) } }
                try writer.memberIfSet("unfinished", others)
                guard invocation.flag("all") else { return }
                try writer.member("unfinished_backups") { writer in
                    try writer.array(unfinishedBackups) { try $1.write(to: &$0) }
                }
            }
        }
    }

    /// Those backups that have a collection of this name: `coll` in any database, `db.coll` in that one.
    private func having(
        _ collection: String, _ backups: [String], _ metadata: MetadataStore, _ logger: Logger
    ) async throws -> [String] {
        try await mapInParallel(backups, limit: 8) { backup -> String? in
            do {
                let names = try await metadata.collectionNames(backup)
                return names.contains { $0.collection == collection || $0.description == collection } ? backup : nil
            } catch let error as BackupError where error.code == .corrupted {
                logger.warn("backup \(backup) cannot be read: \(error)")
                return nil
            }
        }.compactMap { $0 }
    }
}

/// A directory below the backup root that is no finished backup, and what its record tells of it.
private struct UnfinishedBackup: Sendable {
    let name: String
    /// Nil when nobody has left one.
    let record: JobRecord?

    init(_ name: String, _ metadata: MetadataStore) async throws {
        self.name = name
        let key = BackupPaths(root: metadata.backupRoot, name: name).claim
        do {
            record = try await JobRecord.read(from: metadata.store, key: key)
        } catch let error as BackupError where error.code == .corrupted {
            record = nil
        }
    }

    /// `failed`; `unfinished` where a process is at work or has died; `unknown`.
    private var state: String { record.map { $0.failure.isEmpty ? "unfinished" : "failed" } ?? "unknown" }

    var line: String {
        let text = record.map { record in
            let origin = "begun at \(Timestamp(seconds: record.start).iso8601) on \(record.host)"
            return record.failure.isEmpty
                ? "\(origin), not finished: at work, or interrupted" : "\(origin), failed: \(record.failure)"
        }
        return "\(name): \(text ?? "nothing is known of it")".escapingControlCharacters
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("name", name)
            try writer.member("state", state)
            guard let record else { return }
            try writer.memberIfSet("id", record.id)
            try writer.memberIfSet("host", record.host)
            try writer.memberIfSet("start_time", record.start)
            try writer.memberIfSet("failure", record.failure)
        }
    }
}

/// `milvus-backup get`.
struct GetCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        let metadata = try environment.makeServices().metadata
        if invocation.flag("detail") {
            let root = environment.configuration.milvus.storage.rootPath
            try await metadata.printAll(of: name, milvusRoot: root, to: environment.output)
            environment.output([UInt8(ascii: "\n")])
            return .alreadyPrinted
        }
        let backup = try await metadata.read(name, options: .withoutBinlogs)
        let brief = BackupBrief(backup: backup, metadataSize: try await metadata.metadataSize(name))
        return CommandResult(String(decoding: try brief.bytes(layout: .indented), as: UTF8.self)) {
            try brief.write(to: &$0)
        }
    }
}

/// `milvus-backup delete`.
struct DeleteCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        let count = try await environment.makeServices().metadata.delete(name)
        guard count > 0 else {
            throw BackupError(
                .notFound, "backup \(name) not found", hint: "\"milvus-backup list\" shows the backups that are there")
        }
        environment.logger.info("backup deleted", ["name": name, "objects": count])
        return CommandResult("delete backup done") { writer in
            try writer.object { writer in
                try writer.member("name", name)
                try writer.member("objects", count)
            }
        }
    }
}
