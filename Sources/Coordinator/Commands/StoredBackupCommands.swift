import BackupFormat
import CommandLineInterface
import JSON
import Support

/// `milvus-backup list`.
struct ListCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let metadata = try environment.makeServices().metadata
        let names = try await metadata.directoryNames()
        let finished = try await mapInParallel(names, limit: 32) { try await metadata.exists($0) }
        let (there, unfinished) = zip(names, finished).reduce(into: ([String](), [String]())) { lists, entry in
            if entry.1 { lists.0.append(entry.0) } else { lists.1.append(entry.0) }
        }
        for name in unfinished {
            environment.logger.warn("\(name) is no finished backup; delete removes what is there")
        }
        return CommandResult(([">> Backups:"] + there).joined(separator: "\n")) { writer in
            try writer.object { writer in
                try writer.member("backups") { try $0.array(there) { try $0.string($1) } }
                try writer.memberIfSet("unfinished", unfinished)
            }
        }
    }
}

/// `milvus-backup get`.
struct GetCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        let metadata = try environment.makeServices().metadata
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
