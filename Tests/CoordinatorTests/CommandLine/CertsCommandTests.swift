import CommandLineInterface
import Configuration
import FoundationEssentials
import Support
import TLS
import Testing

@testable import Coordinator

/// `milvus-backup certs`, in real directories.
@Suite struct CertsCommandTests {
    private let directory = "\(FileManager.default.temporaryDirectory.path)/certs-\(UUID().uuidString)"

    @discardableResult
    private func run(_ arguments: String...) async throws -> String {
        guard
            case .run(let invocation) = try CommandTree.root.parse(
                ["certs", "--out", directory] + arguments, width: 80)
        else { return "" }
        let environment = CommandEnvironment(configuration: Configuration(), logger: .silent, liveLine: nil)
        return try await CertsCommand().run(invocation, environment).text
    }

    private func removeDirectory() { try? FileManager.default.removeItem(atPath: directory) }

    private func files() throws -> [String: Int] {
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        return try Dictionary(
            uniqueKeysWithValues: names.map { name in
                let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory)/\(name)")
                return (name, attributes[.posixPermissions] as? Int ?? 0)
            })
    }

    @Test func whatIsPrintedIsAConfigurationThatWorks() async throws {
        defer { removeDirectory() }
        let text = try await run("--hosts", "localhost, 10.0.0.1,::1", "--agents", "n1,n2,n1")
        #expect(
            try files() == [
                "ca.crt": 0o644, "ca.key": 0o600, "coordinator.crt": 0o644, "coordinator.key": 0o600,
                "agent-n1.crt": 0o644, "agent-n1.key": 0o600, "agent-n2.crt": 0o644, "agent-n2.key": 0o600,
            ])
        // The paragraphs are the coordinator's and the two agents' configurations.
        let paragraphs = text.split(separator: "\n\n").dropFirst().map(String.init)
        #expect(paragraphs.count == 3)
        let coordinator = try configuration(paragraphs[0]).coordinator
        #expect(coordinator.allowedAgents == ["n1", "n2"])
        let shown = try TLSContext.coordinator(
            TLSFiles(
                section: "coordinator.tls", certificate: coordinator.tls.certificatePath, key: coordinator.tls.keyPath,
                authorities: coordinator.tls.authorityPath))
        #expect((823...825).contains(shown.daysLeft ?? 0))
        let agent = try configuration(paragraphs[2]).agent
        #expect(agent.name == "n2")
        _ = try TLSContext.agent(
            TLSFiles(
                section: "agent.tls", certificate: agent.tls.certificatePath, key: agent.tls.keyPath,
                authorities: agent.tls.authorityPath), serverName: "localhost")
    }

    private func configuration(_ text: String) throws -> Configuration {
        let file = "\(directory)/backup.yaml"
        try Data("configVersion: v2\n\(text)\n".utf8).write(to: URL(filePath: file))
        return try Configuration.load(path: file, overrides: [], environment: [:]).0
    }

    @Test func oneMoreAgentJoinsAndNothingIsReplaced() async throws {
        defer { removeDirectory() }
        try await run("--hosts", "localhost", "--agents", "n1")
        let authority = try Data(contentsOf: URL(filePath: "\(directory)/ca.crt"))
        // Of two, one is there: none is made.
        await #expect { try await run("--agents", "n2,n1") } throws: {
            ($0 as? BackupError)?.code == .alreadyExists
                && "\($0)".contains("agent-n1.key: File exists; nothing is replaced")
        }
        #expect(try files()["agent-n2.key"] == nil)
        #expect(try await run("--agents", "n2").contains("Add to coordinator.tls.allowedAgents: n2"))
        #expect(try files().count == 8)
        #expect(try Data(contentsOf: URL(filePath: "\(directory)/ca.crt")) == authority)
    }

    @Test(arguments: [
        ([], "name the host names"), (["--agents", "n1"], "name the host names"),
        (["--hosts", "a,DNS:b"], "--hosts: \"DNS:b\" cannot be in a certificate"),
        (["--hosts", "a", "--agents", "../n1"], "--agents: \"../n1\" cannot be"),
        (["--hosts", "a", "--days", "0"], "--days"),
    ])
    func wrongCallsMakeNoFiles(arguments: [String], message: String) async throws {
        defer { removeDirectory() }
        let line = ["certs", "--out", directory] + arguments
        guard case .run(let invocation) = try CommandTree.root.parse(line, width: 80) else { return }
        let environment = CommandEnvironment(configuration: Configuration(), logger: .silent, liveLine: nil)
        await #expect { _ = try await CertsCommand().run(invocation, environment) } throws: {
            ($0 as? BackupError)?.code == .usage && "\($0)".contains(message)
        }
        #expect((try? files())?.isEmpty ?? true)
    }

    @Test func halfAnAuthoritySignsNothing() async throws {
        defer { removeDirectory() }
        try await run("--hosts", "localhost")
        try FileManager.default.removeItem(atPath: "\(directory)/ca.key")
        await #expect { try await run("--agents", "n1") } throws: { "\($0)".contains("only one of ca.crt and ca.key") }
    }
}
