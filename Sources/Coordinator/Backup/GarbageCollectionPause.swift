import Configuration
import MilvusClient
import Support

/// Keeps Milvus from deleting what is being copied, as far as it lets itself be kept. A pause that cannot be had is a warning,
/// for Milvus keeps dropped files for hours, or the end of the backup where it is required.
struct GarbageCollectionPause: Sendable {
    /// Nil when the configuration asks for none.
    private let control: GarbageCollectionControl?
    private let timer: PhaseTimer
    private let logger: Logger
    private let isRequired: Bool

    init(context: JobContext, server: ServerInfo) {
        timer = context.timer
        logger = context.logger
        isRequired = context.configuration.backup.requireGCPause
        guard context.configuration.backup.pauseGC || isRequired else {
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
        try demand(await timer.measureMilvus(.pauseGarbageCollection) { await control.start() })
        do {
            let result = try await body()
            await finish(control)
            return result
        } catch {
            await finish(control)
            throw error
        }
    }

    func begin(collection id: Int64) async throws {
        guard let control else { return }
        try demand(await timer.measureMilvus(.pauseGarbageCollection) { await control.pause(collection: id) })
    }

    func end(collection id: Int64) async throws {
        guard let control else { return }
        try check()
        report(await timer.measureMilvus(.resumeGarbageCollection) { await control.resume(collection: id) })
    }

    /// - Throws: when a pause that is required has run out, since Milvus did not let it be renewed.
    func check() throws(BackupError) {
        guard isRequired, let control, control.isLost else { return }
        throw BackupError(
            .remoteFailure, "the pause of Milvus' garbage collection was lost, and backup.requireGCPause asks for it",
            hint: "look whether Milvus' management port can be reached")
    }

    private func demand(_ answer: GarbageCollectionAnswer) throws(BackupError) {
        guard isRequired, let warning = answer.warning else { return report(answer) }
        throw BackupError(
            .remoteFailure,
            "garbage collection of Milvus cannot be paused, and backup.requireGCPause asks for it: \(warning)",
            hint: "see to milvus.management.endpoint, or do without backup.requireGCPause")
    }

    private func finish(_ control: GarbageCollectionControl) async {
        report(await timer.measureMilvus(.resumeGarbageCollection) { await control.finish() })
    }

    private func report(_ answer: GarbageCollectionAnswer) {
        if let warning = answer.warning { logger.warn("garbage collection: \(warning)") }
    }
}
