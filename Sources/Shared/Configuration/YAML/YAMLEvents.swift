import CYAML

/// One step of libyaml's parser.
struct YAMLEvent: Equatable {
    enum Kind: Equatable {
        case documentStart, streamEnd
        case scalar(String, isPlain: Bool)
        case alias(String)
        case sequenceStart, sequenceEnd, mappingStart, mappingEnd
        /// Nothing that matters here.
        case other
    }

    var kind: Kind
    /// From 1.
    var line: Int
    /// The name other places can repeat this value by.
    var anchor: String?
}

/// Libyaml's event parser on a text in memory.
final class YAMLEvents {
    // Libyaml keeps the parser's address inside the parser, so it must not move.
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
    private let text: UnsafeMutableBufferPointer<UInt8>
    private let isReady: Bool

    init(_ bytes: [UInt8]) {
        text = .allocate(capacity: bytes.count)
        _ = text.initialize(from: bytes)
        isReady = yaml_parser_initialize(parser) != 0
        if isReady { yaml_parser_set_input_string(parser, text.baseAddress, text.count) }
    }

    deinit {
        if isReady { yaml_parser_delete(parser) }
        parser.deallocate()
        text.deallocate()
    }

    func next() throws(YAMLProblem) -> YAMLEvent {
        guard isReady else { throw YAMLProblem(line: 1, message: "out of memory") }
        var event = yaml_event_t()
        guard yaml_parser_parse(parser, &event) != 0 else { throw problem() }
        defer { yaml_event_delete(&event) }
        let line = event.start_mark.line + 1
        switch event.type {
        case YAML_STREAM_END_EVENT: return YAMLEvent(kind: .streamEnd, line: line)
        case YAML_DOCUMENT_START_EVENT: return YAMLEvent(kind: .documentStart, line: line)
        case YAML_SCALAR_EVENT: return scalar(event.data.scalar, line: line)
        case YAML_ALIAS_EVENT: return YAMLEvent(kind: .alias(string(event.data.alias.anchor) ?? ""), line: line)
        case YAML_SEQUENCE_START_EVENT:
            return YAMLEvent(kind: .sequenceStart, line: line, anchor: string(event.data.sequence_start.anchor))
        case YAML_SEQUENCE_END_EVENT: return YAMLEvent(kind: .sequenceEnd, line: line)
        case YAML_MAPPING_START_EVENT:
            return YAMLEvent(kind: .mappingStart, line: line, anchor: string(event.data.mapping_start.anchor))
        case YAML_MAPPING_END_EVENT: return YAMLEvent(kind: .mappingEnd, line: line)
        default: return YAMLEvent(kind: .other, line: line)
        }
    }

    private func scalar(_ scalar: yaml_event_s.__Unnamed_union_data.__Unnamed_struct_scalar, line: Int) -> YAMLEvent {
        let text = String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
        // A tag such as !!str says what the text is, just as quotes do.
        let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.plain_implicit != 0
        return YAMLEvent(kind: .scalar(text, isPlain: isPlain), line: line, anchor: string(scalar.anchor))
    }

    private func string(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    private func problem() -> YAMLProblem {
        let message = parser.pointee.problem.map { String(cString: $0) } ?? "this is not YAML"
        if parser.pointee.error == YAML_READER_ERROR {
            // Reader errors know an offset only.
            let before = text.prefix(min(parser.pointee.problem_offset, text.count))
            return YAMLProblem(
                line: before.count { $0 == 0x0a } + 1, message: "\(message); the file must be UTF-8 text")
        }
        return YAMLProblem(line: parser.pointee.problem_mark.line + 1, message: explained(message))
    }

    /// Libyaml's words, with what is usually behind them.
    private func explained(_ message: String) -> String {
        switch message {
        case "found character that cannot start any token":
            "\(message); indent with spaces, and quote values that begin with a special character"
        case "mapping values are not allowed in this context":
            "\(message); check the indentation, and quote values that contain \": \""
        case "did not find expected key", "did not find expected '-' indicator":
            "\(message); check the indentation of this line and of the one before"
        default: message
        }
    }
}
