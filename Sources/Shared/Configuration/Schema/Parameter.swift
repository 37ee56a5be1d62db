import Support

/// One key of a configuration format: how it is spelled, what it may hold, and what it is when nobody says anything.
struct Parameter: Sendable {
    enum Kind: Sendable {
        case text
        case secret
        case boolean
        case integer(ClosedRange<Int>)
        /// Bytes, as in `2g`, `512MB` or `1048576`.
        case size
        /// Bytes per second, written as a size; 0 for no limit.
        case bandwidth
        /// A list of texts. In a file it must be a YAML list unless `acceptsText`; elsewhere it is separated by commas.
        case list(acceptsText: Bool)
        /// One of several words, whatever their case.
        case choice([String])
        /// `HOST:PORT` or nothing.
        case hostPort(ports: ClosedRange<Int>)
    }

    enum Fallback: Sendable {
        case value(ParameterValue)
        /// The value of another key, which stands before this one in its schema.
        case inherited(from: String)
    }

    /// The spellings, tried in this order; the first one is the name.
    var keys: [String]
    var kind: Kind
    var fallback: Fallback
    /// Environment variables, tried in this order.
    var environment: [String] = []

    var name: String { keys[0] }
}

/// A parsed value; sizes are integers.
enum ParameterValue: Sendable, Hashable {
    case text(String)
    case secret(Secret)
    case boolean(Bool)
    case integer(Int)
    case list([String])

    /// For the eyes of a user: secrets are masked.
    var shown: String {
        switch self {
        case .text(let text): text
        case .secret(let secret): secret.masked
        case .boolean(let value): String(value)
        case .integer(let value): String(value)
        case .list(let elements): elements.joined(separator: ",")
        }
    }

    var isEmpty: Bool {
        switch self {
        case .text(let text): text.isEmpty
        case .secret(let secret): secret.isEmpty
        case .list(let elements): elements.isEmpty
        case .boolean, .integer: false
        }
    }
}

extension Parameter {
    /// What may be counted: at least one, and no more than fits everywhere.
    static let positive = 1...Int(Int32.max)
    static let notNegative = 0...Int(Int32.max)
    static let port = 1...65535

    static func text(_ keys: String..., value: String = "", environment: [String] = []) -> Parameter {
        Parameter(keys: keys, kind: .text, fallback: .value(.text(value)), environment: environment)
    }

    static func secret(_ keys: String..., value: String = "", environment: [String] = []) -> Parameter {
        Parameter(keys: keys, kind: .secret, fallback: .value(.secret(Secret(value))), environment: environment)
    }

    static func boolean(_ keys: String..., value: Bool, environment: [String] = []) -> Parameter {
        Parameter(keys: keys, kind: .boolean, fallback: .value(.boolean(value)), environment: environment)
    }

    static func integer(
        _ keys: String..., value: Int, in range: ClosedRange<Int> = positive, environment: [String] = []
    ) -> Parameter {
        Parameter(keys: keys, kind: .integer(range), fallback: .value(.integer(value)), environment: environment)
    }

    static func choice(
        _ keys: String..., value: String, of choices: [String], environment: [String] = []
    ) -> Parameter {
        Parameter(keys: keys, kind: .choice(choices), fallback: .value(.text(value)), environment: environment)
    }

    static func hostPort(_ key: String, ports: ClosedRange<Int>) -> Parameter {
        Parameter(keys: [key], kind: .hostPort(ports: ports), fallback: .value(.text("")))
    }

    /// The same key, which takes over the value of another one when it has none of its own.
    func inheriting(from key: String) -> Parameter {
        var parameter = self
        parameter.fallback = .inherited(from: key)
        return parameter
    }
}
