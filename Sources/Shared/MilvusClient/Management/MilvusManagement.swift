import FoundationEssentials
import HTTP
import Support

/// Milvus' management interface: plain HTTP without authentication on a port of its own.
package struct MilvusManagement: Sendable {
    private let http: any HTTPClient
    /// Without a slash at its end.
    private let endpoint: String
    private let tls: TLSSettings

    /// - Parameter endpoint: the interface's base URL, such as `http://localhost:9091`.
    package init(endpoint: String, http: any HTTPClient, tls: TLSSettings = TLSSettings()) {
        var endpoint = endpoint
        while endpoint.hasSuffix("/") { endpoint.removeLast() }
        self.endpoint = endpoint.contains("://") ? endpoint : "http://\(endpoint)"
        self.http = http
        self.tls = tls
    }

    /// Pauses garbage collection, and returns the ticket of the pause: empty before 2.6.8.
    ///
    /// - Parameter collection: 0 for the whole cluster.
    /// - Throws: ``BackupError/Code/unsupported`` when this Milvus does not offer it.
    func pauseGarbageCollection(collection: Int64, for length: Duration) async throws -> String {
        let query = "pause_seconds=\(length.components.seconds)&collection_id=\(collection)"
        let body = try await get("datacoord/garbage_collection/pause", query, "pausing garbage collection")
        // Not every version answers with JSON; without a ticket there is nothing in the answer that counts.
        return (try? JSONDecoder().decode(TicketReply.self, from: Data(body)))?.ticket ?? ""
    }

    /// - Parameter ticket: empty for the pause of the whole cluster.
    func resumeGarbageCollection(ticket: String) async throws {
        let query = ticket.isEmpty ? "" : "ticket=\(Self.queryEscaped(ticket))"
        _ = try await get("datacoord/garbage_collection/resume", query, "resuming garbage collection")
    }

    /// Whether this Milvus offers the pause. Nothing is paused: the length that is asked for is none.
    package func offersPause() async throws -> Bool {
        let what = "asking the management port"
        let response = try await answer(
            "datacoord/garbage_collection/pause", "pause_seconds=none", what, within: .seconds(10))
        return ![404, 405, 501].contains(response.status)
    }

    /// The key of an encrypted database, as its administrator can hand it to another cluster.
    ///
    /// - Throws: what Milvus says when it does not tell.
    package func encryptionZoneKey(ofDatabase name: String) async throws -> String {
        let what = "asking for the encryption key of database \(name)"
        let query = "db_name=\(Self.queryEscaped(name))"
        let response = try await answer("rootcoord/ez/backup", query, what, within: .seconds(30))
        let reply = try? JSONDecoder().decode(KeyReply.self, from: Data(response.body))
        guard response.isSuccess, let reply, reply.msg == "OK",
            let key = reply.ezk ?? reply.data?.ezk
        else {
            let said = MilvusErrors.oneLine(reply?.msg ?? "no key in the answer")
            throw BackupError(
                .remoteFailure, "\(what) failed: HTTP \(response.status) from \(url("rootcoord/ez/backup")): \(said)",
                isRetryable: response.status >= 500)
        }
        return key
    }

    /// Beside the message, or below `data` as in later versions of the original's client.
    private struct KeyReply: Decodable {
        struct Content: Decodable { var ezk: String? }
        var msg: String?
        var ezk: String?
        var data: Content?
    }

    private struct TicketReply: Decodable {
        var ticket: String?
    }

    private func url(_ path: String) -> String { "\(endpoint)/management/\(path)" }

    private func answer(
        _ path: String, _ query: String, _ what: String, within limit: Duration
    ) async throws -> HTTPResponse {
        var request = HTTPRequest("GET", query.isEmpty ? url(path) : "\(url(path))?\(query)")
        request.tls = tls
        request.totalTimeout = limit
        request.maximumResponseSize = 1 << 20
        do {
            return try await http.send(request)
        } catch {
            var failure = BackupError(wrapping: error).prefixed(what)
            failure.hint = "check milvus.management.endpoint (backup.gcPause.address), or switch the pause off"
            throw failure
        }
    }

    private func get(_ path: String, _ query: String, _ what: String) async throws -> [UInt8] {
        let response = try await answer(path, query, what, within: .seconds(30))
        let url = url(path)
        switch response.status {
        case 200..<400: return response.body
        case 404, 405, 501:
            throw BackupError(
                .unsupported, "GC pause is not offered by this Milvus (HTTP \(response.status) from \(url))",
                hint: "keep dataCoord.gc.dropTolerance of Milvus longer than the backup takes")
        default:
            let text = String(decoding: response.body.prefix(200), as: UTF8.self)
            throw BackupError(
                .remoteFailure, "\(what) failed: HTTP \(response.status) from \(url): \(MilvusErrors.oneLine(text))",
                isRetryable: response.status >= 500)
        }
    }

    /// `text` as a value within a query.
    static func queryEscaped(_ text: String) -> String {
        let plain = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~".utf8)
        let hex = Array("0123456789ABCDEF".utf8)
        var escaped: [UInt8] = []
        for byte in text.utf8 {
            if plain.contains(byte) {
                escaped.append(byte)
            } else {
                escaped += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
        return String(decoding: escaped, as: UTF8.self)
    }
}
