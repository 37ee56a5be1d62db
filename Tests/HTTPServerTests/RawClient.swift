import Glibc
import Support
import Synchronization
import Testing

@testable import HTTPServer

/// One connection on which a test writes what it likes. The blocking calls are made on threads of their own.
final class RawClient: Sendable {
    struct Answer: Sendable {
        var status: Int
        var headers: HTTPServerHeaders
        var body: [UInt8]
        var text: String { String(decoding: body, as: UTF8.self) }
    }

    private let descriptor: Int32
    /// Bytes that were read and not used.
    private let rest = Mutex<[UInt8]>([])

    /// - Parameter receiveBuffer: bytes the kernel may hold for us; nil for its own choice.
    init(_ address: HTTPServerAddress, receiveBuffer: Int32? = nil) async throws {
        descriptor = try await onDedicatedThread { try RawClient.connect(address, receiveBuffer) }
    }

    deinit { close(descriptor) }

    private static func connect(_ address: HTTPServerAddress, _ receiveBuffer: Int32?) throws -> Int32 {
        var hints = addrinfo()
        hints.ai_flags = AI_NUMERICHOST
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(address.host, String(address.port), &hints, &found) == 0, let found else {
            throw BackupError(.unavailable, "no such address: \(address)")
        }
        defer { freeaddrinfo(found) }
        let descriptor = socket(found.pointee.ai_family, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        if var receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        guard Glibc.connect(descriptor, found.pointee.ai_addr, found.pointee.ai_addrlen) == 0 else {
            let reason = SystemError().text
            close(descriptor)
            throw BackupError(.unavailable, reason)
        }
        return descriptor
    }

    /// Sends; false when the server has closed the connection.
    @discardableResult
    func send(_ bytes: [UInt8]) async -> Bool {
        let sent = try? await onDedicatedThread { [descriptor] in
            var bytes = bytes[...]
            while !bytes.isEmpty {
                let count = bytes.withUnsafeBytes {
                    Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { return false }
                bytes = bytes.dropFirst(count)
            }
            return true
        }
        return sent ?? false
    }

    @discardableResult
    func send(_ text: String) async -> Bool { await send(Array(text.utf8)) }

    /// Sends a request without a body, with the header fields given.
    func request(_ method: String, _ target: String, _ headers: String...) async {
        let fields = (["Host: test"] + headers).map { $0 + "\r\n" }.joined()
        await send("\(method) \(target) HTTP/1.1\r\n\(fields)\r\n")
    }

    /// No more bytes will come from us.
    func finishSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next answer; nil when the connection ends before it is complete.
    func answer(toHead: Bool = false) async -> Answer? {
        try? await onDedicatedThread { [self] in receiveAnswer(toHead: toHead) }
    }

    /// All bytes until the server closes the connection.
    func everything() async -> [UInt8] {
        let bytes = try? await onDedicatedThread { [self] in
            while receiveMore() {}
            return rest.withLock { $0 }
        }
        return bytes ?? []
    }

    /// Whether the server closes the connection; what it sends before is dropped.
    func isClosed() async -> Bool {
        let isClosed = try? await onDedicatedThread { [self] in
            while receiveMore() {}
            return true
        }
        return isClosed ?? false
    }

    private func receiveMore() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == EAGAIN { Issue.record("the server neither answers nor closes the connection") }
        guard count > 0 else { return false }
        rest.withLock { $0 += buffer[..<count] }
        return true
    }

    private func receiveAnswer(toHead: Bool) -> Answer? {
        let separator = Array("\r\n\r\n".utf8)
        while true {
            let head: [UInt8]? = rest.withLock { rest in
                guard let range = rest.firstRange(of: separator) else { return nil }
                defer { rest.removeFirst(range.upperBound) }
                return Array(rest[..<range.lowerBound])
            }
            if let head { return receiveBody(head, toHead: toHead) }
            guard receiveMore() else { return nil }
        }
    }

    private func receiveBody(_ head: [UInt8], toHead: Bool) -> Answer? {
        let lines = String(decoding: head, as: UTF8.self).split(separator: "\r\n", omittingEmptySubsequences: false)
        let words = lines[0].split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return nil }
        var headers = HTTPServerHeaders()
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { return nil }
            headers.append(
                String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
        }
        let length = toHead || status < 200 ? 0 : headers["Content-Length"].flatMap { Int($0) } ?? 0
        while rest.withLock({ $0.count }) < length {
            guard receiveMore() else { return nil }
        }
        let body = rest.withLock { rest in
            defer { rest.removeFirst(length) }
            return Array(rest[..<length])
        }
        return Answer(status: status, headers: headers, body: body)
    }
}
