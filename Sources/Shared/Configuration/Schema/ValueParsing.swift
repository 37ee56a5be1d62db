import Support

/// Why a text is not a value of its kind: `"abc" is not a number`. Never contains a secret.
struct ValueProblem: Error, Hashable {
    var message: String

    init(_ message: String) { self.message = message }
}

extension Parameter.Kind {
    /// Reads a value that is written as one text: a YAML scalar, an environment variable, the right side of `--set`.
    func parse(_ text: String) throws(ValueProblem) -> ParameterValue {
        switch self {
        case .text: return .text(text)
        case .secret: return .secret(Secret(text))
        case .boolean: return .boolean(try parseBoolean(text))
        case .integer(let range): return .integer(try parseInteger(text, in: range))
        case .size: return .integer(try parseSize(text))
        case .bandwidth: return .integer(try parseBandwidth(text))
        case .list:
            let elements = text.split(separator: ",").map(\.trimmingBlanks).filter { !$0.isEmpty }
            return .list(elements)
        case .choice(let choices): return .text(try parseChoice(text, of: choices))
        case .hostPort(let ports): return .text(try parseHostPort(text, ports: ports))
        }
    }

    /// Whether one text is no value in a file although it would be one elsewhere.
    var isStrictList: Bool { if case .list(acceptsText: false) = self { true } else { false } }

    /// Reads a value of a file.
    func parse(_ node: YAMLNode) throws(ValueProblem) -> ParameterValue {
        switch (node.content, self) {
        case (.scalar(let text, _), _):
            if isStrictList { throw ValueProblem("must be a list, as in [\"localhost:2379\"]") }
            return try parse(text)
        case (.sequence(let nodes), .list):
            var elements: [String] = []
            for node in nodes {
                guard case .scalar(let text, _) = node.content, !node.isNull else {
                    throw ValueProblem("must be a list of texts")
                }
                elements.append(text.trimmingBlanks)
            }
            return .list(elements)
        case (.sequence, _): throw ValueProblem("must be \(article), not a list")
        case (.mapping, _): throw ValueProblem("must be \(article), not a section")
        }
    }

    private var article: String {
        switch self {
        case .text, .secret: "a text"
        case .boolean: "true or false"
        case .integer: "a number"
        case .size: "a size such as 2g"
        case .bandwidth: "a size such as 100MiB, or 0 for no limit"
        case .list: "a list"
        case .choice(let choices): "one of \(choices.joined(separator: ", "))"
        case .hostPort: "HOST:PORT"
        }
    }
}

/// The spellings of the original, and those of YAML.
private func parseBoolean(_ text: String) throws(ValueProblem) -> Bool {
    switch text {
    case "1", "t", "T", "true", "TRUE", "True": return true
    case "0", "f", "F", "false", "FALSE", "False": return false
    default: throw ValueProblem("\(quoted(text)) is not a boolean; write true or false")
    }
}

private func parseInteger(_ text: String, in range: ClosedRange<Int>) throws(ValueProblem) -> Int {
    guard let number = wholeNumber(text) else { throw ValueProblem("\(quoted(text)) is not a number") }
    guard range.contains(number) else {
        if range == Parameter.positive, number < 1 { throw ValueProblem("must be greater than 0, not \(number)") }
        if range == Parameter.notNegative, number < 0 { throw ValueProblem("must not be negative, as \(number) is") }
        throw ValueProblem("must be between \(range.lowerBound) and \(range.upperBound), not \(number)")
    }
    return number
}

/// Decimal digits, YAML's `0x` and `0o`, or a number with a fraction of zero such as `1e3`.
private func wholeNumber(_ text: String) -> Int? {
    if let number = Int(text) { return number }
    if text.hasPrefix("0x") { return Int(text.dropFirst(2), radix: 16) }
    if text.hasPrefix("0o") { return Int(text.dropFirst(2), radix: 8) }
    guard text.utf8.allSatisfy({ "0123456789.eE+-".utf8.contains($0) }), let number = Double(text) else { return nil }
    return Int(exactly: number)
}

private func parseSize(_ text: String) throws(ValueProblem) -> Int {
    let lower = text.lowercased()
    let digits = lower.prefix { $0.isASCII && $0.isNumber }
    let factor: Int? =
        switch lower.dropFirst(digits.count).trimmingBlanks {
        case "", "b": 1
        case "k", "kb", "kib": 1 << 10
        case "m", "mb", "mib": 1 << 20
        case "g", "gb", "gib": 1 << 30
        case "t", "tb", "tib": 1 << 40
        default: nil
        }
    guard let factor, let number = Int(digits) else {
        throw ValueProblem("\(quoted(text)) is not a size; write one such as 2g, 512m or 1048576")
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: factor)
    guard !overflow else { throw ValueProblem("\(quoted(text)) is too large") }
    guard bytes > 0 else { throw ValueProblem("must be greater than 0") }
    return bytes
}

/// At least 1 KiB: what is less comes from a forgotten unit, and would never end.
private func parseBandwidth(_ text: String) throws(ValueProblem) -> Int {
    if text == "0" { return 0 }
    let size = text.lowercased().hasSuffix("/s") ? String(text.dropLast(2)) : text
    let bytes = try parseSize(size)
    guard bytes >= 1024 else { throw ValueProblem("must be 0 or at least 1k, bytes per second, not \(bytes)") }
    return bytes
}

extension TransferSettings {
    /// Reads what is written as `transfer.bandwidth` anywhere else than in a configuration; nil for no limit.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument``.
    package static func bandwidth(_ text: String) throws(BackupError) -> Int64? {
        do throws(ValueProblem) {
            let bytes = try parseBandwidth(text)
            return bytes > 0 ? Int64(bytes) : nil
        } catch {
            throw BackupError(.invalidArgument, "bandwidth: \(error.message)")
        }
    }
}

private func parseChoice(_ text: String, of choices: [String]) throws(ValueProblem) -> String {
    if let known = choices.first(where: { $0.lowercased() == text.lowercased() }) { return known }
    throw ValueProblem("\(quoted(text)) is not one of \(choices.joined(separator: ", "))")
}

private func parseHostPort(_ text: String, ports: ClosedRange<Int>) throws(ValueProblem) -> String {
    if text.isEmpty { return text }
    guard let endpoint = HostPort(text) else { throw ValueProblem("\(quoted(text)) is not of the form HOST:PORT") }
    guard ports.contains(endpoint.port) else {
        throw ValueProblem("the port must be between \(ports.lowerBound) and \(ports.upperBound), not \(endpoint.port)")
    }
    return endpoint.description
}

/// A value in a message: in quotes, in one line, and not too long.
func quoted(_ text: String) -> String {
    let shown = text.count > 60 ? "\(text.prefix(60))…" : text
    return "\"\(shown.escapingControlCharacters)\""
}

extension StringProtocol {
    var trimmingBlanks: String {
        let isBlank = { (character: Character) in character.isWhitespace }
        return String(drop(while: isBlank).reversed().drop(while: isBlank).reversed())
    }
}
