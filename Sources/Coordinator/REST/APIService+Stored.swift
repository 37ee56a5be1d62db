import BackupFormat
import Configuration
import ConfiguredStores
import FoundationEssentials
import HTTPServer
import JSON
import Support

/// What is asked for, and what is deleted.
extension APIService {
    func getRestore(_ call: APICall) async throws -> APIReply {
        let id = call.request.parameter("id")
        guard !id.isEmpty else { throw BackupError(.notFound, "empty restore id") }
        let view = try await restoreView(id)
        return APIReply(requestID: call.id, message: "success", data: { try view.write(to: &$0) })
    }

    private func restoreView(_ id: String) async throws -> RestoreView {
        if let entry = await jobs.entry(id, .restore) { return RestoreView(entry) }
        // One of a server that is no more leaves a record.
        guard RestoreBody.isPathSafe(id),
            let record = try await JobRecord.read(
                from: services.stores.milvus, key: JobRecord.restoreKey(id: id))
        else { throw BackupError(.notFound, "task not found") }
        return RestoreView(
            id: id, state: .failed, message: record.explanation, start: Timestamp(seconds: record.start), progress: 0)
    }

    func getVerification(_ call: APICall) async throws -> APIReply {
        let id = call.request.parameter("id")
        guard let entry = await jobs.entry(id, .verification) else {
            return APIReply(BackupError(.notFound, "task not found"), requestID: call.id, code: .notFound)
        }
        let view = VerificationView(entry)
        return APIReply(requestID: call.id, message: "success", data: { try view.write(to: &$0) })
    }

    func getBackup(_ call: APICall) async throws -> APIReply {
        let id = call.request.parameter("backup_id")
        let name = call.request.parameter("backup_name")
        if !id.isEmpty {
            guard let entry = await jobs.entry(id, .backup) else {
                throw BackupError(.notFound, "\(id): task not found")
            }
            return APIReply(requestID: call.id, message: "success", data: try await brief(entry))
        }
        guard !name.isEmpty else {
            throw BackupError(
                .invalidArgument, "server: empty backup name and backup id, please set a backup name or id")
        }
        try BackupName.validateExisting(name)
        // Without a path it is the last one of this name that was made here, wherever that lies.
        let path = call.request.parameter("path")
        let asked = try services.replacing(backupRoot: path)
        var metadata = asked.metadata
        let entry =
            path.isEmpty
            ? await jobs.backup(named: name)
            : await jobs.backup(JobRegistry.Subject(name: name, root: asked.backupRoot))
        if let entry {
            guard entry.state == .success else {
                return APIReply(requestID: call.id, message: "success", data: try await brief(entry))
            }
            metadata = try services.replacing(backupRoot: entry.subject.root).metadata
        }
        do {
            let brief = try await stored(name, entry, metadata)
            return APIReply(requestID: call.id, message: "success", data: { try brief.write(to: &$0) })
        } catch let error as BackupError where error.code == .notFound {
            guard let brief = try await interrupted(name, metadata) else {
                return APIReply(error, requestID: call.id, code: .notFound)
            }
            return APIReply(requestID: call.id, message: "success", data: { try brief.write(to: &$0) })
        }
    }

    /// What is left of a backup that another process has begun and not finished; nil when there is nothing.
    private func interrupted(_ name: String, _ metadata: MetadataStore) async throws -> BackupBrief? {
        let key = BackupPaths(root: metadata.backupRoot, name: name).claim
        guard let record = try await JobRecord.read(from: metadata.store, key: key) else { return nil }
        var brief = BackupBrief()
        brief.id = record.id
        brief.name = name
        brief.stateCode = JobState.failed.rawValue
        brief.errorMessage = record.explanation
        brief.startTime = record.start
        return brief
    }

    func list(_ call: APICall) async throws -> APIReply {
        let collection = call.request.parameter("collection_name")
        let all = call.request.parameter("all")
        guard ["", "true", "false"].contains(all) else {
            throw BackupError(.invalidArgument, "all must be true or false")
        }
        let metadata = services.metadata
        var listed = try await metadata.summaries { problem in
            services.logger.warn("a backup is not listed: \(problem)")
        }
        if !collection.isEmpty {
            let names = Set(try await metadata.having(collection, among: listed.map(\.name), services.logger))
            listed = listed.filter { names.contains($0.name) }
        }
        let backups = listed
        var reply = APIReply(requestID: call.request.givenRequestID, message: "success") { writer in
            try writer.array(backups) { writer, backup in try backup.writeSummary(to: &writer) }
        }
        if all == "true" {
            // Nobody knows which collections an unfinished one will have.
            let names = collection.isEmpty ? try await metadata.directories().unfinished : []
            reply.unfinished = try await metadata.unfinished(names)
        }
        return reply
    }

    func delete(_ call: APICall) async throws -> APIReply {
        let name = call.request.parameter("backup_name")
        try BackupName.validateExisting(name)
        let subject = JobRegistry.Subject(name: name, root: services.backupRoot)
        let entry = await jobs.backup(subject)
        if let entry, entry.isRunning {
            throw BackupError(.alreadyExists, "backup \(name) is being made", hint: "cancel job \(entry.id) first")
        }
        // A job that has failed may have left nothing but what is remembered of it.
        guard try await services.metadata.delete(name) > 0 || entry?.state == .failed else {
            return APIReply(
                BackupError(.notFound, "backup \(name) not found"), requestID: call.id, code: .notFound)
        }
        await jobs.forget(subject)
        return APIReply(requestID: call.id, message: "success")
    }

    func brief(_ entry: JobRegistry.Entry) async throws -> @Sendable (inout JSONWriter) throws -> Void {
        var brief = BackupBrief(entry)
        if entry.state == .success {
            let metadata = try services.replacing(backupRoot: entry.subject.root).metadata
            brief = try await stored(entry.subject.name, entry, metadata)
        }
        let written = brief
        return { try written.write(to: &$0) }
    }

    /// What storage tells of a backup, with the times of the job that made it where they are known.
    private func stored(
        _ name: String, _ entry: JobRegistry.Entry?, _ metadata: MetadataStore
    ) async throws -> BackupBrief {
        async let size = metadata.metadataSize(name)
        var brief = entry.map(BackupBrief.init) ?? BackupBrief()
        let backup = try await metadata.read(name, options: .withoutBinlogs)
        brief.backup = backup
        brief.metadataSize = try await size
        brief.stateCode = JobState.success.rawValue
        brief.progress = 100
        if brief.id.isEmpty { brief.id = backup.id }
        return brief
    }
}

extension BackupBrief {
    init(_ entry: JobRegistry.Entry) {
        self.init()
        id = entry.id
        stateCode = entry.state.rawValue
        errorMessage = entry.message
        startTime = entry.start.seconds
        endTime = entry.end?.seconds ?? 0
        progress = entry.progress
        name = entry.subject.name
    }
}

extension VerificationView {
    init(_ entry: JobRegistry.Entry) {
        self.init(
            id: entry.id, state: entry.state, message: entry.message, start: entry.start, end: entry.end,
            progress: entry.progress, report: entry.monitor.verification)
    }
}

extension RestoreView {
    init(_ entry: JobRegistry.Entry) {
        self.init(
            id: entry.id, state: entry.state, message: entry.message, start: entry.start, end: entry.end,
            progress: entry.progress, parts: entry.monitor.parts)
    }
}
