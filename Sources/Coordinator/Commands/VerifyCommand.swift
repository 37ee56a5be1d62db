import BackupFormat
import CommandLineInterface
import FoundationEssentials
import JSON
import Support

/// `milvus-backup verify`.
struct VerifyCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let request = try VerificationRequest(invocation)
        let context = JobContext(
            id: UUID().uuidString.lowercased(), services: try environment.makeServices(), timer: PhaseTimer(),
            workforce: .own(try Workforce.Plan(invocation, environment.configuration)), liveLine: environment.liveLine)
        let outcome = try await VerificationJob(request: request, context: context).run()
        return VerifyCommand.result(of: outcome.result) { lines in
            JobSummary(
                headline: lines.joined(separator: "\n"), closing: [outcome.result.verdict],
                members: { try $0.member("verification") { try outcome.result.write(to: &$0) } },
                shares: outcome.shares, times: context.timer.report()
            ).result
        }
    }

    /// - Parameter print: makes a result of the report's lines.
    static func result(of report: VerificationReport, _ print: ([String]) -> CommandResult) -> CommandResult {
        var result = print(report.lines)
        result.exitCode = report.isDamaged ? .damaged : .success
        return result
    }
}

extension VerificationRequest {
    init(_ invocation: Invocation) throws {
        self.init(backupName: invocation.text("name") ?? "")
        try BackupName.validateExisting(backupName)
        depth = invocation.flag("deep") ? .deep : .quick
        writesManifest = invocation.flag("write-manifest")
    }
}
