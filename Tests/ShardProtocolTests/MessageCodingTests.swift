import Support
import Testing

@testable import ShardProtocol

@Suite struct MessageCodingTests {
    @Test(arguments: AgentMessage.samples)
    func anAgentsMessageComesBackAsItWas(message: AgentMessage) throws {
        #expect(try AgentMessage(message.frame()) == message)
    }

    @Test(arguments: CoordinatorMessage.samples)
    func aCoordinatorsMessageComesBackAsItWas(message: CoordinatorMessage) throws {
        #expect(try CoordinatorMessage(message.frame()) == message)
    }

    /// The wire is a promise to other releases: this table never changes, it only grows.
    @Test func kindNumbersAreFixed() {
        #expect(AgentMessage.samples.map(\.kind.rawValue) == [1, 2, 3, 16, 17, 18, 19, 20, 21])
        #expect(CoordinatorMessage.samples.map(\.kind.rawValue) == [129, 130, 131, 132, 144, 145, 146, 147])
        #expect(MessageKind.allCases.count == 17)
    }

    @Test func aSmallMessageIsPlainJSON() throws {
        let frame = try AgentMessage.pull(Pull(shards: 3)).frame()
        #expect(frame.bytes == [0, 0, 0, 14, 16, 0] + Array(#"{"shards":3}"#.utf8))
        #expect(try AgentMessage.goodbye.frame().bytes == [0, 0, 0, 2, 21, 0])
    }

    @Test func aLargeMessageIsCompressed() throws {
        let message = CoordinatorMessage.assignment(.sample(tasks: 1000))
        let frame = try message.frame()
        #expect(frame.flags == .compressed)
        #expect(frame.payload.count < 20_000)
        #expect(try CoordinatorMessage(frame) == message)
    }

    @Test func unknownMembersAreSkipped() throws {
        let json = #"{"shards":3,"weight":{"a":[1,2,null]},"later":true}"#
        #expect(try AgentMessage(Frame(kind: 16, payload: Array(json.utf8))) == .pull(Pull(shards: 3)))
    }

    // Messages that name many objects are coded by hand.

    private static let assignment =
        #"{"lease":{"job":"j","shard":7,"epoch":3},"backupName":"b","backupPlace":{"bucket":"c","root":"old"},"#
        + #""shard":{"id":7,"operation":"copy","source":"milvus","destination":"backup","sourcePrefix":"files/","#
        + #""destinationPrefix":"backup/b/","mode":"auto","sameBackend":true,"tasks":[{"source":"ä\"1","destination":"d","#
        + #""size":9000000000,"etag":"e","part":{"offset":1,"length":2,"uploadID":"u","number":3,"count":4}},"#
        + #"{"source":"s","size":5}]},"bandwidth":6}"#
    private static let completion =
        #"{"lease":{"job":"j","shard":7,"epoch":3},"results":[{"index":1,"etag":"e","checksum":{"kind":"crc32c","value":"00"},"#
        + #""copiedByStore":false,"damage":"d"},{"index":2,"copiedByStore":true}],"bytes":5,"fallback":"f"}"#

    /// The wire is a promise to other releases.
    @Test func namesOfMembersAreFixed() throws {
        let (assignment, completion) = (Array(Self.assignment.utf8), Array(Self.completion.utf8))
        let received = try #require(try CoordinatorMessage(Frame(kind: 144, payload: assignment)))
        #expect(try received.frame(limits: .session).text() == Self.assignment)
        let told = try #require(try AgentMessage(Frame(kind: 18, payload: completion)))
        #expect(try told.frame(limits: .session).text() == Self.completion)
    }

