import BackupFormat
import Configuration
import ConfiguredWorker
import FoundationEssentials
import HTTPServer
import JSON
import ShardProtocol
import Support

/// Jobs that are begun and stopped.
extension APIService {
    func create(_ call: APICall) async throws -> APIReply {
        let body = try call.body(CreateBody.init)
        let requestID = call.id
        // Some clients call all their requests the same: every job has an id of its own.
        let isFree = await !jobs.has(requestID) && RestoreBody.isPathSafe(requestID)
        let id = isFree ? requestID : UUID().uuidString.lowercased()
        let context = try context(id: id, for: body)
        let job = BackupJob(request: body.request, context: context)
        let subject = JobRegistry.Subject(name: body.request.name, root: context.services.backupRoot)
        try await refuseExisting(subject, context)
        try await jobs.start(.backup, id: id, of: subject, monitor: context.monitor) { _ = try await job.run() }
        if body.isAsynchronous {
            return APIReply(requestID: requestID, message: "create backup is executing asynchronously")
        }
        guard let entry = await jobs.wait(for: id) else { throw BackupError(.internalError, "job \(id) was forgotten") }
        guard entry.state == .success else {
            throw BackupError(.remoteFailure, entry.message)
        }
        return APIReply(requestID: requestID, message: "success", data: try await brief(entry))
    }

    /// A job that fails because its name is taken must not become what is known of the backup that has it.
    private func refuseExisting(_ subject: JobRegistry.Subject, _ context: JobContext) async throws {
        guard await jobs.backup(subject)?.isRunning != true else { return }
        // Whatever else is wrong is the job's to tell.
        guard let isTaken = try? await context.services.metadata.exists(subject.name), isTaken else { return }
        throw BackupError(
            .alreadyExists, "backup: backup with name \(subject.name) already exist",
            hint: "choose another name, or delete that backup first")
    }

    func restore(_ call: APICall) async throws -> APIReply {
        let body = try call.body(RestoreBody.init)
        let id = body.id.isEmpty ? BackupName.generatedRestoreID(at: .now()) : body.id
        let context = try context(id: id, for: body)
        guard try await context.services.metadata.exists(body.request.backupName) else {
            throw BackupError(.invalidArgument, "backup \(body.request.backupName) not found")
        }
        let job = RestoreJob(request: body.request, context: context)
        let subject = JobRegistry.Subject(
            name: body.request.backupName, root: context.services.backupRoot)
        let accepted = try await jobs.start(
            .restore, id: id, of: subject, monitor: context.monitor, goesOn: body.request.resumes
        ) { _ = try await job.run() }
        let ended = body.isAsynchronous ? accepted : await jobs.wait(for: id)
        guard let entry = ended else { throw BackupError(.internalError, "job \(id) was forgotten") }
        if !body.isAsynchronous, entry.state != .success { throw BackupError(.remoteFailure, entry.message) }
        let view = RestoreView(entry)
        return APIReply(
            requestID: call.id,
            message: body.isAsynchronous ? "restore backup is executing asynchronously" : "success",
            data: { try view.write(to: &$0) })
    }

    func verify(_ call: APICall) async throws -> APIReply {
        let body = try call.body(VerifyBody.init)
        let id = UUID().uuidString.lowercased()
        let context = try context(id: id, bucket: body.bucket, root: body.root)
        guard try await context.services.metadata.exists(body.request.backupName) else {
            return APIReply(
                BackupError(.notFound, "backup \(body.request.backupName) not found"), requestID: call.id,
                code: .notFound)
        }
        let job = VerificationJob(request: body.request, context: context)
        let subject = JobRegistry.Subject(
            name: body.request.backupName, root: context.services.backupRoot)
        let monitor = context.monitor
        let accepted = try await jobs.start(.verification, id: id, of: subject, monitor: monitor) {
            monitor.verified(try await job.run().result)
        }
        let ended = body.isAsynchronous ? accepted : await jobs.wait(for: id)
        guard let entry = ended else { throw BackupError(.internalError, "job \(id) was forgotten") }
        if !body.isAsynchronous, entry.state != .success { throw BackupError(.remoteFailure, entry.message) }
        let view = VerificationView(entry)
        return APIReply(
            requestID: call.id, message: body.isAsynchronous ? "verify is executing asynchronously" : "success",
            data: { try view.write(to: &$0) })
    }

    func restoreSecondary(_ call: APICall) async throws -> APIReply {
        _ = try call.body(RestoreSecondaryBody.init)
        throw BackupError(
            .unsupported, "restore_secondary is not supported: secondary clusters are out of this program's scope",
            hint: "use the original milvus-backup for it; the backups are the same")
    }

    func cancel(_ call: APICall) async throws -> APIReply {
        let body = try call.body(CancelBody.init)
        let id = body.id.isEmpty ? await jobs.backup(named: body.backupName)?.id : body.id
        guard let id, await jobs.cancel(id) else {
            throw BackupError(
                .notFound,
                body.id.isEmpty ? "backup \(body.backupName) is not being made" : "no running job with id \(body.id)")
        }
        return APIReply(requestID: call.id, message: "success")
    }

    private func context(id: String, for body: CreateBody) throws -> JobContext {
        var services = try services.replacing(backupRoot: body.backupRoot)
        if body.pausesGarbageCollection || body.managementEndpoint != nil {
            services = try services.changed { configuration in
                configuration.backup.pauseGC = configuration.backup.pauseGC || body.pausesGarbageCollection
                if let endpoint = body.managementEndpoint { configuration.milvus.managementEndpoint = endpoint }
            }
        }
        return context(id: id, services)
    }

    private func context(id: String, for body: RestoreBody) throws -> JobContext {
        try context(id: id, bucket: body.bucket, root: body.root)
    }

    private func context(id: String, bucket: String?, root: String?) throws -> JobContext {
        let services = try services.replacing(backupRoot: root, bucket: bucket)
        return context(id: id, services)
    }

    /// What goes elsewhere than configured is copied by the agents that allow it, or by this process.
    private func context(id: String, _ services: Services) -> JobContext {
        let place = services.equipment.descriptions.backupPlace
        let workforce: Workforce =
            switch place {
            case let place? where place != self.services.equipment.descriptions.backupPlace:
                pool.address == nil ? .own(Workforce.Plan()) : .sharedElsewhere(pool, place)
            default: .shared(pool)
            }
        return JobContext(id: id, services: services, timer: PhaseTimer(), workforce: workforce)
    }
}
