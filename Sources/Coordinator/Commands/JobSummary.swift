import BackupFormat
import CommandLineInterface
import Configuration
import JSON
import ShardScheduling
import Support

/// What is told when a job has ended well: what was done, who copied how much, and how long every phase took.
struct JobSummary: Sendable {
    /// One line.
    var headline: String
    /// The last lines, which scripts look for.
    var closing: [String]
    /// Members of the JSON document that say what was done.
    var members: @Sendable (inout JSONWriter) throws -> Void
    var shares: [AgentProgress]
    var times: PhaseReport

    var result: CommandResult {
        var lines = [headline]
        lines += shares.filter { $0.isConnected || $0.isWorthTelling }.map(line)
        lines += ["time of each phase:"] + times.lines + closing
        lines.append("duration:\(formatted(times.whole.seconds, decimals: 2)) s")
        return CommandResult(lines.joined(separator: "\n"), json: write)
    }

    private func line(_ share: AgentProgress) -> String {
        let failures = share.failures > 0 ? ", \(counted(share.failures, "failed shard"))" : ""
        let losses = share.losses > 0 ? ", \(counted(share.losses, "lost shard"))" : ""
        return "\(share.agent): \(counted(share.done.objects, "object")), \(share.done.bytes) bytes\(failures)\(losses)"
    }

    private func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try members(&writer)
            try writer.member("agents") { writer in
                try writer.array(shares) { writer, share in
                    try writer.object { writer in
                        try writer.member("name", share.agent.description)
                        try writer.member("objects", share.done.objects)
                        try writer.member("bytes", share.done.bytes)
                        try writer.member("failed_shards", share.failures)
                        try writer.member("lost_shards", share.losses)
                    }
                }
            }
            try writer.member("seconds") { try $0.double(times.whole.seconds) }
            try writer.member("phases") { writer in
                try writer.object { writer in
                    for (phase, duration) in times.phases {
                        try writer.member(phase.rawValue) { try $0.double(duration.seconds) }
                    }
                }
            }
        }
    }
}

extension AgentProgress {
    /// Whether an agent that has left has done, or spoiled, anything.
    fileprivate var isWorthTelling: Bool { done.objects > 0 || failures > 0 || losses > 0 }
}

/// `1 object`, `2 objects`.
func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

extension Workforce.Plan {
    init(_ invocation: Invocation, _ configuration: Configuration) throws(BackupError) {
        listen = configuration.coordinator.listen
        if let text = invocation.text("listen") {
            guard let address = HostPort(text) else {
                throw BackupError(.usage, "--listen needs HOST:PORT, not \"\(text.escapingControlCharacters)\"")
            }
            listen = address
        }
        minimumAgents = try invocation.integer("min-agents", in: 0...10_000) ?? 0
        if minimumAgents > 0, listen == nil {
            throw BackupError(
                .usage, "--min-agents waits for agents, and there is no address where they could dial in",
                hint: "add --listen HOST:PORT, or set coordinator.listen")
        }
    }
}
