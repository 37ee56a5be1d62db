import Support

extension MilvusClient {
    /// Starts an import (bulk insert) and returns the id of its task.
    ///
    /// Never repeated by itself when the answer is lost: an import that is started twice doubles the rows. Look into
    /// ``listImportTasks(of:database:limit:)`` then.
    package func startImport(_ request: Milvus.ImportRequest, database: String) async throws -> Int64 {
        let operation = Self.operation("Import", database, request.collection)
        let response = try await call(request, operation, database: database, deadline: .seconds(300), retry: .once)
        guard let task = response.tasks.first else {
            throw BackupError(.protocolViolation, "\(operation): Milvus has accepted it and names no task")
        }
        return task
    }

    /// - Throws: ``BackupError/Code/notFound`` when there is no such task.
    package func importState(of task: Int64) async throws -> Milvus.ImportTask {
        var request = Milvus.GetImportStateRequest()
        request.task = task
        return try await persistently(.standard) {
            try await self.call(request, "GetImportState of task \(task)", retry: .once)
        }
    }

    /// The imports into a collection that the server remembers, newest ones included.
    ///
    /// - Parameter limit: 0 for all of them.
    package func listImportTasks(
        of collection: String, database: String, limit: Int64 = 0
    ) async throws -> [Milvus.ImportTask] {
        var request = Milvus.ListImportTasksRequest()
        request.collection = collection
        request.limit = limit
        let operation = Self.operation("ListImportTasks", database, collection)
        return try await call(request, operation, database: database).tasks
    }
}
