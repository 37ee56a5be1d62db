import JSON
import Support

/// What one of the checks has found.
struct CheckFinding: Sendable {
    enum Verdict: String, Sendable {
        case ok
        /// Most things work.
        case warning
        case error
    }

    let name: String
    let verdict: Verdict
    /// One line.
    let text: String
    /// What to end with, when the verdict is an error.
    private(set) var failure: BackupError?

    static func ok(_ name: String, _ text: String) -> CheckFinding {
        CheckFinding(name: name, verdict: .ok, text: text)
    }

    static func warning(_ name: String, _ text: String) -> CheckFinding {
        CheckFinding(name: name, verdict: .warning, text: text)
    }

    static func error(_ name: String, _ error: BackupError) -> CheckFinding {
        CheckFinding(name: name, verdict: .error, text: error.description, failure: error)
    }
}

/// What all checks have found.
struct CheckReport: Sendable {
    var findings: [CheckFinding] = []
    /// Of Milvus; empty when it could not be asked.
    var version = ""
    /// Why Milvus' data is not where it should be; empty when it is.
    var rootProblem = ""

    /// The first thing that is wrong.
    var failure: BackupError? {
        let failures = findings.compactMap(\.failure)
        guard var first = failures.first else { return nil }
        if failures.count > 1 { first.message += " (and \(failures.count - 1) more of the checks failed)" }
        return first
    }

    /// A line for each check, and when nothing is wrong what the original says.
    var text: String {
        let width = (findings.map(\.name.count).max() ?? 0) + 2
        let lines = findings.map { finding in
            "  \(finding.verdict.rawValue.padding(to: 9))\(finding.name.padding(to: width))\(finding.text)"
        }
        let checks = (["Checks:"] + lines).joined(separator: "\n")
        guard failure == nil else { return checks }
        return "\(checks)\n\nMilvus version: \(version)\n\n\(rootProblem.isEmpty ? "Success!" : rootProblem)"
    }

    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("milvus_version", version)
            try writer.member("milvus_root_is_empty", !rootProblem.isEmpty)
            try writer.member("checks") { writer in
                try writer.array(findings) { writer, finding in
                    try writer.object { writer in
                        try writer.member("name", finding.name)
                        try writer.member("result", finding.verdict.rawValue)
                        try writer.member("text", finding.text)
                    }
                }
            }
            if let failure { try writer.member("error") { try failure.write(to: &$0) } }
        }
    }
}
