import Configuration
import MilvusClient
import Support

/// Keeps Milvus from deleting what is being copied, as far as it lets itself be kept. A pause that cannot be had is a warning:
/// Milvus keeps dropped files for hours.
struct GarbageCollectionPause: Sendable {
    /// Nil when the configuration asks for none.
    private let control: GarbageCollectionControl?
    private let timer: PhaseTimer
    private let logger: Logger

    init(context: JobContext, server: ServerInfo) {
        timer = context.timer
        logger = context.logger
        guard context.configuration.backup.pauseGC else {
            control = nil
            return
        }
        control = GarbageCollectionControl(
            mode: server.features.contains(.collectionGarbageCollectionControl) ? .perCollection : .cluster,
            management: MilvusManagement(
                endpoint: context.configuration.milvus.managementEndpoint, http: context.services.http),
            logger: context.logger)
    }

    /// Runs `body` while garbage collection is paused, and resumes it however `body` ends.
    func during<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        guard let control else { return try await body() }
        report(await timer.measureMilvus(.pauseGarbageCollection) { await control.start() })
        do {
            let result = try await body()
            await finish(control)
            return result
        } catch {
            await finish(control)
            throw error
        }
    }

    func begin(collection id: Int64) async {
        guard let control else { return }
        report(await timer.measureMilvus(.pauseGarbageCollection) { await control.pause(collection: id) })
    }

    func end(collection id: Int64) async {
        guard let control else { return }
        report(await timer.measureMilvus(.resumeGarbageCollection) { await control.resume(collection: id) })
    }

    private func finish(_ control: GarbageCollectionControl) async {
        report(await timer.measureMilvus(.resumeGarbageCollection) { await control.finish() })
    }

    private func report(_ answer: GarbageCollectionAnswer) {
        if let warning = answer.warning { logger.warn("garbage collection: \(warning)") }
    }
}
