import HTTP
import Support

/// What only Milvus' own etcd knows, read over gRPC. Nothing is ever written there.
package struct MilvusEtcd: Sendable {
    private let channels: [(endpoint: String, channel: GRPCChannel)]
    /// `by-dev/meta/`.
    private let root: String
    private let clock: MonotonicClock
    /// Keys that are asked for at a time.
    private let pageSize: Int64

    /// - Parameters:
    ///   - endpoints: `host:port`, or a URL; the first one that answers is used.
    ///   - rootPath: Milvus' `etcd.rootPath`.
    package init(
        endpoints: [String], rootPath: String, http: any HTTPClient, clock: MonotonicClock = .system,
        pageSize: Int64 = 1000
    ) {
        channels = endpoints.map { endpoint in
            let url = endpoint.contains("://") ? endpoint : "http://\(endpoint)"
            return (endpoint, GRPCChannel(http: http, baseURL: url, tls: TLSSettings(), userAgent: "milvus-backup"))
        }
        root = "\(rootPath)/meta/"
        self.clock = clock
        self.pageSize = pageSize
    }

    /// Whether etcd can be asked, and Milvus' keys are there.
    ///
    /// - Throws: ``BackupError/Code/unavailable`` when no endpoint answers, ``BackupError/Code/configuration`` when there is
    ///   nothing below the root.
    package func check() async throws {
        guard try await page(prefix: root, after: nil, revision: 0, limit: 1).entries.isEmpty else { return }
        throw BackupError(
            .configuration, "etcd has no keys below \"\(root)\"",
            hint: "milvus.etcd.rootPath must be the etcd.rootPath of Milvus, and milvus.etcd.endpoints its etcd")
    }

    /// The indexes of a collection, without those that are deleted.
    ///
    /// - Throws: ``BackupError/Code/corrupted`` for one that cannot be read.
    package func indexes(ofCollection id: Int64) async throws -> [Milvus.StoredIndex] {
        try await entries(prefix: "\(root)field-index/\(id)/").map { try Milvus.StoredIndex(serialized: $0.value) }
            .filter { !$0.isDeleted }
    }

    /// The field that holds what the schema has no fields for, which DescribeCollection does not tell; nil without one.
    package func dynamicField(ofCollection id: Int64) async throws -> Milvus.FieldSchema? {
        try await entries(prefix: "\(root)root-coord/fields/\(id)/")
            .compactMap { try? Milvus.FieldSchema(serialized: $0.value) }
            .first(where: \.isDynamic)
    }

    // MARK: Requests

    /// All entries below a prefix as they were at one moment, page by page.
    private func entries(prefix: String) async throws -> [Etcd.KeyValue] {
        var entries: [Etcd.KeyValue] = []
        var revision: Int64 = 0
        while true {
            let page = try await page(prefix: prefix, after: entries.last?.key, revision: revision, limit: pageSize)
            entries += page.entries
            if !page.hasMore || page.entries.isEmpty { return entries }
            if revision == 0 { revision = page.header.revision }
        }
    }

    private func page(
        prefix: String, after last: [UInt8]?, revision: Int64, limit: Int64
    ) async throws -> Etcd.RangeResponse {
        var request = Etcd.RangeRequest()
        let start = Array(prefix.utf8)
        request.key = last.map { $0 + [0] } ?? start
        // All prefixes end with a slash, so the last byte can be counted up.
        request.end = start.dropLast() + [UInt8(ascii: "/") + 1]
        request.revision = revision
        request.limit = limit
        let message = request.serialized()
        return try await withRetries(.connecting, clock: clock) {
            try Etcd.RangeResponse(serialized: try await answer(to: message))
        }
    }

    /// The answer of the first endpoint that gives one.
    private func answer(to message: [UInt8]) async throws -> [UInt8] {
        var failures: [String] = []
        for (endpoint, channel) in channels {
            do {
                return try await channel.unary(
                    "/etcdserverpb.KV/Range", message, metadata: [], deadline: .seconds(10))
            } catch let status as GRPCStatus {
                failures.append(
                    "\(endpoint): \(status.message.escapingControlCharacters) (status \(status.code.rawValue))")
            } catch let error as BackupError where error.code == .canceled {
                throw error
            } catch {
                failures.append("\(endpoint): \(BackupError(wrapping: error).message)")
            }
        }
        throw BackupError(
            .unavailable, "etcd cannot be asked: \(failures.joined(separator: "; "))",
            hint: "milvus.etcd.endpoints must name the etcd of Milvus", isRetryable: true)
    }
}
