import BackupFormat
import CommandLineInterface
import Configuration
import JSON
import Support

/// `milvus-backup list`.
struct ListCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let metadata = try environment.makeServices().metadata
        var (shown, unfinished) = try await metadata.directories()
        if let collection = invocation.text("collection"), !collection.isEmpty {
            shown = try await metadata.having(collection, among: shown, environment.logger)
            unfinished = []
        }
        guard invocation.flag("all") else {
            for name in unfinished {
                environment.logger.warn("\(name) is no finished backup; delete removes what is there")
            }
            return ListCommand.result(shown, unfinishedNames: unfinished)
        }
        return ListCommand.result(
            shown, unfinishedNames: unfinished, unfinished: try await metadata.unfinished(unfinished))
    }

    /// - Parameter unfinished: nil when they were not asked for.
    static func result(
        _ names: [String], unfinishedNames: [String], unfinished: [UnfinishedBackup]? = nil
    ) -> CommandResult {
        var lines = [">> Backups:"] + names
        if let unfinished { lines += [">> Unfinished:"] + unfinished.map(\.line) }
        return CommandResult(lines.joined(separator: "\n")) { writer in
            try writer.object { writer in
                try writer.member("backups") { try $0.array(names) { try $0.string($1) } }
                try writer.memberIfSet("unfinished", unfinishedNames)
                guard let unfinished else { return }
                try writer.member("unfinished_backups") { try $0.array(unfinished) { try $1.write(to: &$0) } }
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
