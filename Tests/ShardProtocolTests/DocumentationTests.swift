import FoundationEssentials
import Glibc
import Support
import Testing

@testable import ShardProtocol

/// `docs/protocol.md` is what somebody writes another agent from: its examples are what the code does.
@Suite struct DocumentationTests {
    private let page: Page

    init() throws { page = try Page() }

    @Test func theTableOfKindsIsComplete() {
        let cells = page.lines.filter { $0.hasPrefix("| `") || $0.hasPrefix("| | |") }
            .map { $0.split(separator: "|").map { String($0.filter { !" `".contains($0) }) } }
            .filter { $0.count == 4 }
        var documented: [String: UInt8] = [:]
        for row in cells {
            for column in [0, 2] where !row[column].isEmpty { documented[row[column]] = UInt8(row[column + 1]) }
        }
        let kinds = MessageKind.allCases.map { (String(describing: $0), $0.rawValue) }
        #expect(documented == Dictionary(uniqueKeysWithValues: kinds))
    }

    @Test func everyMessageWithAPayloadHasASectionAndAnExample() {
        for kind in MessageKind.allCases {
            #expect(page.lines.contains("### \(kind) (\(kind.rawValue))"), "section of \(kind)")
            guard kind != .goodbye && kind != .finish else { continue }
            #expect(page.blocks["json \(kind)"] != nil, "example of \(kind)")
        }
    }

    /// Each example is understood, nothing of it is skipped, and no member of the message is missing in it.
    @Test(arguments: MessageKind.allCases.filter { $0 != .goodbye && $0 != .finish })
    func anExampleHasTheMembersOfItsMessage(kind: MessageKind) throws {
        let text = try #require(page.blocks["json \(kind)"])
        let example = try Tree(json: Array(text.utf8))
        let frame = Frame(kind: kind.rawValue, payload: Array(text.utf8))
        let message: any FramedMessage =
            if kind.rawValue < 128 {
                try #require(try AgentMessage(frame))
            } else {
                try #require(try CoordinatorMessage(frame))
            }
        #expect(message.kind == kind)
        let written = try message.frame(limits: .session)
        let json =
            written.flags == .compressed
            ? try PayloadCompression.decompress(written.payload, limit: 1 << 20) : written.payload
        #expect(try Tree(json: json) == example)
        let payload = try #require(Mirror(reflecting: message).children.first?.value)
        let members = memberNames(of: payload)
        #expect(members.subtracting(example.memberNames) == [])
    }

    @Test func theBytesOfAFrame() throws {
        #expect(try AgentMessage.pull(Pull(shards: 3)).frame().bytes == page.bytes("hex pull"))
        #expect(try AgentMessage.goodbye.frame().bytes == page.bytes("hex goodbye"))
    }

    @Test func theBytesOfACompressedFrame() throws {
        let proof = AgentMessage.proof(Proof(proof: String(repeating: "a", count: 300)))
        var decoder = FrameDecoder()
        decoder.feed(try page.bytes("hex proof"))
        let frame = try #require(try decoder.next())
        #expect(frame.flags == .compressed)
        #expect(try AgentMessage(frame) == proof)
        #expect(try proof.frame().flags == .compressed)
    }

    @Test func theProofs() throws {
        let text = try #require(page.blocks["json hello"])
        guard case .hello(let hello) = try AgentMessage(Frame(kind: 1, payload: Array(text.utf8))) else {
            throw BackupError(.internalError, "the example of hello is none")
        }
        let transcript = HandshakeTranscript(
            version: 2, hello: hello, coordinatorNonce: String(repeating: "b", count: 64))
        let token = Secret("0123456789abcdef0123456789abcdef")
        for role in [HandshakeRole.coordinator, .agent] {
            #expect(page.blocks["proof \(role)"] == transcript.proof(of: role, token: token))
        }
    }

    @Test func theLimits() {
        let row = page.lines.first { $0.hasPrefix("| length field, at most") } ?? ""
        let numbers = row.split(separator: "|").dropFirst().compactMap { Int($0.filter(\.isNumber)) }
        #expect(numbers == [FrameLimits.handshake.frameSize, FrameLimits.session.frameSize])
    }
}

/// The page in pieces.
private struct Page {
    let lines: [String]
    /// What stands in the fenced blocks, by what stands behind the opening fence.
    let blocks: [String: String]

    init() throws {
        // Tests/ShardProtocolTests/DocumentationTests.swift
        let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let path = "\(root)/docs/protocol.md"
        let file = try #require(fopen(path, "r"), "cannot open \(path)")
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 20)
        let count = fread(&bytes, 1, bytes.count, file)
        lines = String(decoding: bytes[..<count], as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var blocks: [String: String] = [:]
        var open: (name: String, lines: [String])?
        for line in lines {
            if !line.hasPrefix("```") {
                open?.lines.append(line)
            } else if let block = open {
                blocks[block.name] = block.lines.joined(separator: "\n")
                open = nil
            } else {
                open = (String(line.dropFirst(3)), [])
            }
        }
        self.blocks = blocks
    }

    func bytes(_ name: String) throws -> [UInt8] {
        let text = try #require(blocks[name])
        return text.split(whereSeparator: \.isWhitespace).compactMap { UInt8($0, radix: 16) }
    }
}

/// Any JSON.
private enum Tree: Decodable, Equatable {
    case object([String: Tree])
    case array([Tree])
    case text(String)
    case number(Int64)
    case fraction(Double)
    case flag(Bool)

    init(json: [UInt8]) throws { self = try JSONDecoder().decode(Tree.self, from: Data(json)) }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(Bool.self) {
            self = .flag(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .number(value)
        } else if let value = try? container.decode(Double.self) {
            self = .fraction(value)
        } else if let value = try? container.decode(String.self) {
            self = .text(value)
        } else if let value = try? container.decode([Tree].self) {
            self = .array(value)
        } else {
            self = .object(try container.decode([String: Tree].self))
        }
    }

    /// The names of all members, those further inside included.
    var memberNames: Set<String> {
        switch self {
        case .object(let members): members.values.reduce(into: Set(members.keys)) { $0.formUnion($1.memberNames) }
        case .array(let elements): elements.reduce(into: []) { $0.formUnion($1.memberNames) }
        case .text, .number, .fraction, .flag: []
        }
    }
}

/// The names of a value's members, those further inside included, whether they have a value or not.
private func memberNames(of value: Any) -> Set<String> {
    let mirror = Mirror(reflecting: value)
    return mirror.children.reduce(into: []) { names, child in
        if let label = child.label, mirror.displayStyle == .struct { names.insert(label) }
        names.formUnion(memberNames(of: child.value))
    }
}
