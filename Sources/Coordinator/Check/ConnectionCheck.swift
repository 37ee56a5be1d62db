import BackupFormat
import Configuration
import MilvusClient
import ObjectStorage
import ShardProtocol
import Support

/// Tries everything that backups, restores, the server and agents need. Nothing that matters is changed.
struct ConnectionCheck: Sendable {
    let services: Services
    let ports: PortCheck

    func run() async -> CheckReport {
        var report = CheckReport()
        async let management = managementPort()
        async let ports = ports.run()
        async let clocks = [clock(.milvus), clock(.backup)]
        do {
            let server = try await services.milvus.connect()
            report.version = server.version
            let address = services.configuration.milvus.grpc.endpoint
            report.findings.append(.ok("Milvus", "\(address) answers, version \(server.version)"))
            report.findings += await MilvusRightsCheck(milvus: services.milvus, server: server).run()
        } catch {
            report.findings.append(.error("Milvus", BackupError(wrapping: error)))
        }
        report.findings.append(await management)
        let milvusStore = StoreCheck(services: services, storage: .milvus)
        let (findings, isRootEmpty) = await milvusStore.run()
        if isRootEmpty { report.rootProblem = emptyRoot }
        report.findings += findings
        report.findings += await StoreCheck(services: services, storage: .backup).run().findings
        report.findings += await clocks
        report.findings += await ports
        return report
    }

    private var emptyRoot: String {
        let storage = services.configuration.milvus.storage
        guard storage.provider != .local else {
            return """
                !!! Milvus root path is empty !!! \n\
                There is nothing in \(storage.place).
                Compare milvus.storage.rootPath with the directory that is localStorage.path in Milvus' own configuration, as
                this host sees it. If Milvus holds no data yet, all is well.
                """
        }
        return """
            !!! Milvus root path is empty !!! \n\
            There is no object below "\(MilvusPaths(root: storage.rootPath).rootPrefix)" in bucket "\(storage.bucketName)".
            Compare milvus.storage.bucketName and milvus.storage.rootPath with minio.bucketName and minio.rootPath of
            Milvus' own configuration. If Milvus holds no data yet, all is well.
            """
    }

    private func managementPort() async -> CheckFinding {
        let name = "management port"
        guard services.configuration.backup.pauseGC else {
            return .ok(name, "not asked: backup.pauseGC is false")
        }
        let endpoint = services.configuration.milvus.managementEndpoint
        do {
            let offersPause = try await MilvusManagement(endpoint: endpoint, http: services.http).offersPause()
            guard offersPause else {
                return .warning(
                    name,
                    "\(endpoint) answers, and this Milvus does not offer to pause garbage collection: keep "
                        + "dataCoord.gc.dropTolerance of Milvus longer than a backup takes")
            }
            return .ok(name, "\(endpoint) answers and pauses garbage collection")
        } catch {
            return .warning(name, "garbage collection will not be paused: \(BackupError(wrapping: error))")
        }
    }

    private func clock(_ storage: StorageID) async -> CheckFinding {
        let (section, settings) = services.section(storage)
        guard settings.provider != .local else { return .ok("clock of \(section)", "a directory of this host") }
        return await ClockCheck(http: services.http).run("clock of \(section)", settings)
    }
}

extension StorageSettings {
    /// Which bucket or directory it is, for people.
    var place: String {
        provider == .local ? "directory \"\(rootPath)\" of this host" : "bucket \"\(bucketName)\" at \(endpoint)"
    }
}

extension Services {
    /// A storage as the configuration calls and has it.
    func section(_ storage: StorageID) -> (name: String, settings: StorageSettings) {
        switch storage {
        case .milvus: ("milvus.storage", configuration.milvus.storage)
        case .backup: ("backup.storage", configuration.backup.storage)
        }
    }
}
