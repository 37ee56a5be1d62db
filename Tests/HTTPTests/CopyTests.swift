import Glibc
import Support
import Testing

@testable import HTTP

/// Downloads and uploads joined by a pipe.
@Suite struct CopyTests {
    @Test(arguments: [1, 2])
    func aLargeObjectIsCopiedInBoundedMemory(loops: Int) async throws {
        let size = 64 << 20
        let chunk = (0..<(1 << 16)).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        let server = ScriptedServer { connection in
            while let request = try connection.readHead() {
                if request.method == "GET" {
                    try connection.write("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\nETag: \"e\"\r\n\r\n")
                    for _ in 0..<(size / chunk.count) { try connection.write(chunk) }
                } else {
                    #expect(request["Content-Length"] == "\(size)")
                    #expect(request["Expect"] == "100-continue")
                    try connection.write("HTTP/1.1 100 Continue\r\n\r\n")
                    for _ in 0..<(size / chunk.count) { #expect(try connection.read(chunk.count) == chunk) }
                    try connection.respond(200, ["ETag: \"copy\""])
                }
            }
        }
        let client = CurlHTTPClient(loops: loops, environment: { _ in nil })
        let before = residentBytes()
        let pipe = BytePipe()
        let head = try await client.download(HTTPRequest("GET", server.url + "/a"), into: pipe)
        #expect(head.status == 200)
        #expect(head.headers["etag"] == "\"e\"")
        let put = try await client.send(HTTPRequest("PUT", server.url + "/b", body: .pipe(pipe, length: Int64(size))))
        #expect(put.status == 200)
        #expect(put.headers["etag"] == "\"copy\"")
        #expect(pipe.bytesRead == Int64(size))
        #expect(residentBytes() - before < 32 << 20)
        #expect(server.connectionCount == 2)
    }
}

/// Memory of the process that is in use now.
func residentBytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    fgets(&line, 256, file)
    let fields = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
        separator: " ")
    return (Int(fields[1]) ?? 0) * 4096
}
