import BackupFormat
import JSON
import ShardScheduling
import Support

/// What a job would do: the answer to `--dry-run`.
struct JobEstimate: Sendable {
    struct Item: Sendable {
        /// As it is called where it comes from.
        var source: CollectionName
        /// As it will be called.
        var target: CollectionName
        var segments: Int
        var work: WorkAmount
    }

    /// `would back up` or `would restore`.
    var verb: String
    var items: [Item]

    var result: CommandResult {
        let total = items.reduce(WorkAmount()) { $0 + $1.work }
        var lines = ["\(verb) \(counted(items.count, "collection")): \(describe(total))"]
        for item in items {
            let name = item.source == item.target ? "\(item.source)" : "\(item.source) as \(item.target)"
            lines.append("  \(name): \(counted(item.segments, "segment")), \(describe(item.work))")
        }
        return CommandResult(lines.joined(separator: "\n")) { writer in
            try writer.object { writer in
                try writer.member("dry_run", true)
                try writer.member("collections") { writer in
                    try writer.array(items) { writer, item in try item.write(to: &writer) }
                }
                try total.writeMembers(to: &writer)
            }
        }
    }

    private func describe(_ work: WorkAmount) -> String {
        "\(counted(work.objects, "object")), \(formattedBytes(work.bytes)), \(counted(work.shards, "shard"))"
    }
}

extension JobEstimate.Item {
    fileprivate func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("source", source.description)
            try writer.member("target", target.description)
            try writer.member("segments", segments)
            try work.writeMembers(to: &writer)
        }
    }
}

extension WorkAmount {
    fileprivate func writeMembers(to writer: inout JSONWriter) throws {
        try writer.member("objects", objects)
        try writer.member("bytes", bytes)
        try writer.member("shards", shards)
    }
}