    @Test(arguments: [
        "lease", "job", "epoch", "backupName", "bucket", "root", "shard", "id", "source", "destination", "sourcePrefix",
        "destinationPrefix", "mode", "tasks", "size", "offset", "length", "uploadID", "number",
    ])
    func anAssignmentWithoutAMemberIsAViolation(member: String) {
        // Its name is another one then, which is skipped.
        let json = Self.assignment.replacing("\"\(member)\":", with: "\"x\":")
        #expect(json != Self.assignment)
        #expect { try CoordinatorMessage(Frame(kind: 144, payload: Array(json.utf8))) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test(arguments: ["lease", "job", "shard", "epoch", "results", "index", "copiedByStore", "kind", "value", "bytes"])
    func aCompletionWithoutAMemberIsAViolation(member: String) {
        let json = Self.completion.replacing("\"\(member)\":", with: "\"x\":")
        #expect(json != Self.completion)
        #expect { try AgentMessage(Frame(kind: 18, payload: Array(json.utf8))) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test(arguments: [
        ("\"index\":1", "\"index\":\"1\""), ("\"index\":1", "\"index\":1.5"), ("\"bytes\":5", "\"bytes\":null"),
        ("\"index\":1", "\"index\":99999999999999999999"), ("{\"index\":2", "null,{\"index\":2"), ("\"f\"}", "\"f\"}x"),
        ("\"f\"}", "\"f\""), ("[{", "[[{"), ("\"d\"}", "\"d\"}" + String(repeating: ",[", count: 60_000)),
    ])
    func aDamagedCompletionIsAViolation(part: String, damaged: String) {
        let json = Self.completion.replacing(part, with: damaged)
        #expect(json != Self.completion)
        #expect { try AgentMessage(Frame(kind: 18, payload: Array(json.utf8))) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test(arguments: ["\"mode\":\"auto\"", "\"source\":\"milvus\"", "\"operation\":\"copy\""])
    func anAssignmentOfALaterKindIsAViolation(member: String) {
        let json = Self.assignment.replacing(member, with: member.dropLast() + "2\"")
        #expect(json != Self.assignment)
        #expect { try CoordinatorMessage(Frame(kind: 144, payload: Array(json.utf8))) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test func unknownAndEmptyMembersOfACompletionAreSkipped() throws {
        let json = Self.completion.replacing("\"etag\":\"e\"", with: "\"etag\":null,\"later\":{\"a\":[1,{}]}")
        guard case .completed(let told) = try AgentMessage(Frame(kind: 18, payload: Array(json.utf8))) else {
            Issue.record("it is another message")
            return
        }
        #expect(told.results.count == 2 && told.results[0].etag == nil && told.results[0].damage == "d")
    }

    @Test(arguments: [UInt8](22...127))
    func unknownAgentKindsAreSkipped(kind: UInt8) throws {
        #expect(try AgentMessage(Frame(kind: kind, payload: [1, 2, 3])) == nil)
    }

    @Test(arguments: [UInt8](148...255))
    func unknownCoordinatorKindsAreSkipped(kind: UInt8) throws {
        #expect(try CoordinatorMessage(Frame(kind: kind, payload: [1, 2, 3])) == nil)
    }

    @Test func aMessageInTheWrongDirectionIsAViolation() throws {
        #expect(throws: BackupError.self) { try CoordinatorMessage(AgentMessage.goodbye.frame()) }
        #expect(throws: BackupError.self) { try AgentMessage(CoordinatorMessage.finish.frame()) }
        #expect(throws: BackupError.self) { try AgentMessage(Frame(kind: 200, payload: [])) }
    }

    @Test(arguments: [
        ("empty", ""), ("not JSON", "shards"), ("not an object", "[3]"), ("missing member", "{}"),
        ("wrong type", #"{"shards":"3"}"#), ("overflow", #"{"shards":99999999999999999999}"#),
        ("fraction", #"{"shards":1.5}"#),
        ("depth", String(repeating: "[", count: 60_000)),
        ("depth in an unknown member", #"{"shards":3,"x":"# + String(repeating: "[", count: 60_000)),
    ])
    func aPayloadThatCannotBeReadIsAViolation(name: String, json: String) {
        #expect { try AgentMessage(Frame(kind: 16, payload: Array(json.utf8))) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test(
        arguments: [
            // Made with `head -c 3000 /dev/zero | zstd`: read from a pipe, its header does not name the size.
            (
                "unknown size",
                [
                    0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x4d, 0, 0, 0x10, 0, 0, 0x01, 0, 0x10, 0x0b, 0x3f, 0x30, 0x11,
                    0x6b,
                    0xdd, 0xbc, 0xb4, 0xf0,
                ]
            ),
            ("2^62 bytes announced", [0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0]),
            ("2^64-1 bytes announced", [0x28, 0xb5, 0x2f, 0xfd, 0xe0] + [UInt8](repeating: 0xff, count: 8)),
            ("8 bytes announced, none there", [0x28, 0xb5, 0x2f, 0xfd, 0x20, 8, 0x01, 0, 0]),
            ("not zstd", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            ("nothing", []),
        ] as [(String, [UInt8])])
    func aHostileCompressedPayloadIsAViolation(name: String, payload: [UInt8]) {
        #expect { try AgentMessage(Frame(kind: 16, flags: .compressed, payload: payload)) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test func aCompressedPayloadMayNotGrowBeyondTheLimit() throws {
        let refusal = Refusal(message: String(repeating: "x", count: 100_000), isRetryable: false)
        let frame = try CoordinatorMessage.refused(refusal).frame()
        #expect(frame.payload.count < 1000)
        #expect(try CoordinatorMessage(frame, limits: .session) == .refused(refusal))
        #expect { try CoordinatorMessage(frame, limits: .handshake) } throws: {
            ($0 as? BackupError)?.code == .protocolViolation
        }
    }

    @Test func aMessageThatThePeerWouldNotTakeIsNotSent() {
        let refusal = Refusal(message: String(repeating: "x", count: 100_000), isRetryable: false)
        #expect { try CoordinatorMessage.refused(refusal).frame(limits: .handshake) } throws: {
            ($0 as? BackupError)?.code == .invalidArgument
        }
    }
}

extension Frame {
    fileprivate func text() throws -> String {
        let json = flags.contains(.compressed) ? try PayloadCompression.decompress(payload, limit: 1 << 20) : payload
        return String(decoding: json, as: UTF8.self)
    }
}
