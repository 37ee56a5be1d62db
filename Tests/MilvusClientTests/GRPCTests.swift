import HTTP
import Support
import Testing

@testable import MilvusClient

@Suite struct GRPCTests {
    @Test(arguments: [
        ("plain text", "plain text"),
        ("100%25 of %22a%22", "100% of \"a\""),
        ("gr%C3%BC%c3%9fe", "grüße"),
        // Not escapes, and bytes that are not UTF-8.
        ("50% off", "50% off"), ("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("%FF", "\u{fffd}"),
    ])
    func messagesArePercentDecoded(encoded: String, decoded: String) {
        #expect(GRPCStatus.percentDecoded(encoded) == decoded)
    }

    struct Answer: Sendable {
        var response: HTTPResponse
        var expected: GRPCStatus
    }

    @Test(arguments: [
        Answer(
            response: HTTPResponse(status: 200, trailers: ["grpc-status": "0"]), expected: GRPCStatus(.ok)),
        Answer(
            response: HTTPResponse(status: 200, trailers: ["grpc-status": "14", "grpc-message": "going%20away"]),
            expected: GRPCStatus(.unavailable, "going away")),
        Answer(
            response: HTTPResponse(status: 200, headers: ["grpc-status": "12", "grpc-message": "unknown method"]),
            expected: GRPCStatus(.unimplemented, "unknown method")),
        Answer(response: HTTPResponse(status: 200), expected: GRPCStatus(.unknown, "the answer has no grpc-status")),
        Answer(
            response: HTTPResponse(status: 200, trailers: ["grpc-status": "x"]),
            expected: GRPCStatus(.unknown, "the answer has no grpc-status")),
        Answer(response: HTTPResponse(status: 401), expected: GRPCStatus(.unauthenticated, "HTTP 401")),
        Answer(response: HTTPResponse(status: 503), expected: GRPCStatus(.unavailable, "HTTP 503")),
        Answer(response: HTTPResponse(status: 429), expected: GRPCStatus(.unavailable, "HTTP 429")),
        Answer(response: HTTPResponse(status: 404), expected: GRPCStatus(.unknown, "HTTP 404")),
        // A status of gRPC counts more than one of HTTP.
        Answer(
            response: HTTPResponse(status: 503, headers: ["grpc-status": "8"]),
            expected: GRPCStatus(.resourceExhausted)),
    ])
    func statusIsFound(answer: Answer) {
        #expect(GRPCStatus(of: answer.response) == answer.expected)
    }

    @Test func framesAreMadeAndTakenOff() throws {
        #expect(GRPCChannel.framed([]) == [0, 0, 0, 0, 0])
        #expect(GRPCChannel.framed([7, 8]) == [0, 0, 0, 0, 2, 7, 8])
        let long = [UInt8](repeating: 1, count: 70_000)
        #expect(GRPCChannel.framed(long).prefix(5) == [0, 0, 1, 0x11, 0x70])
        #expect(try GRPCChannel.unframed(GRPCChannel.framed(long)) == long)
    }

    @Test(
        arguments: [
            [], [0, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 1], [0, 255, 255, 255, 255, 1], [1, 0, 0, 0, 1, 7],
            // Two messages.
            [0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ] as [[UInt8]])
    func bodiesThatAreNotOneMessageAreRefused(body: [UInt8]) {
        #expect {
            try GRPCChannel.unframed(body)
        } throws: { error in
            (error as? BackupError)?.code == .protocolViolation
        }
    }

    @Test func requestsAreWhatGRPCWants() async throws {
        let fake = FakeMilvus { _, _ in .answer(Milvus.BoolResponse()) }
        let (client, _) = fake.client()
        _ = try await client.hasCollection("c1", database: "db1")
        let call = try #require(fake.calls.first)
        #expect(call.url == "http://milvus:19530/milvus.proto.milvus.MilvusService/HasCollection")
        #expect(call.request.method == "POST")
        #expect(call.request.version == .http2)
        #expect(call.header("content-type") == "application/grpc")
        #expect(call.header("te") == "trailers")
        #expect(call.header("user-agent") == "milvus-backup/1.2")
        #expect(call.header("grpc-timeout") == "60000m")
        let limit = try #require(call.request.totalTimeout)
        #expect(limit > .seconds(60))
        #expect(try Milvus.HasCollectionRequest(serialized: call.message).collection == "c1")
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="),
        ("root:Milvus", "cm9vdDpNaWx2dXM="),
        ("ÿ?>", "w78/Pg=="),
    ])
    func base64(text: String, expected: String) {
        #expect(base64Encoded(Array(text.utf8)) == expected)
    }
}
