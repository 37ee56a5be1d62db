import Glibc
import HTTPTesting
import Support
import Synchronization
import Testing

@testable import HTTP

/// Downloads and uploads joined by a pipe.
@Suite struct CopyTests {
    private static let size = 64 << 20
    private static let chunk = pattern(1 << 16)

    /// What lies between the two connections when the upload's server stops reading: the pipe, libcurl's buffers and
    /// those of four loopback sockets, which the kernel lets grow to some megabytes each.
    @Test(arguments: [1, 2])
    func aLargeObjectIsCopiedInBoundedMemory(loops: Int) async throws {
        let sent = Atomic<Int>(0)
        let held = Mutex(0)
        let server = ScriptedServer { connection in
            while let request = try connection.readHead() {
                guard request.method == "PUT" else {
                    try connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(CopyTests.size)\r\nETag: \"e\"\r\n\r\n")
                    for _ in 0..<(CopyTests.size / CopyTests.chunk.count) {
                        try connection.write(CopyTests.chunk)
                        sent.add(CopyTests.chunk.count, ordering: .relaxed)
                    }
                    continue
                }
                #expect(request["Content-Length"] == "\(CopyTests.size)")
                try connection.write("HTTP/1.1 100 Continue\r\n\r\n")
                for index in 0..<(CopyTests.size / CopyTests.chunk.count) {
                    if index == 1 {
                        waitForStandstill(sent)
                        held.withLock { $0 = sent.load(ordering: .relaxed) }
                    }
                    guard try connection.read(CopyTests.chunk.count) == CopyTests.chunk else { return }
                }
                try connection.respond(200, ["ETag: \"copy\""])
            }
        }
        let client = CurlHTTPClient.forTests(loops: loops)
        let pipe = BytePipe()
        let head = try await client.download(HTTPRequest("GET", server.url + "/a"), into: pipe)
        #expect(head.status == 200)
        #expect(head.headers["etag"] == "\"e\"")
        let put = try await client.send(
            HTTPRequest("PUT", server.url + "/b", body: .pipe(pipe, length: Int64(CopyTests.size))))
        #expect(put.status == 200)
        #expect(put.headers["etag"] == "\"copy\"")
        #expect(pipe.bytesRead == Int64(CopyTests.size))
        #expect(held.withLock { $0 } < CopyTests.size / 2)
        #expect(server.connectionCount == 2)
    }

    @Test func aFailedDownloadFailsTheUpload() async throws {
        let server = ScriptedServer { connection in
            guard try connection.readHead()?.method == "GET" else { return connection.waitForClose() }
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
        }
        let client = CurlHTTPClient.forTests()
        let pipe = BytePipe()
        _ = try await client.download(HTTPRequest("GET", server.url), into: pipe)
        let error = await failure {
            _ = try await client.send(HTTPRequest("PUT", server.url, body: .pipe(pipe, length: 1000)))
        }
        #expect(error?.message == "\(server.url): the connection ended before the answer was complete")
        #expect(await eventually { server.openConnections == 0 })
    }

    @Test func aRefusedUploadEndsTheDownload() async throws {
        let server = ScriptedServer { connection in
            guard try connection.readHead()?.method == "GET" else { return try connection.respond(503) }
            try connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            while true { try connection.write(CopyTests.chunk) }
        }
        let client = CurlHTTPClient.forTests()
        let pipe = BytePipe()
        _ = try await client.download(HTTPRequest("GET", server.url), into: pipe)
        let put = HTTPRequest("PUT", server.url, body: .pipe(pipe, length: 1_000_000_000))
        #expect(try await client.send(put).status == 503)
        #expect(await eventually { server.openConnections == 0 })
    }
}

/// Waits until `counter` has not grown for half a second.
private func waitForStandstill(_ counter: borrowing Atomic<Int>) {
    var last = -1
    while case let now = counter.load(ordering: .relaxed), now != last {
        last = now
        usleep(500_000)
    }
}
