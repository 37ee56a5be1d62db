import FoundationEssentials
import JSON
import Support

/// A message that has a frame: ``AgentMessage`` and ``CoordinatorMessage``.
package protocol FramedMessage: Sendable {
    var kind: MessageKind { get }

    /// The message as a frame, compressed when that makes it smaller.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument`` when it is larger than the peer would take.
    func frame(limits: FrameLimits) throws(BackupError) -> Frame

    /// The message of a frame; nil when its kind comes from a later version and is to be skipped.
    ///
    /// - Throws: ``BackupError/Code/protocolViolation``.
    init?(_ frame: Frame, limits: FrameLimits) throws(BackupError)
}

extension AgentMessage: FramedMessage {
    package func frame(limits: FrameLimits = .session) throws(BackupError) -> Frame {
        switch self {
        case .hello(let hello): try Payload.frame(kind, hello, limits)
        case .proof(let proof): try Payload.frame(kind, proof, limits)
        case .probeAnswers(let answers): try Payload.frame(kind, answers, limits)
        case .pull(let pull): try Payload.frame(kind, pull, limits)
        case .heartbeat(let heartbeat): try Payload.frame(kind, heartbeat, limits)
        case .completed(let completion): try Payload.frame(kind, bulk: completion, limits)
        case .failed(let failure): try Payload.frame(kind, failure, limits)
        case .returned(let lease): try Payload.frame(kind, lease, limits)
        case .goodbye: Frame(kind: kind.rawValue, payload: [])
        }
    }

    package init?(_ frame: Frame, limits: FrameLimits = .session) throws(BackupError) {
        guard !MessageKind.isCoordinators(frame.kind) else {
            throw BackupError(
                .protocolViolation, "a message of kind \(frame.kind) came, which only a coordinator sends")
        }
        guard let kind = MessageKind(rawValue: frame.kind) else { return nil }
        switch kind {
        case .hello: self = .hello(try Payload.value(frame, limits))
        case .proof: self = .proof(try Payload.value(frame, limits))
        case .probeAnswers: self = .probeAnswers(try Payload.value(frame, limits))
        case .pull: self = .pull(try Payload.value(frame, limits))
        case .heartbeat: self = .heartbeat(try Payload.value(frame, limits))
        case .completed: self = .completed(try Payload.bulk(frame, limits))
        case .failed: self = .failed(try Payload.value(frame, limits))
        case .returned: self = .returned(try Payload.value(frame, limits))
        case .goodbye: self = .goodbye
        case .challenge, .probes, .accepted, .refused, .assignment, .cancel, .finish, .limits:
            return nil
        }
    }
}

extension CoordinatorMessage: FramedMessage {
    package func frame(limits: FrameLimits = .session) throws(BackupError) -> Frame {
        switch self {
        case .challenge(let challenge): try Payload.frame(kind, challenge, limits)
        case .probes(let probes): try Payload.frame(kind, probes, limits)
        case .accepted(let accepted): try Payload.frame(kind, accepted, limits)
        case .refused(let refusal): try Payload.frame(kind, refusal, limits)
        case .assignment(let assignment): try Payload.frame(kind, bulk: assignment, limits)
        case .cancel(let cancellation): try Payload.frame(kind, cancellation, limits)
        case .limits(let shared): try Payload.frame(kind, shared, limits)
        case .finish: Frame(kind: kind.rawValue, payload: [])
        }
    }

    package init?(_ frame: Frame, limits: FrameLimits = .session) throws(BackupError) {
        guard MessageKind.isCoordinators(frame.kind) else {
            throw BackupError(.protocolViolation, "a message of kind \(frame.kind) came, which only an agent sends")
        }
        guard let kind = MessageKind(rawValue: frame.kind) else { return nil }
        switch kind {
        case .challenge: self = .challenge(try Payload.value(frame, limits))
        case .probes: self = .probes(try Payload.value(frame, limits))
        case .accepted: self = .accepted(try Payload.value(frame, limits))
        case .refused: self = .refused(try Payload.value(frame, limits))
        case .assignment: self = .assignment(try Payload.bulk(frame, limits))
        case .cancel: self = .cancel(try Payload.value(frame, limits))
        case .limits: self = .limits(try Payload.value(frame, limits))
        case .finish: self = .finish
        case .hello, .proof, .probeAnswers, .pull, .heartbeat, .completed, .failed, .returned, .goodbye: return nil
        }
    }
}

/// Payloads are JSON; unknown members are skipped.
private enum Payload {
    /// One of each for the process: encoding and decoding keep nothing in them.
    private static let encoder: JSONEncoder = {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return encoder
    }()
    private static let decoder = JSONDecoder()

    static func frame(_ kind: MessageKind, _ value: some Encodable, _ limits: FrameLimits) throws(BackupError) -> Frame
    {
        try frame(kind, limits) { Array(try encoder.encode(value)) }
    }

    static func frame(_ kind: MessageKind, bulk value: some BulkCodable, _ limits: FrameLimits) throws(BackupError)
        -> Frame
    {
        try frame(kind, limits) { try JSONWriter.bytes { try value.write(to: &$0) } }
    }

    private static func frame(
        _ kind: MessageKind, _ limits: FrameLimits, _ encoded: () throws -> [UInt8]
    ) throws(BackupError) -> Frame {
        let json: [UInt8]
        do {
            json = try encoded()
        } catch {
            throw BackupError(.internalError, "a message \(kind) could not be encoded", cause: error)
        }
        let compressed = PayloadCompression.compress(json)
        let frame = Frame(kind: kind.rawValue, flags: compressed == nil ? [] : .compressed, payload: compressed ?? json)
        guard json.count <= limits.payloadSize, frame.payload.count + Frame.headerSize <= limits.frameSize else {
            throw BackupError(
                .invalidArgument,
                "a message \(kind) of \(json.count) bytes is too large, at most \(limits.payloadSize) go")
        }
        return frame
    }

    static func value<Value: Decodable>(_ frame: Frame, _ limits: FrameLimits) throws(BackupError) -> Value {
        try value(frame, limits) { try decoder.decode(Value.self, from: Data($0)) }
    }

    static func bulk<Value: BulkCodable>(_ frame: Frame, _ limits: FrameLimits) throws(BackupError) -> Value {
        try value(frame, limits) { json in
            var reader = JSONReader(name: "the message", bytes: json, maximumDepth: 16)
            let value = try Value(from: &reader)
            try reader.finish()
            return value
        }
    }

    private static func value<Value>(
        _ frame: Frame, _ limits: FrameLimits, _ decoded: ([UInt8]) throws -> Value
    ) throws(BackupError) -> Value {
        guard frame.payload.count <= limits.payloadSize else {
            throw BackupError(
                .protocolViolation,
                "a payload of \(frame.payload.count) bytes came, at most \(limits.payloadSize) are allowed")
        }
        let json =
            frame.flags.contains(.compressed)
            ? try PayloadCompression.decompress(frame.payload, limit: limits.payloadSize) : frame.payload
        do {
            return try decoded(json)
        } catch {
            throw BackupError(.protocolViolation, "a message of kind \(frame.kind) cannot be read", cause: error)
        }
    }
}
