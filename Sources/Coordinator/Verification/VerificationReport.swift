import JSON
import Support

/// What a comparison of a stored backup with its records has found.
struct VerificationReport: Sendable, Hashable {
    /// How closely is looked.
    enum Depth: String, Sendable, CaseIterable {
        /// Sizes and ETags of a listing.
        case quick
        /// All bytes are read as well.
        case deep
    }

    /// What the objects were compared with.
    enum Basis: String, Sendable { case manifest, metadata }

    /// An object and what is wrong with it.
    struct Problem: Sendable, Hashable {
        /// Below the backup's directory.
        var key: String
        /// Empty where the kind of the problem says it all.
        var text: String
    }

    /// Problems of one kind: how many, and the first of them.
    struct Tally: Sendable, Hashable {
        /// A backup of which everything is missing must not fill the memory.
        static let limit = 100

        private(set) var count = 0
        private(set) var problems: [Problem] = []

        mutating func add(_ key: Substring, _ text: @autoclosure () -> String = "") {
            count += 1
            if problems.count < Self.limit { problems.append(Problem(key: String(key), text: text())) }
        }

        fileprivate mutating func sort() { problems.sort { $0.key < $1.key } }
    }

    var backup: String
    var depth: Depth
    var basis = Basis.metadata
    /// That there should be.
    var objects = 0
    var bytes: Int64 = 0
    /// Objects and bytes that were read.
    var objectsRead = 0
    var bytesRead: Int64 = 0
    var missing = Tally()
    var changed = Tally()
    /// Logs that belong to no segment, or not to this backup. Milvus imports whole directories.
    var extra = Tally()
    /// Other objects that nobody looks at.
    var unrelated = Tally()
    /// Objects of which only the size could be compared, or the bytes with nothing.
    var unproven = 0
    /// What is wrong with the manifest and the metadata, each in one line.
    var recordProblems: [String] = []
    var wroteManifest = false

    init(backup: String, depth: Depth) {
        self.backup = backup
        self.depth = depth
    }

    var isDamaged: Bool {
        missing.count > 0 || changed.count > 0 || extra.count > 0 || !recordProblems.isEmpty
    }

    /// Puts what several tasks have found into an order.
    mutating func sort() {
        missing.sort()
        changed.sort()
        extra.sort()
        unrelated.sort()
    }

    // MARK: For people

    /// Lines of each kind that are shown.
    private static let shown = 20

    var lines: [String] {
        var lines = [
            "backup \(backup): \(counted(objects, "object")), \(formattedBytes(bytes)), compared with its \(basis.rawValue)"
        ]
        if depth == .deep { lines.append("read: \(counted(objectsRead, "object")), \(formattedBytes(bytesRead))") }
        lines += recordProblems.prefix(Self.shown).map { "damaged: \($0.escapingControlCharacters)" }
        for (name, tally) in tallies {
            lines += tally.problems.prefix(Self.shown).map { problem in
                "\(name): \(problem.key)\(problem.text.isEmpty ? "" : " ")\(problem.text)".escapingControlCharacters
            }
            let rest = tally.count - min(tally.problems.count, Self.shown)
            if rest > 0 { lines.append("\(name): and \(rest) more") }
        }
        if unproven > 0 {
            let what = depth == .deep ? "nothing tells what the bytes of" : "only the size could be compared of"
            lines.append("\(what) \(counted(unproven, "object"))" + (depth == .deep ? " should be" : ""))
        }
        if wroteManifest { lines.append("manifest written") }
        return lines
    }

    /// The last line.
    var verdict: String { isDamaged ? "backup \(backup) is damaged: \(summary)" : "backup \(backup) is sound" }

    /// `2 objects missing, 1 changed`.
    var summary: String {
        let counts = [
            missing.count > 0 ? "\(counted(missing.count, "object")) missing" : "",
            changed.count > 0 ? "\(counted(changed.count, "object")) changed" : "",
            extra.count > 0 ? "\(counted(extra.count, "object")) too many" : "",
        ].filter { !$0.isEmpty }
        return (counts + recordProblems.prefix(1)).joined(separator: ", ").escapingControlCharacters
    }

    /// The damage in one line, with the first object that is concerned; nil for a sound backup.
    ///
    /// - Parameter directory: of the backup, with the slash at its end.
    func failure(directory: String, bucket: String, hint: String) -> BackupError? {
        guard isDamaged else { return nil }
        let tallies = [(missing, "is missing"), (changed, ""), (extra, "does not belong to it")]
        let first = tallies.lazy.compactMap { tally, text in
            tally.problems.first.map {
                "\(directory)\($0.key) \(text.isEmpty ? $0.text : text) in bucket \"\(bucket)\""
            }
        }.first
        let others = first.map { "\($0) (\(summary))" } ?? summary
        return BackupError(.corrupted, "backup \(backup) is damaged: \(others)".escapingControlCharacters, hint: hint)
    }

    private var tallies: [(String, Tally)] {
        [("missing", missing), ("changed", changed), ("extra", extra), ("unrelated", unrelated)]
    }
}

// MARK: - For programs

extension VerificationReport {
    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("backup_name", backup)
            try writer.member("damaged", isDamaged)
            try writer.member("depth", depth.rawValue)
            try writer.member("compared_with", basis.rawValue)
            try writer.member("objects", objects)
            try writer.member("bytes", bytes)
            try writer.member("objects_read", objectsRead)
            try writer.member("bytes_read", bytesRead)
            for (name, tally) in tallies { try writer.member(name) { try tally.write(to: &$0) } }
            try writer.member("unproven", unproven)
            try writer.member("record_problems") { try $0.array(recordProblems) { try $0.string($1) } }
            try writer.member("manifest_written", wroteManifest)
        }
    }

    /// What ``write(to:)`` has written.
    init(_ value: JSONValue) throws {
        self.init(
            backup: try value.string("backup_name") ?? "",
            depth: Depth(rawValue: try value.string("depth") ?? "") ?? .quick)
        basis = Basis(rawValue: try value.string("compared_with") ?? "") ?? .metadata
        objects = Int(try value.int64("objects") ?? 0)
        bytes = try value.int64("bytes") ?? 0
        objectsRead = Int(try value.int64("objects_read") ?? 0)
        bytesRead = try value.int64("bytes_read") ?? 0
        missing = try Tally(value["missing"])
        changed = try Tally(value["changed"])
        extra = try Tally(value["extra"])
        unrelated = try Tally(value["unrelated"])
        unproven = Int(try value.int64("unproven") ?? 0)
        recordProblems = try value.strings("record_problems") ?? []
        wroteManifest = try value.bool("manifest_written") ?? false
    }
}

extension VerificationReport.Tally {
    fileprivate func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("count", count)
            try writer.member("objects") { writer in
                try writer.array(problems) { writer, problem in
                    try writer.object { writer in
                        try writer.member("key", problem.key)
                        try writer.memberIfSet("problem", problem.text)
                    }
                }
            }
        }
    }

    fileprivate init(_ value: JSONValue?) throws {
        guard let value else { return }
        count = Int(try value.int64("count") ?? 0)
        problems = try (try value.array("objects") ?? []).map {
            .init(key: try $0.string("key") ?? "", text: try $0.string("problem") ?? "")
        }
    }
}
