import Configuration
import Testing

@testable import Configuration

/// What the original's documentation says of one key: a row of its tables.
struct ReferenceRow: Sendable, CustomTestStringConvertible {
    /// The spellings in a file, the first one before the others.
    var keys: [String]
    /// The key of v2 that holds the value; the key itself in a v2 file.
    var newKey: String
    /// What is shown when nobody says anything.
    var fallback: String
    /// A value as it is written, and as it is shown.
    var example: String
    var shown: String
    var environment: [String] = []
    /// Texts that are no values of this key.
    var refused: [String] = []
    /// What else a file must say for the value to count.
    var context: [String: String] = [:]
    /// Whether a configuration without it is refused.
    var isRequired = false

    init(
        _ keys: String..., to newKey: String? = nil, fallback: String = "", example: String = "text",
        shown: String? = nil, environment: [String] = [], refused: [String] = [], context: [String: String] = [:],
        isRequired: Bool = false
    ) {
        self.keys = keys
        self.newKey = newKey ?? keys[0]
        self.fallback = fallback
        self.example = example
        self.shown = shown ?? example
        self.environment = environment
        self.refused = refused
        self.context = context
        self.isRequired = isRequired
    }

    var key: String { keys[0] }

    var testDescription: String { key }

    /// A file with the context and the given values, sections nested.
    func file(_ version: Configuration.SchemaVersion, _ values: [(key: String, text: String)] = []) -> String {
        var section = Section()
        for (key, value) in values { section.set(key.split(separator: ".")[...], value) }
        let more = context.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\n" }.joined()
        return "configVersion: \(version.rawValue)\n\(more)\(section.text(indentation: ""))"
    }

    /// Nested mappings.
    private struct Section {
        var values: [(key: Substring, text: String)] = []
        var sections: [(key: Substring, section: Section)] = []

        mutating func set(_ path: ArraySlice<Substring>, _ text: String) {
            guard let first = path.first else { return }
            if path.count == 1 { return values.append((first, text)) }
            let index = sections.firstIndex { $0.key == first } ?? sections.endIndex
            if index == sections.endIndex { sections.append((first, Section())) }
            sections[index].section.set(path.dropFirst(), text)
        }

        func text(indentation: String) -> String {
            values.map { "\(indentation)\($0.key): \($0.text)\n" }.joined()
                + sections.map { "\(indentation)\($0.key):\n\($0.section.text(indentation: indentation + "  "))" }
                .joined()
        }
    }

    /// An example as a file holds it.
    var written: String { example.hasPrefix("[") || example.hasPrefix("'") ? example : "'\(example)'" }
}

extension ReferenceRow {
    static func boolean(
        _ keys: String..., to newKey: String? = nil, fallback: String, environment: [String] = []
    ) -> ReferenceRow {
        var row = ReferenceRow(
            "", to: newKey ?? keys[0], fallback: fallback, example: fallback == "true" ? "F" : "1",
            shown: fallback == "true" ? "false" : "true", environment: environment, refused: ["yes", "2", "''", "[]"])
        row.keys = keys
        return row
    }

    /// A number greater than `minimum` - 1.
    static func integer(
        _ keys: String..., to newKey: String? = nil, fallback: Int, from minimum: Int = 1, environment: [String] = [],
        context: [String: String] = [:]
    ) -> ReferenceRow {
        var row = ReferenceRow(
            "", to: newKey ?? keys[0], fallback: "\(fallback)", example: "77", environment: environment,
            refused: ["many", "1.5", "''", "\(minimum - 1)", "[1]", "{a: 1}"], context: context)
        row.keys = keys
        return row
    }

    static func port(
        _ key: String, to newKey: String? = nil, fallback: Int, environment: [String] = []
    ) -> ReferenceRow {
        var row = integer(key, to: newKey, fallback: fallback, environment: environment)
        row.refused.append("65536")
        return row
    }

