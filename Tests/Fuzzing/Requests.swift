import BackupFormat
import HTTPServer
import JSON
import Support

@testable import Configuration
@testable import Coordinator

/// The bodies of the REST interface. The first byte says of which route.
func fuzzBodies(_ bytes: [UInt8]) {
    let (route, body) = choice(bytes, of: 4)
    let request = HTTPServerRequest(method: "POST", path: "/", body: body)
    guard let value = try? request.json() else { return }
    _ = request.requestIDOfRestore
    switch route {
    case 0:
        guard let body = try? CreateBody(value) else { return }
        requirePlain(body.request.name)
    case 1:
        guard let body = try? RestoreBody(value) else { return }
        requirePlain(body.request.backupName)
        require(!body.id.contains("/") && !body.id.contains("."), "the id of a restore is a path")
    case 2: _ = try? CancelBody(value)
    default: _ = try? RestoreSecondaryBody(value)
    }
}

private func requirePlain(_ name: String) {
    require(!name.contains("/") && name != ".." && name != "." && !name.isEmpty, "the name of a backup is a path")
}

/// What comes in the URL or header of a request: names, filters, hosts.
func fuzzNames(_ bytes: [UInt8]) {
    let (which, rest) = choice(bytes, of: 5)
    let text = String(decoding: rest, as: UTF8.self)
    switch which {
    case 0: if (try? BackupName.validateExisting(text)) != nil { requirePlain(text) }
    case 1: _ = try? CollectionFilter(rules: text)
    case 2: _ = try? NameMapper(renames: text)
    case 3: _ = HostPort(text)
    default:
        let parts = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else { return }
        var settings = ServerSettings()
        settings.token = Secret("a token that nobody knows")
        let guardian = APIGuardian(settings, address: HostPort(host: "127.0.0.1", port: 8080))
        let request = HTTPServerRequest(
            method: "GET", path: "/api/v1/list",
            headers: ["Host": parts[0], "Origin": parts[1], "Authorization": parts[2]])
        require(guardian.refusal(of: request) != nil, "a request without the token is let in")
    }
}
