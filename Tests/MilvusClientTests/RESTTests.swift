import HTTP
import Support
import Testing

@testable import MilvusClient

/// Against a scripted server only: REST of version 2 is in Milvus 2.4 and later, and what can run beside the tests is 2.3.5.
/// The bodies are as milvus-io/milvus documents them.
@Suite struct RESTTests {
    private func rest(
        _ fake: FakeMilvus, user: String = "", endpoint: String = ""
    ) -> MilvusREST {
        let connection = MilvusConnection(
            address: "m", port: 19530, user: user, password: Secret(user.isEmpty ? "" : "very secret"))
        return MilvusREST(connection: connection, endpoint: endpoint, http: fake)
    }

    private func body(_ call: FakeMilvus.Call?) -> String { String(decoding: call?.message ?? [], as: UTF8.self) }

    @Test func segmentsAreDescribed() async throws {
        let fake = FakeMilvus { _, _ in
            .json(
                #"""
                {"code":0,"data":{"segmentInfos":[
                 {"segmentID":470609060386246697,"collectionID":470609060386046674,"partitionID":-1,
                  "vChannel":"by-dev-rootcoord-dml_0_1v0","numRows":49,"state":"Flushed","level":"L1","isSorted":true,
                  "insertLogs":[{"fieldID":0,"logIDs":[470609060386246701,470609060386246702]},{"fieldID":100,"logIDs":null}],
                  "deltaLogs":null,"statsLogs":[{"fieldID":100,"logIDs":["7"]}],"somethingNew":{}},
                 {"segmentID":2}]}}
                """#)
        }
        let segments = try await rest(fake, user: "root").describeSegments(
            [470_609_060_386_246_697, 2], collectionID: 470_609_060_386_046_674, database: "db1")
        #expect(
            segments.first
                == SegmentDescription(
                    segmentID: 470_609_060_386_246_697, collectionID: 470_609_060_386_046_674, partitionID: -1,
                    virtualChannel: "by-dev-rootcoord-dml_0_1v0", rowCount: 49, isSorted: true,
                    insertLogs: [
                        .init(fieldID: 0, logIDs: [470_609_060_386_246_701, 470_609_060_386_246_702]),
                        .init(fieldID: 100, logIDs: []),
                    ],
                    deltaLogs: [], statsLogs: [.init(fieldID: 100, logIDs: [7])]))
        #expect(segments.map(\.segmentID) == [470_609_060_386_246_697, 2])
        let call = fake.calls.first
        #expect(call?.url == "http://m:19530/v2/vectordb/segments/describe")
        #expect(call?.request.method == "POST")
        #expect(call?.request.version == .http1)
        #expect(call?.header("authorization") == "Bearer root:very secret")
        // Ids are numbers here.
        let text = body(call)
        #expect(text.contains(#""dbName":"db1""#))
        #expect(text.contains(#""collectionId":470609060386046674"#))
        #expect(text.contains(#""segmentIds":[470609060386246697,2]"#))
    }

    @Test func importJobsAreCreated() async throws {
        let fake = FakeMilvus { _, _ in .json(#"{"code":0,"message":"","data":{"jobId":"448123"}}"#) }
        let request = ImportJobRequest(
            database: "db1", collection: "c1", partition: "", files: [["a/b/", "d/"], ["e/"]],
            options: ["backup": "true"])
        #expect(try await rest(fake, endpoint: "https://rest:8443/").createImportJob(request) == "448123")
        let call = fake.calls.first
        #expect(call?.url == "https://rest:8443/v2/vectordb/jobs/import/create")
        #expect(call?.header("request-timeout") == "600")
        #expect(call?.header("authorization") == nil)
        let text = body(call)
        #expect(text.contains(#""files":[["a/b/","d/"],["e/"]]"#))
        #expect(text.contains(#""options":{"backup":"true"}"#))
        #expect(!text.contains("partitionName"))
    }

    @Test func importJobsAreDescribed() async throws {
        let fake = FakeMilvus { _, _ in
            .json(
                #"""
                {"code":0,"data":{"jobId":"448","collectionName":"c1","fileName":"","fileSize":12,"state":"Importing",
                "progress":37,"completeTime":"","reason":"","totalRows":4000000000,"details":[{"state":"Pending"}]}}
                """#)
        }
        let job = try await rest(fake).describeImportJob("448", database: "")
        #expect(job == ImportJob(id: "448", state: .importing, progress: 37, reason: "", totalRows: 4_000_000_000))
        #expect(body(fake.calls.first) == #"{"jobId":"448"}"#)
    }

    struct Failure: Sendable {
        var reply: FakeMilvus.Reply
        var code: BackupError.Code
        var text: String
    }

    @Test(arguments: [
        // Milvus answers its errors with status 200, whatever there is in the data.
        Failure(
            reply: .json(#"{"code":1100,"message":"import job does not exist","data":[]}"#), code: .remoteFailure,
            text: "asking for import job 448 failed: import job does not exist"),
        Failure(
            reply: .json(#"{"code":100,"message":"collection not found"}"#), code: .notFound,
            text: "asking for import job 448 failed: collection not found"),
        Failure(
            reply: .json("404 page not found", status: 404), code: .unsupported,
            text: "asking for import job 448 is not offered by this Milvus (HTTP 404 from "
                + "http://m:19530/v2/vectordb/jobs/import/describe)"),
        Failure(
            reply: .json("{}", status: 401), code: .permissionDenied,
            text: "asking for import job 448: Milvus refuses the user \"root\" (HTTP 401)"),
        Failure(
            reply: .json("{}", status: 502), code: .remoteFailure,
            text: "asking for import job 448 failed: HTTP 502 from http://m:19530/v2/vectordb/jobs/import/describe"),
        Failure(
            reply: .json("<html>"), code: .corrupted,
            text:
                "asking for import job 448: the answer of http://m:19530/v2/vectordb/jobs/import/describe is not what it "
                + "should be"),
        Failure(
            reply: .json(#"{"code":0,"data":{}}"#), code: .protocolViolation,
            text: "asking for import job 448: Milvus tells no state"),
        Failure(
            reply: .failure(BackupError(.unavailable, "cannot connect to http://m:19530: Connection refused")),
            code: .unavailable, text: "cannot reach Milvus at m:19530: connection refused"),
    ])
    func failuresAreNamed(failure: Failure) async {
        let fake = FakeMilvus { _, _ in failure.reply }
        let error = await #expect(throws: BackupError.self) {
            try await rest(fake, user: "root").describeImportJob("448", database: "d")
        }
        #expect(error?.code == failure.code)
        #expect(error?.message == failure.text)
        #expect(error?.description.contains("very secret") == false)
    }

    @Test func aJobWithoutIdIsRefused() async {
        let fake = FakeMilvus { _, _ in .json(#"{"code":0,"data":{"jobId":""}}"#) }
        let request = ImportJobRequest(database: "", collection: "c", partition: "p", files: [], options: [:])
        let error = await #expect(throws: BackupError.self) { try await rest(fake).createImportJob(request) }
        #expect(error?.code == .protocolViolation)
    }
}
