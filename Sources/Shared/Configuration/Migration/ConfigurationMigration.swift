import Support

/// A v1 file written anew in the v2 format.
package struct ConfigurationMigration: Sendable {
    /// The text of the new file. It holds the secrets of the old file, but none of the environment.
    package let text: String
    /// What became of the old file's values: `milvus.port -> milvus.grpc.port`, in the order of the new file.
    package let moves: [String]
    /// What the user must look at: keys that mean nothing, values left to environment variables.
    package let warnings: [String]

    /// Translates a v1 file as loading it would, environment included.
    ///
    /// Credentials of the environment are left out; a comment names the variable the v2 format reads instead.
    ///
    /// - Parameters:
    ///   - text: the bytes of the file.
    ///   - name: how messages call the file.
    /// - Throws: ``BackupError/Code/configuration`` when the file is v2 already or has problems.
    package init(
        _ text: [UInt8], name: String, overrides: [String] = [], environment: [String: String]
    ) throws(BackupError) {
        var resolution = try Resolution(text, name: name, overrides: overrides, environment: environment)
        guard resolution.version == .v1 else {
            throw BackupError(.configuration, "\(name) is in the v2 format already")
        }
        let values = try resolution.checkedValues()
        var moves: [String] = []
        var warnings = resolution.warnings.filter { $0 != resolution.formatAdvice }
        var lines: [DocumentLine] = []
        for parameter in Schema.version2.parameters {
            guard let resolved = values.values[parameter.name], parameter.mustBeWritten(resolved, values) else {
                continue
            }
            let origin = resolved.origin
            if origin.source == .environment, let variable = parameter.environment.first {
                lines.append(DocumentLine(parameter.name, comment: "set by the environment variable \(variable)"))
                if origin.spelling != variable {
                    warnings.append("\(parameter.name): set \(variable) in place of \(origin.spelling)")
                }
                continue
            }
            lines.append(DocumentLine(parameter.name, value: resolved.value.yaml))
            if origin.isExplicit { moves.append("\(origin.spelling) -> \(parameter.name)") }
        }
        self.text = "\(Schema.versionKey): v2\n\n" + DocumentLine.document(lines)
        self.moves = moves
        self.warnings = warnings
    }
}

extension Parameter {
    /// Whether a v2 file without this key would mean something else, or the user wrote its value himself.
    fileprivate func mustBeWritten(_ resolved: Resolved, _ values: ResolvedValues) -> Bool {
        if !Validation.credentialApplies(name, values) { return false }
        if resolved.origin.isExplicit { return true }
        switch fallback {
        case .value(let value): return resolved.value != value
        case .inherited(let key): return resolved.value != values.values[key]?.value
        }
    }
}

/// A key with dots and what stands behind it.
private struct DocumentLine {
    var path: ArraySlice<Substring>
    var text: String

    init(_ key: String, value: String) {
        path = key.split(separator: ".")[...]
        text = "\(path.last ?? ""): \(value)"
    }

    init(_ key: String, comment: String) {
        path = key.split(separator: ".")[...]
        text = "# \(path.last ?? ""): \(comment)"
    }

    /// Nested sections, each of them once, in the order in which they first appear.
    static func document(_ lines: [DocumentLine], indentation: String = "") -> String {
        var text = ""
        var done: Set<Substring> = []
        for line in lines {
            guard let name = line.path.first else { continue }
            if line.path.count == 1 {
                text += "\(indentation)\(line.text)\n"
            } else if done.insert(name).inserted {
                var below = lines.filter { $0.path.count > 1 && $0.path.first == name }
                for index in below.indices { below[index].path = below[index].path.dropFirst() }
                text += "\(indentation)\(name):\n" + document(below, indentation: indentation + "  ")
            }
        }
        return text
    }
}

extension ParameterValue {
    /// The value as YAML.
    fileprivate var yaml: String {
        switch self {
        case .text(let text): text.yaml
        case .secret(let secret): secret.exposed.yaml
        case .boolean(let value): String(value)
        case .integer(let value): String(value)
        case .list(let elements): "[\(elements.map(\.yaml).joined(separator: ", "))]"
        }
    }
}

extension String {
    /// A plain YAML scalar where nothing can be misread, else one in double quotes.
    fileprivate var yaml: String {
        let isPlain =
            first?.isLetter == true
            && utf8.allSatisfy { byte in
                byte < 0x80
                    && (Character(UnicodeScalar(byte)).isLetter || Character(UnicodeScalar(byte)).isNumber
                        || "_-./".utf8.contains(byte))
            }
        let words = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        if isPlain, !words.contains(lowercased()) { return self }
        var quoted = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                quoted += "\\x\(digits.count == 1 ? "0" : "")\(digits)"
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return "\"\(quoted)\""
    }
}
