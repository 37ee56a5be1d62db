import Configuration
import JSON
import MilvusClient
import ObjectStorage
import ObjectStorageTesting
import ShardTransport
import Support
import Synchronization
import Testing

@testable import Coordinator

/// What `check` finds, with stores in memory.
@Suite(.timeLimit(.minutes(1))) struct CheckTests {
    private func report(
        _ job: JobBench, agents: HostPort? = nil, server: HostPort = HostPort(host: "127.0.0.1", port: 0)
    ) async -> CheckReport {
        var configuration = job.bench.configuration
        configuration.coordinator.listen = agents
        let ports = PortCheck(configuration, server: server, http: job.milvus)
        return await ConnectionCheck(services: job.bench.services, ports: ports).run()
    }

    private func finding(_ name: String, in report: CheckReport) -> CheckFinding? {
        report.findings.first { $0.name == name }
    }

    @Test func whereAllIsWellItSaysSoAndLeavesNothing() async throws {
        let job = JobBench()
        let before = job.source.keys
        let report = await report(job)
        #expect(report.failure == nil && report.version == "v2.3.5")
        #expect(report.text.hasSuffix("\n\nMilvus version: v2.3.5\n\nSuccess!"))
        for name in [
            "Milvus", "Milvus rights", "management port", "milvus.storage: list", "milvus.storage: read",
            "milvus.storage: write", "milvus.storage: delete", "backup.storage: list", "backup.storage: write",
            "backup.storage: read", "backup.storage: delete", "REST port", "agent port",
        ] {
            #expect(finding(name, in: report)?.verdict == .ok, "\(name)")
        }
        #expect(job.source.keys == before && job.backups.keys.isEmpty)
    }

    @Test(arguments: [
        (StoreOperation.put, "write"), (.get, "read"), (.delete, "delete"),
    ])
    func aRightThatIsMissingIsNamed(operation: StoreOperation, name: String) async throws {
        let job = JobBench()
        let denied = BackupError(.permissionDenied, "AccessDenied")
        job.backups.faults.before = { if $0.operation == operation { throw denied } }
        let report = await report(job)
        #expect(finding("backup.storage: \(name)", in: report)?.verdict == .error)
        #expect(report.failure?.code == .permissionDenied)
        #expect(report.failure?.message.contains("backup.storage: \(name)") == true)
        #expect(!report.text.contains("Success!"))
    }

    /// A backup does not write into Milvus' bucket, a restore does.
    @Test func whatOnlyRestoresNeedIsAWarning() async throws {
        let job = JobBench()
        job.source.faults.before = {
            if $0.operation == .put { throw BackupError(.permissionDenied, "AccessDenied") }
        }
        let report = await report(job)
        #expect(finding("milvus.storage: write", in: report)?.verdict == .warning)
        #expect(report.failure == nil && report.text.contains("a restore will fail: AccessDenied"))
    }

    @Test func whatMilvusRefusesIsNamed() async throws {
        let job = JobBench()
        job.milvus.state.withLock {
            $0.trouble = { call, _ in
                call.method == "DescribeCollection" ? .status(code: 1401, "permission deny to root") : nil
            }
        }
        let report = await report(job)
        #expect(report.failure?.message.contains("may not describe collections") == true)
    }

    @Test func everythingThatIsWrongIsFoundAtOnce() async throws {
        let job = JobBench()
        job.milvus.state.withLock { $0.trouble = { _, _ in .grpc(16, "who are you") } }
        job.source.faults.before = { _ in throw BackupError(.permissionDenied, "AccessDenied") }
        let report = await report(job)
        #expect(finding("Milvus", in: report)?.verdict == .error)
        #expect(finding("milvus.storage: list", in: report)?.verdict == .error)
        #expect(finding("backup.storage: write", in: report)?.verdict == .ok)
        #expect(report.failure?.message.contains("(and 1 more of the checks failed)") == true)
        let document = try JSONValue(
            parsing: JSONWriter.bytes(layout: .compact) { try report.write(to: &$0) }, name: "check")
        #expect(try document.object("error")?.string("code") == "permissionDenied")
    }

    @Test func aPortThatIsTakenIsToldWithItsOwner() async throws {
        let job = JobBench()
        let listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0))
        let taken = HostPort(host: "127.0.0.1", port: Int(listener.localAddress.port))
        let report = await report(job, agents: taken, server: taken)
        for name in ["REST port", "agent port"] {
            let finding = finding(name, in: report)
            #expect(finding?.verdict == .warning)
            #expect(finding?.text.contains("\(taken) is taken by ") == true, "\(finding?.text ?? "")")
            #expect(finding?.text.contains("(process ") == true)
        }
        #expect(report.failure == nil, "neither is needed to make a backup")
        listener.close()
    }

    // MARK: Decisions

    @Test(
        arguments: [
            (100, 100, 100, 0, .ok), (101, 100, 103, 0, .ok), (99, 100, 103, -1, .ok), (104, 100, 103, 1, .ok),
            (106, 100, 100, 6, .warning), (94, 100, 103, -6, .warning), (1003, 100, 103, 900, .warning),
            (1004, 100, 103, 901, .error), (100, 1001, 1003, -901, .error),
        ] as [(Int64, Int64, Int64, Int64, CheckFinding.Verdict)])
    func clocks(store: Int64, sent: Int64, received: Int64, skew: Int64, verdict: CheckFinding.Verdict) {
        let clock = ClockSkew(
            store: Timestamp(seconds: store), sent: Timestamp(seconds: sent), received: Timestamp(seconds: received))
        #expect(clock.seconds == skew)
        #expect(clock.finding("clock").verdict == verdict)
    }

    @Test func socketsThatListenAreFoundInTheTableOfTheKernel() {
        let table = """
              sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0
               1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0
               2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0
            """
        #expect(ListeningProcess.inodes(listeningOn: 8080, in: table) == ["4711"])
        #expect(ListeningProcess.inodes(listeningOn: 80, in: table) == [])
    }
}
