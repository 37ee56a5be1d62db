import BackupFormat
import CommandLineInterface
import JSON
import Support

/// `milvus-backup list`.
struct ListCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws {
        let metadata = try environment.makeServices().metadata
        let names = try await metadata.directoryNames()
        let finished = try await mapInParallel(names, limit: 32) { try await metadata.exists($0) }
        print(">> Backups:")
        for (name, isFinished) in zip(names, finished) {
            if isFinished {
                print(name)
            } else {
                environment.logger.warn("\(name) is no finished backup; delete removes what is there")
            }
        }
    }
}

/// `milvus-backup get`.
struct GetCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        let metadata = try environment.makeServices().metadata
        let backup = try await metadata.read(name, options: .withoutBinlogs)
        let brief = BackupBrief(backup: backup, metadataSize: try await metadata.metadataSize(name))
        print(String(decoding: try brief.bytes(layout: .indented), as: UTF8.self))
    }
}

/// `milvus-backup delete`.
struct DeleteCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws {
        let name = invocation.text("name") ?? ""
        try BackupName.validateExisting(name)
        let count = try await environment.makeServices().metadata.delete(name)
        guard count > 0 else {
            throw BackupError(
                .notFound, "backup \(name) not found", hint: "\"milvus-backup list\" shows the backups that are there")
        }
        environment.logger.info("backup deleted", ["name": name, "objects": count])
        print("delete backup done")
    }
}
