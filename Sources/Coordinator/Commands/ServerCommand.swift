import CommandLineInterface
import Configuration
import ConfiguredStores
import HTTPServer
import JSON
import Support

/// `milvus-backup server`.
struct ServerCommand: CommandImplementation {
    func run(_ invocation: Invocation, _ environment: CommandEnvironment) async throws -> CommandResult {
        let logger = environment.logger
        let settings = environment.configuration.server
        let address = settings.address(port: try port(invocation))
        warn(settings, address, logger)
        let services = try environment.makeServices()
        let pool = try await WorkerPool.open(listen: environment.configuration.coordinator.listen, services: services)
        let service = APIService(
            services: services, pool: pool, address: address, guardian: APIGuardian(settings, address: address),
            documentation: APIDocumentation(basePath: settings.swaggerBasePath, logger: logger))
        // What restores have left that were killed with an earlier server.
        let sweeping = Task {
            guard !environment.configuration.restore.keepTempFiles else { return }
            // A server may be up before its store is.
            try? await withRetries(RetryPolicy(attempts: 100, maximumDelay: .seconds(30))) {
                try await services.checkMilvusBucket()
            }
            await AbandonedFiles(store: services.stores.milvus, logger: logger).sweep()
        }
        defer { sweeping.cancel() }
        do {
            let server = try await HTTPServer(configuration(settings, address), logger: logger.labeled("http")) {
                await service.respond(to: $0)
            }
            let scheme = settings.tlsKeyPath.isEmpty ? "http" : "https"
            logger.info("serving", ["url": "\(scheme)://\(server.localAddress)/api/v1"])
            await untilCancelled()
            logger.info("ending: running jobs are stopped")
            await service.jobs.cancelAll()
            await server.shutDown()
            await pool.close()
        } catch {
            await pool.close()
            throw error
        }
        return CommandResult("") { try $0.object { try $0.member("ended", true) } }
    }

    /// `-p` goes before SERVER_PORT; nil when neither is there.
    private func port(_ invocation: Invocation) throws(BackupError) -> Int? {
        if let port = try invocation.integer("port", in: 0...65535) { return port }
        return try Self.portOfEnvironment()
    }

    static func portOfEnvironment() throws(BackupError) -> Int? {
        guard let text = processEnvironment()["SERVER_PORT"], !text.isEmpty else { return nil }
        guard let port = Int(text), (0...65535).contains(port) else {
            throw BackupError(.usage, "SERVER_PORT is not a port: \"\(text.escapingControlCharacters)\"")
        }
        return port
    }

    private func configuration(_ settings: ServerSettings, _ address: HostPort) -> HTTPServer.Configuration {
        var configuration = HTTPServer.Configuration(host: address.host, port: UInt16(clamping: address.port))
        if !settings.tlsKeyPath.isEmpty {
            configuration.tls = (certificatePath: settings.tlsCertificatePath, keyPath: settings.tlsKeyPath)
        }
        return configuration
    }

    private func warn(_ settings: ServerSettings, _ address: HostPort, _ logger: Logger) {
        guard !address.isLoopback else { return }
        if settings.token.isEmpty {
            logger.warn(
                "\(address) can be reached by others, who can make, restore and delete backups without a token: set "
                    + "server.token or MILVUS_BACKUP_API_TOKEN, or listen on 127.0.0.1")
        } else if settings.tlsKeyPath.isEmpty {
            logger.warn("the token crosses the network readable for everybody: set server.tls.certPath and keyPath")
        }
    }

    private func untilCancelled() async {
        while !Task.isCancelled { try? await Task.sleep(for: .seconds(3600)) }
    }
}
