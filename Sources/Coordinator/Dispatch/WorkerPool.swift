import Configuration
import ShardScheduling
import ShardTransport
import Support

/// The workers of a process and the dispatcher they work for: agents that dial in, or one worker inside this process.
struct WorkerPool: Sendable {
    let dispatcher: Dispatcher
    /// Where agents dial in; nil for the worker inside.
    let address: HostAndPort?
    private let end: @Sendable () async -> Void

    /// - Parameter listen: where agents dial in; nil for the worker inside.
    static func open(listen: HostPort?, services: Services) async throws -> WorkerPool {
        var settings = Dispatcher.Settings()
        settings.policy.leaseDuration = services.configuration.coordinator.lease
        settings.policy.maximumFailures = services.configuration.coordinator.maximumShardFailures
        settings.limits = services.limits
        settings.policy.takeoverDelay = services.configuration.coordinator.heartbeat * 2
        let dispatcher = Dispatcher(settings: settings, logger: services.logger.labeled("dispatch"))
        guard let listen else {
            let worker = InnerWorker(at: dispatcher, services: services, instance: "local")
            return WorkerPool(dispatcher: dispatcher, address: nil) {
                await dispatcher.shutDown()
                await worker.end()
            }
        }
        let port = try await AgentPort.open(listen, dispatcher: dispatcher, services: services)
        return WorkerPool(dispatcher: dispatcher, address: port.address) { await port.close() }
    }

    /// Sends the workers home, and waits until they have left.
    func close() async { await end() }
}
