import CommandLineInterface
import JSON
import Support
import TLS

/// `milvus-backup certs`.
struct CertsCommand: CommandImplementation {
    private static let validityOfAuthority = 3650

    var needsConfiguration: Bool { false }

    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let hosts = try names(invocation.text("hosts"), "--hosts", isValid: CertificateAuthority.isHost)
        let agents = try names(invocation.text("agents"), "--agents", isValid: CertificateAuthority.isAgentName)
        let validity = CertificateAuthority.Validity(days: try invocation.integer("days", in: 1...36500) ?? 825)
        let directory = try CertificateDirectory(invocation.text("out") ?? "")
        let isNew = try !directory.hasAuthority()
        if isNew && hosts.isEmpty {
            throw BackupError(
                .usage, "there is no authority in \(directory.path) yet, and a new one begins with a coordinator",
                hint: "name the host names and addresses by which agents reach it with --hosts")
        }
        if hosts.isEmpty && agents.isEmpty {
            throw BackupError(
                .usage, "nothing to make", hint: "name the agents with --agents, or the hosts with --hosts")
        }
        let authority =
            isNew
            ? try CertificateAuthority(name: "milvus-backup", validity: .init(days: CertsCommand.validityOfAuthority))
            : try CertificateAuthority(try directory.authority())
        var made: [(name: String, pem: CertificateAndKey)] = []
        if isNew { made.append(("ca", try authority.pem())) }
        if !hosts.isEmpty {
            made.append(("coordinator", try authority.coordinator(hosts: hosts, validity: validity)))
        }
        for agent in agents { made.append(("agent-\(agent)", try authority.agent(name: agent, validity: validity))) }
        let files = try directory.write(made)
        let text = CertificateInstructions(
            directory: directory.path, files: files, hasCoordinator: !hosts.isEmpty, agents: agents, isNew: isNew
        ).text
        let path = directory.path
        return CommandResult(text) { writer in
            try writer.object { writer in
                try writer.member("directory", path)
                try writer.memberIfSet("files", files)
            }
        }
    }

    /// A list separated by commas, without doubles.
    private func names(
        _ text: String?, _ option: String, isValid: (String) -> Bool
    ) throws(BackupError) -> [String] {
        var names: [String] = []
        for part in (text ?? "").split(separator: ",") {
            let name = part.trimmingSpaces
            guard isValid(name) else {
                throw BackupError(
                    .usage, "\(option): \"\(name.escapingControlCharacters)\" cannot be in a certificate",
                    hint: "letters, digits, points, hyphens and underscores can, and addresses as in 10.0.0.7 as hosts")
            }
            if !names.contains(name) { names.append(name) }
        }
        return names
    }
}

extension Substring {
    fileprivate var trimmingSpaces: String {
        let start = drop { $0 == " " }
        return String(start[..<(start.lastIndex { $0 != " " }.map(start.index(after:)) ?? start.startIndex)])
    }
}

/// What to do with the files that were made.
private struct CertificateInstructions {
    let directory: String
    let files: [String]
    let hasCoordinator: Bool
    let agents: [String]
    let isNew: Bool

    var text: String {
        var lines = ["made in \(directory): \(files.joined(separator: " "))"]
        if isNew {
            lines.append("Keep ca.key to yourself: who has it can make agents. Nothing but this command needs it.")
        }
        if hasCoordinator {
            lines += [
                "", "# Configuration of the coordinator:", "coordinator:", "  tls:",
                "    certPath: \(directory)/coordinator.crt", "    keyPath: \(directory)/coordinator.key",
                "    caPath: \(directory)/ca.crt", "    allowedAgents: [\(agents.joined(separator: ", "))]",
            ]
        } else {
            lines += ["", "# Add to coordinator.tls.allowedAgents: \(agents.joined(separator: ", "))"]
        }
        for agent in agents {
            lines += [
                "",
                "# Configuration of agent \(agent); copy ca.crt, agent-\(agent).crt and agent-\(agent).key to its host:",
                "agent:", "  name: \(agent)", "  tls:", "    caPath: \(directory)/ca.crt",
                "    certPath: \(directory)/agent-\(agent).crt", "    keyPath: \(directory)/agent-\(agent).key",
            ]
        }
        return lines.joined(separator: "\n")
    }
}
