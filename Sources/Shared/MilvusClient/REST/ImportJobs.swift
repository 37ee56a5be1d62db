import Support

/// A REST import of several directories at once.
package struct ImportJobRequest: Sendable, Hashable {
    package var database: String
    package var collection: String
    /// Empty for data that belongs to all partitions.
    package var partition: String
    /// Per entry the directory of inserts and, where there are any, that of deletes.
    package var files: [[String]]
    package var options: [String: String]

    package init(
        database: String, collection: String, partition: String, files: [[String]], options: [String: String]
    ) {
        self.database = database
        self.collection = collection
        self.partition = partition
        self.files = files
        self.options = options
    }
}

/// How an import job stands.
package struct ImportJob: Sendable, Hashable {
    package struct State: RawRepresentable, Sendable, Hashable {
        package var rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let pending = State(rawValue: "Pending")
        package static let importing = State(rawValue: "Importing")
        package static let uncommitted = State(rawValue: "Uncommitted")
        package static let committing = State(rawValue: "Committing")
        package static let completed = State(rawValue: "Completed")
        package static let failed = State(rawValue: "Failed")
    }

    package var id: String
    package var state: State
    /// Percent.
    package var progress: Int
    /// Why it failed.
    package var reason: String
    package var totalRows: Int64
}

extension MilvusREST {
    /// Starts an import and returns its job's id; needs ``ServerFeatures/importJobs``. Not repeated when the answer is lost.
    package func createImportJob(_ request: ImportJobRequest) async throws -> String {
        let operation = MilvusClient.operation("import", request.database, request.collection)
        let body = CreateImportJobBody(
            dbName: request.database.nilIfEmpty, collectionName: request.collection,
            partitionName: request.partition.nilIfEmpty, files: request.files, options: request.options)
        let content: CreatedImportJob? = try await post(
            "/v2/vectordb/jobs/import/create", body, operation, timeout: .seconds(600),
            headers: [("request-timeout", "600")])
        guard let id = content?.jobId, !id.isEmpty else {
            throw BackupError(.protocolViolation, "\(operation): Milvus has accepted it and names no job")
        }
        return id
    }

    /// - Throws: what the answer's code says, for instance that there is no such job.
    package func describeImportJob(_ id: String, database: String) async throws -> ImportJob {
        let body = DescribeImportJobBody(dbName: database.nilIfEmpty, jobId: id)
        let operation = "asking for import job \(id)"
        let content: DescribedImportJob? = try await post(
            "/v2/vectordb/jobs/import/describe", body, operation, timeout: .seconds(60),
            headers: [("request-timeout", "600")])
        guard let content, let state = content.state, !state.isEmpty else {
            throw BackupError(.protocolViolation, "\(operation): Milvus tells no state")
        }
        return ImportJob(
            id: content.jobId ?? id, state: ImportJob.State(rawValue: state),
            progress: Int(content.progress?.value ?? 0),
            reason: content.reason ?? "", totalRows: content.totalRows?.value ?? 0)
    }
}

// Field names are those on the wire; absent members are left out.

private struct CreateImportJobBody: Encodable {
    var dbName: String?
    var collectionName: String
    var partitionName: String?
    var files: [[String]]
    var options: [String: String]
}

private struct CreatedImportJob: Decodable {
    var jobId: String
}

private struct DescribeImportJobBody: Encodable {
    var dbName: String?
    var jobId: String
}

private struct DescribedImportJob: Decodable {
    var jobId: String?
    var state: String?
    var progress: FlexibleInteger?
    var reason: String?
    var totalRows: FlexibleInteger?
}

extension String {
    fileprivate var nilIfEmpty: String? { isEmpty ? nil : self }
}