    static func secret(
        _ key: String, to newKey: String? = nil, fallback: String = "", environment: [String] = [],
        refused: [String] = [], context: [String: String] = [:], isRequired: Bool = false
    ) -> ReferenceRow {
        ReferenceRow(
            key, to: newKey, fallback: fallback, example: "0123456789", shown: "01****89", environment: environment,
            refused: ["[a]", "{a: b}"] + refused, context: context, isRequired: isRequired)
    }
}

/// Checks the facts that rows of both formats have in common.
struct ReferenceCheck {
    let version: Configuration.SchemaVersion
    let row: ReferenceRow

    /// Default, file in every spelling, environment and override, each before the one before it.
    func precedence() throws {
        try expectDefault()
        for key in row.keys {
            let named = [(key: key, text: row.written)]
            try expect(row.shown, .file, file: row.file(version, named), sourceKey: key.lowercased())
            try expectDefault(file: row.file(version, [(key: key, text: "~")]))
            let override = "\(key.uppercased())=\(overrideText)"
            try expect(row.shown, .override, set: [override], file: row.file(version, [(key, other)]))
        }
        for name in row.environment {
            let file = row.file(version, [(row.key, other)])
            try expect(row.shown, .environment, environment: [name: row.example], file: file, sourceKey: name)
            let override = "\(name.lowercased())=\(row.example)"
            try expect(row.shown, .override, environment: [name: otherText], set: [override])
            try expectDefault(environment: [name.lowercased(): row.example])
        }
    }

    /// The first spelling, in a file and in overrides.
    func spellings() throws {
        guard let last = row.keys.last, row.keys.count > 1 else { return }
        let both = [(key: last, text: other), (key: row.key, text: row.written)]
        try expect(row.shown, .file, file: row.file(version, both), sourceKey: row.key.lowercased())
        for name in row.environment {
            let overrides = ["\(row.key)=\(row.example)", "\(name)=\(otherText)"]
            try expect(row.shown, .override, set: overrides, sourceKey: row.key.lowercased())
        }
    }

    /// A variable that is set and empty counts: as an empty text, or as a bad number.
    func emptyVariable() throws {
        for name in row.environment {
            let file = row.file(version, [(row.key, row.written)])
            let message = problem(file, environment: [name: ""])
            if row.refused.contains("''") {
                #expect(message.contains("environment \(name): "), "\(message)")
            } else {
                #expect(message == "")
                let value = try load(file, environment: [name: ""]).configuration.parameter(row.newKey)?.value
                // An empty root stands for another default in v1.
                #expect(value == "" || (name == "MINIO_BACKUP_ROOT_PATH" && value == "backup"), "\(name)")
            }
        }
    }

    func refusals() {
        for text in row.refused {
            let message = problem(row.file(version, [(row.key, text)]))
            #expect(message.contains("\(row.key): "), "\(text): \(message)")
        }
    }

    /// Another value than the example, which must lose.
    private var other: String { row.example.hasPrefix("[") ? "[other:1]" : "'\(otherText)'" }

    private var otherText: String {
        switch row.shown {
        case "true": "false"
        case "false": "true"
        case _ where Int(row.shown) != nil: "2"
        default: row.refused.contains("other") ? row.fallback : "other"
        }
    }

    private var overrideText: String { String(row.example.filter { !"[]'".contains($0) }) }

    private func expectDefault(environment: [String: String] = [:], file: String? = nil) throws {
        let file = file ?? row.file(version)
        guard row.isRequired else {
            return try expect(row.fallback, .defaultValue, environment: environment, file: file)
        }
        let message = problem(file, environment: environment)
        #expect(message.contains(": must not be empty") && message.contains(row.key), "\(message)")
    }

    private func expect(
        _ value: String, _ source: ResolvedParameter.Source, environment: [String: String] = [:],
        set overrides: [String] = [], file: String? = nil, sourceKey: String? = nil
    ) throws {
        let file = file ?? row.file(version)
        let found = try load(file, set: overrides, environment: environment).configuration.parameter(row.newKey)
        #expect(found?.value == value, "\(file) \(overrides) \(environment)")
        #expect(found?.source == source, "\(file) \(overrides) \(environment)")
        if let sourceKey { #expect(found?.sourceKey == sourceKey) }
    }
}
