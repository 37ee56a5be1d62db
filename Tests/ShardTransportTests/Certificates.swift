import FoundationEssentials
import Support
import TLS

/// Certificates of a cluster in files, made once for all tests: those that fit, and others.
final class Certificates: Sendable {
    static let shared = Certificates()

    private let stored: [String: String]

    private init() {
        let directory = "\(FileManager.default.temporaryDirectory.path)/tls-tests-\(UUID().uuidString)"
        var stored: [String: String] = [:]
        func store(_ name: String, _ pem: CertificateAndKey) throws {
            for (suffix, bytes) in [("crt", pem.certificate), ("key", pem.key)] {
                let path = "\(directory)/\(name).\(suffix)"
                try Data(bytes).write(to: URL(filePath: path))
                stored["\(name).\(suffix)"] = path
            }
        }
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            for authority in ["ours", "theirs"] {
                let made = try CertificateAuthority(name: authority, validity: .init(days: 1))
                let past = CertificateAuthority.Validity(begins: -7200, ends: -3600)
                try store(authority, try made.pem())
                try store(
                    "\(authority)-coordinator", try made.coordinator(hosts: ["127.0.0.1"], validity: .init(days: 1)))
                try store(
                    "\(authority)-other", try made.coordinator(hosts: ["elsewhere.test"], validity: .init(days: 1)))
                try store("\(authority)-old", try made.coordinator(hosts: ["127.0.0.1"], validity: past))
                try store("\(authority)-a1", try made.agent(name: "a1", validity: .init(days: 1)))
                try store("\(authority)-a2", try made.agent(name: "a2", validity: .init(days: 1)))
                try store("\(authority)-olda1", try made.agent(name: "a1", validity: past))
            }
        } catch {
            fatalError("no certificates for the tests: \(error)")
        }
        self.stored = stored
    }

    func path(_ name: String) -> String { stored[name] ?? "missing" }

    /// - Parameter clients: the authority of agents' certificates; nil when none are asked for.
    func coordinator(_ name: String = "ours-coordinator", clients: String? = nil) throws -> TLSContext {
        try .coordinator(files("coordinator.tls", name, authority: clients))
    }

    func agent(_ name: String? = nil, trusting authority: String = "ours", serverName: String = "127.0.0.1") throws
        -> TLSContext
    {
        try .agent(files("agent.tls", name, authority: authority), serverName: serverName)
    }

    private func files(_ section: String, _ name: String?, authority: String?) -> TLSFiles {
        TLSFiles(
            section: section, certificate: name.map { path("\($0).crt") } ?? "",
            key: name.map { path("\($0).key") } ?? "", authorities: authority.map { path("\($0).crt") } ?? "")
    }
}
