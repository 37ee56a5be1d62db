import CommandLineInterface
import Configuration
import ShardScheduling
import Support

/// What is printed when a job has ended well: who copied how much, and how long every phase took.
struct JobSummary {
    var shares: [AgentProgress]
    var times: PhaseReport

    func print() {
        for share in shares where share.isConnected || share.isWorthTelling {
            let failures = share.failures > 0 ? ", \(counted(share.failures, "failed shard"))" : ""
            let losses = share.losses > 0 ? ", \(counted(share.losses, "lost shard"))" : ""
            Swift.print(
                "\(share.agent): \(counted(share.done.objects, "object")), \(share.done.bytes) bytes\(failures)\(losses)"
            )
        }
        Swift.print("time of each phase:")
        for line in times.lines { Swift.print(line) }
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
