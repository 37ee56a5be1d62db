import Glibc
import Support
import Synchronization
import Testing

@testable import HTTPServer

/// Runs `body` with a server on a free port of the loopback address, and stops it.
func withServer<Result>(
    _ change: (inout HTTPServer.Configuration) -> Void = { _ in }, logger: Logger = .silent,
    handler: @escaping HTTPServer.Handler = { .text("hello \($0.path)") },
    _ body: (HTTPServer) async throws -> Result
) async throws -> Result {
    let server = try await serve(change, logger: logger, handler: handler)
    do {
        let result = try await body(server)
        await server.shutDown()
        return result
    } catch {
        await server.shutDown()
        throw error
    }
}

/// A test of a time limit, which a busy machine may be too slow for: it is made again with longer ones, and must hold with
/// one of them.
func withPatience(
    _ holds: (Duration) async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    for seconds in [1, 4, 16] {
        if try await holds(.seconds(seconds)) { return }
    }
    Issue.record("it does not hold with any of the time limits", sourceLocation: sourceLocation)
}

func serve(
    _ change: (inout HTTPServer.Configuration) -> Void = { _ in }, logger: Logger = .silent,
    handler: @escaping HTTPServer.Handler = { .text("hello \($0.path)") }
) async throws -> HTTPServer {
    var configuration = HTTPServer.Configuration(host: "127.0.0.1", port: 0)
    change(&configuration)
    return try await HTTPServer(configuration, logger: logger, handler: handler)
}

extension HTTPServer {
    func connect(receiveBuffer: Int32? = nil) async throws -> RawClient {
        try await RawClient(localAddress, receiveBuffer: receiveBuffer)
    }

    /// Whether another connection is served; several are tried, since short time-outs may cut one on a busy machine.
    func isAlive() async -> Bool {
        await eventually {
            guard let client = try? await connect() else { return false }
            await client.request("GET", "/alive")
            return await client.answer()?.status == 200
        }
    }
}

/// Waits until `condition` holds; false when it does not within a minute, or within the time given.
func eventually(for limit: Duration = .seconds(60), _ condition: () async throws -> Bool) async rethrows -> Bool {
    for _ in 0..<Int(limit / .milliseconds(10)) {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}

/// The error `operation` throws, which must be a ``BackupError``.
func failure(_ operation: () async throws -> Void) async -> BackupError? {
    do {
        try await operation()
        Issue.record("no error was thrown")
    } catch let error as BackupError {
        return error
    } catch {
        Issue.record("not a BackupError: \(error)")
    }
    return nil
}

/// Opens once for all who wait.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var arrivals = 0
    }
    private let state = Mutex(State())

    /// How many have come to it.
    var arrivals: Int { state.withLock { $0.arrivals } }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                state.arrivals += 1
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

/// Keeps log lines.
final class LineCollector: LogSink {
    private let collected = Mutex<[String]>([])
    var lines: [String] { collected.withLock { $0 } }
    func write(_ line: String, level: LogLevel) { collected.withLock { $0.append(line) } }
    var logger: Logger { Logger(label: "http", level: .debug, sinks: [self]) }
}

/// Bytes that repeat neither with the size of a buffer nor with that of a page.
func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 % 251) } }

/// The open file descriptors of this process.
struct OpenDescriptors {
    /// Files, pipes, event queues.
    private(set) var others = 0
    /// The local ports of the sockets.
    private(set) var ports: [UInt16] = []

    init() {
        guard let directory = opendir("/proc/self/fd") else { return }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let descriptor = Int32(name) else { continue }
            var address = sockaddr_in6()
            var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
            let isSocket = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) == 0 }
            }
            // The port of both families is at the same place.
            if isSocket { ports.append(address.sin6_port.byteSwapped) } else { others += 1 }
        }
    }
}
