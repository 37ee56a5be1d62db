import BackupFormat
import Configuration
import FoundationEssentials
import HTTPServer
import JSON
import Support

/// Jobs that are begun and stopped.
extension APIService {
    func create(_ call: APICall) async throws -> APIReply {
        let body = try call.body(CreateBody.init)
        let id = call.id
        let context = try context(id: id, for: body)
        let job = BackupJob(request: body.request, context: context)
        let name = body.request.name
        try await jobs.start(.backup, id: id, name: name, monitor: context.monitor) { _ = try await job.run() }
        if body.isAsynchronous {
            return APIReply(requestID: id, message: "create backup is executing asynchronously")
        }
        guard let entry = await jobs.wait(for: id) else { throw BackupError(.internalError, "job \(id) was forgotten") }
        guard entry.state == .success else {
            throw BackupError(.remoteFailure, entry.message)
        }
        return APIReply(requestID: id, message: "success", data: try await brief(entry, context.services.metadata))
    }

    func restore(_ call: APICall) async throws -> APIReply {
        let body = try call.body(RestoreBody.init)
        let id = body.id.isEmpty ? BackupName.generatedRestoreID(at: .now()) : body.id
        let requestID = body.requestID.isEmpty ? UUID().uuidString.lowercased() : body.requestID
        let context = try context(id: id, for: body)
        guard try await context.services.metadata.exists(body.request.backupName) else {
            throw BackupError(.invalidArgument, "backup \(body.request.backupName) not found")
        }
        let job = RestoreJob(request: body.request, context: context)
        try await jobs.start(.restore, id: id, name: body.request.backupName, monitor: context.monitor) {
            _ = try await job.run()
        }
        let ended = body.isAsynchronous ? await jobs.entry(id, .restore) : await jobs.wait(for: id)
        guard let entry = ended else { throw BackupError(.internalError, "job \(id) was forgotten") }
        if !body.isAsynchronous, entry.state != .success { throw BackupError(.remoteFailure, entry.message) }
        let view = RestoreView(entry)
        return APIReply(
            requestID: requestID,
            message: body.isAsynchronous ? "restore backup is executing asynchronously" : "success",
            data: { try view.write(to: &$0) })
    }

    func cancel(_ call: APICall) async throws -> APIReply {
        let (givenID, name) = try call.body { (try $0.string("id") ?? "", try $0.string("backup_name") ?? "") }
        let id = givenID.isEmpty ? await jobs.backup(named: name)?.id ?? "" : givenID
        guard !id.isEmpty else { throw BackupError(.invalidArgument, "id or backup_name of a running job is required") }
        guard await jobs.cancel(id) else { throw BackupError(.notFound, "no running job with id \(id)") }
        var reply = APIReply(requestID: call.id, message: "success")
        reply.hasData = false
        return reply
    }

    private func context(id: String, for body: CreateBody) throws -> JobContext {
        var services = try services.replacing(backupRoot: body.backupRoot)
        if body.pausesGarbageCollection || body.managementEndpoint != nil {
            services = try services.changed { configuration in
                configuration.backup.pauseGC = configuration.backup.pauseGC || body.pausesGarbageCollection
                if let endpoint = body.managementEndpoint { configuration.milvus.managementEndpoint = endpoint }
            }
        }
        return context(id: id, services, isElsewhere: body.backupRoot != nil)
    }

    private func context(id: String, for body: RestoreBody) throws -> JobContext {
        let services = try services.replacing(backupRoot: body.root, bucket: body.bucket)
        return context(id: id, services, isElsewhere: body.root != nil || body.bucket != nil)
    }

    /// Agents know the configured stores only: what goes elsewhere is copied by this process.
    private func context(id: String, _ services: Services, isElsewhere: Bool) -> JobContext {
        if isElsewhere, pool.address != nil {
            services.logger.info("a bucket or root of the request's own: this server copies by itself", ["id": id])
        }
        return JobContext(
            id: id, services: services, timer: PhaseTimer(),
            workforce: isElsewhere ? .own(Workforce.Plan()) : .shared(pool))
    }
}
